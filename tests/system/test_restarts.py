"""A worker that fails as soon as it starts is started again after pauses that grow, and the workers
of other databases do not notice."""
import re
from datetime import datetime

from host import wait_until
from system import System, unique

FAILED = re.compile(r"^(\S+ \S+) UTC \[(\d+)\] .*ERROR:  refused by the test", re.M)


def test_a_worker_that_fails_at_once_is_restarted_after_growing_pauses(own_cluster):
    good = own_cluster({"log_line_prefix": "%m [%p] "})
    good.register()
    good.ready("s")
    name = unique("broken")
    good.cluster.psql(f"CREATE DATABASE {name}")
    bad = System(good.cluster, good.emulator, extension=False)
    bad.database = name
    # It reads this as soon as it starts.
    bad.rows("CREATE EXTENSION agent_branch")
    bad.worker_runs()
    bad.rows("CREATE FUNCTION refuse() RETURNS uuid LANGUAGE plpgsql AS "
             "$$BEGIN RAISE 'refused by the test'; END$$")
    bad.rows("ALTER TABLE agent_branch.former_installation RENAME TO hidden")
    bad.rows("CREATE VIEW agent_branch.former_installation AS SELECT public.refuse() AS id")
    worker = good.worker()
    bad.rows("SELECT pg_terminate_backend(%s)", bad.worker())

    def failures():
        return [datetime.fromisoformat(at) for at, _ in FAILED.findall(good.cluster.log())]
    wait_until(lambda: len(failures()) >= 5, 30, "the worker to fail again and again")
    # The first failure may be that of the worker which ran before: it reads the table once more before it ends.
    times = failures()[-4:]
    pauses = [(after - before).total_seconds() for before, after in zip(times, times[1:])]
    # Twice as long each time, but for what the machine adds.
    assert pauses[-1] > 1.4, pauses
    assert all(after > 1.3 * before for before, after in zip(pauses, pauses[1:])), pauses
    assert good.worker() == worker
    good.discard("s")
    # Whoever asks meanwhile does not make it start sooner.
    started = len(failures())
    for _ in range(20):
        bad.rows("SELECT agent_reap()")
    bad.rows("DROP VIEW agent_branch.former_installation")
    bad.rows("ALTER TABLE agent_branch.hidden RENAME TO former_installation")
    assert len(failures()) == started
    # Another launcher knows of no pause.
    good.cluster.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                      "WHERE backend_type = 'agent_branch launcher'")
    bad.worker_runs(seconds=5)
    assert len(failures()) == started and good.worker() == worker
