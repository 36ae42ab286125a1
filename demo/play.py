"""The course of the demo, from setting up to the verdict."""
import signal
import time
import traceback

import processes
import results
from agents import Cast, duration
from branches import Branches
from customers import Customers
from mending import Mending
from screen import Screen
from stage import (DATABASE, DURATIONS, MAX_AGE_SECONDS, MAX_PARALLEL, PARENT, PROJECT, Stage,
                   Stopped, Trouble, host, sql_file)
from verdict import Verdict

_SIGNALS = {signal.SIGINT: "control-C", signal.SIGTERM: "a signal", signal.SIGHUP: "a hang-up"}


def stop(number, _frame):
    _ignore_signals()
    raise Stopped(f"Stopped by {_SIGNALS[number]}. Cleaning up.")


def _ignore_signals():
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


class Play:
    def __init__(self, topology, keep, folders):
        """folders: the list to which every folder that is made is appended."""
        host.made_folders = folders
        self.keep = keep
        self.topology = topology
        self.screen = Screen()
        self.verdict = Verdict(self.screen)
        self.stage = None
        self.cast = None
        self.shop = None  # the URI of development
        self.customers = None

    def perform(self):
        """Returns the exit status."""
        processes.adopt_orphans()
        stopped = False
        try:
            for number in _SIGNALS:
                signal.signal(number, stop)
            self._acts()
        except Stopped as why:
            stopped = True
            self.screen.end_waits()
            self.screen.line(f"\n{why}")
        except (Trouble, AssertionError) as why:  # told in words, by us or by the tests' helpers
            self.verdict.went_wrong(self._lost() or str(why))
        except Exception:  # a mistake of ours: the servers are stopped all the same
            self.verdict.went_wrong(self._lost() or traceback.format_exc())
        _ignore_signals()
        self._clean_up()
        if stopped and not self.verdict.failed:
            self.screen.line("Everything is stopped and removed.")
            return 130
        return self.verdict.conclude()

    def _lost(self):
        """What makes all else go wrong: a server that is gone."""
        return self.stage.lost if self.stage else None

    def _acts(self):
        self.stage = Stage(self.topology)
        self._set_up()
        self._load_shop()
        self._introduce_agents()
        self._run_agents()
        self._close_shop()
        Mending(self.stage, self.screen).perform()
        self._reap()
        self._show_results()
        self.screen.heading("Verdict")
        self.verdict.judge_database(self.stage)
        self.verdict.judge_branches(self.stage)
        if self.keep:
            self._keep()

    def _set_up(self):
        screen, stage = self.screen, self.stage
        screen.line(screen.paint("agent_branch: five agents at work on one database", "strong"))
        screen.line()
        screen.waits("platform", "starts a control database and the emulator")
        stage.build()
        stage.psql(f"CREATE DATABASE {DATABASE}", database="postgres")
        stage.psql("CREATE EXTENSION agent_branch")
        stage.psql("SELECT agent_project_register(:'project', parent => :'parent', "
                   "options => '{\"on_drift\": \"rebase\"}')",
                   variables={"project": PROJECT, "parent": PARENT})
        screen.waits("platform")
        version = stage.value("SELECT extversion FROM pg_extension WHERE extname = 'agent_branch'")
        server = stage.value("SHOW server_version").split()[0]
        screen.facts([
            ("control database", f"PostgreSQL {server} with agent_branch {version}, in a temporary "
             "folder; everybody works in it with psql"),
            ("Neon", "neon-emulator, on this machine: a PostgreSQL server for each branch, about as "
             f"quick as Neon (a branch {DURATIONS['create_branch'] / 1000} s, its compute "
             f"{DURATIONS['start_compute'] / 1000} s)"),
            ("project", f"{PROJECT}, with the branches production and {PARENT}"),
            ("limits", f"{MAX_PARALLEL} sessions have a branch at the same time; one that is older "
             f"than {MAX_AGE_SECONDS} s counts as abandoned (24 hours unless set otherwise)"),
        ])

    def _load_shop(self):
        self.screen.heading(f"A shop, in the branch {PARENT}")
        self.shop = self.stage.parent_uri()
        self.stage.psql(sql_file("shop"), uri=self.shop)
        self.rows_before = results.count_rows(self.stage, self.shop)
        self.screen.step("platform", "loads " + ", ".join(
            f"{count:,} {name.replace('_', ' ')}" for name, count in self.rows_before.items())
            + " with psql, over the branch's own URI")
        self.requests_before = max(
            (request["n"] for request in self.stage.emulator.requests()), default=0)
        self._show_branches("The branches before")

    def _introduce_agents(self):
        self.cast = Cast(self.stage, self.screen)
        self.screen.heading("What the agents are about to do")
        for agent in self.cast.agents:
            self.stage.psql(f"CREATE ROLE {agent.name} LOGIN; "
                            f"SELECT agent_branch_grant('{agent.name}', 'user')")
            self.screen.line(f"  {self.screen.paint(f'{agent.name:<5}', agent.name)} {agent.wish}")
            for name in agent.migrations:
                self.screen.block(sql_file(name), " " * 10, "faint")
            self.screen.line()
        self.screen.text("Each agent is a role of its own with the level \"user\": it sees its own "
                         "sessions only, and nobody but the worker has the key of Neon's API.")

    def _run_agents(self):
        cast = self.cast
        self.screen.heading("All five at once, and the shop stays open")
        self.customers = Customers(self.stage, self.shop)
        self.customers.start()
        for agent in cast.agents:
            agent.start()
            self._wait(agent.created, f"{agent.name} to ask for a branch")
        self._wait(cast.agents[-1].queued, "the fifth agent to be queued")
        for agent in cast.agents[:MAX_PARALLEL]:
            self._wait(agent.has_worked, f"{agent.name} to work on its branch")
        self._show_branches(f"The branches while {MAX_PARALLEL} agents work and one waits")
        self.screen.line()
        self.screen.block(self.stage.table(
            "SELECT session, owner AS agent, state, queue_position FROM agent_sessions ORDER BY id"))
        self.screen.heading("They merge, fail, try, and vanish")
        cast.all_seen.set()
        for agent in cast.agents:
            while agent.is_alive():
                agent.join(0.1)
            self._raise_troubles()

    def _close_shop(self):
        self.customers.close()
        placed = len(self.customers.acknowledged)
        self.screen.step("shop", "customers placed orders on development",
                         f"{placed}, each acknowledged by the server")

    def _reap(self):
        screen, stage = self.screen, self.stage
        screen.heading("The reaper finds what eve left")
        age = "SELECT extract(epoch FROM clock_timestamp() - created_at) FROM agent_sessions " \
              "WHERE session = 'stock'"
        screen.waits("platform", f"until the session is {MAX_AGE_SECONDS} s old")
        while float(stage.value(age)) < MAX_AGE_SECONDS:
            time.sleep(0.1)
        screen.waits("platform")
        sweep = stage.value("SELECT agent_reap()")
        screen.step("platform", "agent_reap()", f"sweep {sweep} (by itself: every 6 hours)")
        screen.waits("platform", "reaps")
        began = time.monotonic()
        state = "SELECT state FROM agent_sessions WHERE session = 'stock' AND finished_at IS NOT NULL"
        while not stage.value(state):
            if time.monotonic() > began + 30:
                raise Trouble("the reaper did not end the abandoned session within 30 s")
            time.sleep(0.1)
        screen.step("platform", "state in agent_sessions",
                    f"{stage.value(state)}, after {duration(time.monotonic() - began)}", "good")
        self._wait_for_quiet()
        screen.line()
        screen.block(stage.table("SELECT name, class, action, session, "
                                 "date_trunc('second', age) AS age FROM agent_branches "
                                 "ORDER BY created_at, name"))

    def _wait_for_quiet(self):
        """The worker deletes kept branches after the sessions are done: until nothing is under way
        that would change the verdict, or for as long as one may reasonably wait."""
        self.screen.waits("platform", "lets the worker finish")
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            branches = self._branches()
            if not branches.running and not branches.left() and self.verdict.agree(self.stage):
                break
            time.sleep(0.1)
        self.screen.waits("platform")

    def _show_results(self):
        screen, stage = self.screen, self.stage
        self._show_branches("The branches after")
        self.verdict.explain_held(stage)
        screen.heading(f"{PARENT.capitalize()} now")
        screen.block(results.schema(stage, self.shop))
        screen.line()
        screen.block(results.compare_rows(stage, self.shop, self.rows_before, self.customers))
        screen.heading("The merges")
        screen.block(stage.table(
            "SELECT session, status, chosen, left(base_fingerprint, 12) AS schema_at_start, "
            "left(parent_fingerprint, 12) AS schema_at_merge, "
            "round(extract(epoch FROM finished_at - started_at) * 1000) || ' ms' AS took "
            "FROM agent_merges ORDER BY requested_at"))
        screen.heading("Calls of Neon's API")
        screen.block(stage.table(
            "SELECT session, owner AS agent, state, "
            "round(extract(epoch FROM finished_at - created_at), 1) || ' s' AS lived, api_calls "
            "FROM agent_sessions ORDER BY id"))
        screen.line()
        screen.text(results.calls(stage.emulator.requests(since=self.requests_before)))

    def _keep(self):
        screen, stage = self.screen, self.stage
        screen.heading("Everything is still running")
        screen.facts([
            ("control database", f"psql -h {stage.cluster.directory} -p {stage.cluster.port} "
             f"-U postgres {DATABASE}"),
            (PARENT, f"psql '{self.shop}'"),
            ("Neon's API", f"{stage.emulator.url}, key in {stage.emulator.key_file}"),
            ("the branches", f"curl -s {stage.emulator.base}/admin/state"),
        ])
        screen.line()
        screen.line("  Control-C stops and removes all of it.")
        try:
            while not stage.lost:
                time.sleep(0.2)
        except Stopped:
            screen.line("\n")
            return
        raise Trouble(stage.lost)

    def _clean_up(self):
        """Whatever happened: nothing of ours stays."""
        if self.stage is None:
            return
        screen = self.screen
        screen.end_waits()
        if self.verdict.failed:
            self.verdict.show_complaints(self.stage)
        running = len(processes.descendants())
        self.stage.end_psqls()
        for agent in self.cast.agents if self.cast else []:
            if agent.ident:
                agent.join(10)
        screen.waits("platform", "stops the servers")
        try:
            self.stage.close()
        except AssertionError as why:
            self.verdict.went_wrong(str(why))
        left = processes.end_all()
        screen.end_waits()
        self.verdict.judge_machine(running, left, *self.stage.remove_folders())

    def _branches(self):
        return Branches(self.stage.emulator.state())

    def _show_branches(self, title):
        notes = self.cast.notes() if self.cast else {}
        self.screen.heading(title)
        self.screen.block(self._branches().tree(notes))

    def _wait(self, event, what, seconds=60):
        deadline = time.monotonic() + seconds
        while not event.wait(0.05):
            self._raise_troubles()
            if time.monotonic() > deadline:
                raise Trouble(f"waited {seconds} s for {what}")

    def _raise_troubles(self):
        if self.stage.lost:
            raise Trouble(self.stage.lost)
        if self.cast.troubles:
            raise Trouble("\n".join(self.cast.troubles))
