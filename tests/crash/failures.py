"""The kinds of failure. Each returns when what it broke is there again, or on its way."""
import os
import signal

import psycopg2

from host import wait_until
from points import LATE


class NothingToBreak(Exception):
    """At that point there is nothing that this failure could break."""


def impossible(point, failure):
    """Why there is no such cell, if there is none."""
    if failure == "emulator" and point.moment == LATE:
        return "what an ended emulator was sent is lost with it"
    if failure == "emulator" and point.scenario.engine == "postgres":
        return "the emulator's engine postgres keeps nothing over its end"
    return None


def _worker_is_another(world, pid):
    def another():
        try:
            return world.worker() not in (None, pid)
        except psycopg2.Error:
            world.connection = None
            return False
    wait_until(another, 60, "another worker")


def worker_ended(world, pid):
    world.rows("SELECT pg_terminate_backend(%s)", pid)
    # Its connections are closed then, too.
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 20, "the worker to be gone", 0.002)


def worker_killed(world, pid):
    os.kill(pid, signal.SIGKILL)
    _worker_is_another(world, pid)


def cluster(world, _pid):
    world.cluster.restart("immediate")
    world.connection = None


def emulator(world, _pid):
    world.emulator.kill9()
    # An answer of its that is still on the way is lost with it.
    world.stage.proxy.cut()
    world.emulator.start()
    if world.trouble:
        world.trouble.renew()


def connection(world, _pid):
    if world.end_connections() + world.stage.cut() == 0:
        raise NothingToBreak("the worker has no connection then")


ALL = {"worker ended": worker_ended, "worker killed": worker_killed, "cluster": cluster,
       "emulator": emulator, "connection": connection}
