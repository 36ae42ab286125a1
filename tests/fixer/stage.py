"""Where the plays are performed: a control database, an emulator with one fixed database for all
branches, and the model's server."""
import os
from dataclasses import dataclass

from cluster import Cluster
from emulator import Emulator, write_key_file
from model_server import ModelServer
from system import System, point_at, query

DATABASE = "fixed"
SETUP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "setup.sql")
# What no fix may have touched.
WITNESS = """
SELECT (SELECT array_agg(k::text ORDER BY id) FROM keep AS k),
  (SELECT array_agg(c.id::text || c.email ORDER BY id) FROM customers AS c WHERE id < 9),
  (SELECT attnotnull FROM pg_attribute WHERE attrelid = 'keep'::regclass AND attname = 'v'),
  (SELECT count(*) FROM pg_constraint WHERE conname = 'keep_pkey'),
  (SELECT relacl FROM pg_class WHERE oid = 'keep'::regclass),
  (SELECT obj_description('keep'::regclass)),
  (SELECT count(*) FROM pg_proc WHERE prosecdef),
  (SELECT count(*) FROM pg_trigger WHERE tgrelid = 'keep'::regclass),
  to_regclass('leak'),
  (SELECT count(*) FROM pg_extension WHERE extname = 'dblink')
"""


@dataclass
class Outcome:
    fixed_at: int = None       # which answer of the model was applied
    accepted: str = None       # what that answer was
    answers: int = 0           # how many were asked for
    intent_kept: bool = False
    complaint: str = ""


class Stage:
    def __enter__(self):
        self.cluster = Cluster({"shared_preload_libraries": "agent_branch",
                                "max_worker_processes": 12, "agent_branch.reap_interval": 0,
                                "agent_branch.rate_limit_per_minute": 1000000,
                                "agent_branch.rate_limit_burst": 10000}, name="stage")
        self.cluster.psql(f"CREATE DATABASE {DATABASE}")
        self.uri = self.cluster.uri(DATABASE)
        self.emulator = Emulator(engine="memory", durations="zero", max_branches=1000,
                                 rate_per_minute=0, fixed_uri=self.uri,
                                 arguments=("--max-root-branches", "1000"))
        self.model = ModelServer()
        self.key_file = os.path.join(self.cluster.directory, "model-key")
        write_key_file(self.key_file, self.model.key)
        self.system = None
        self.number = 0
        self.use("openai")
        self.system = System(self.cluster, self.emulator, "stage")
        self.system.register()
        with open(SETUP, encoding="utf-8") as file:
            self.setup = file.read()
        return self

    def __exit__(self, *_):
        if self.system:
            self.system.close()
        self.model.close()
        self.emulator.close()
        self.cluster.close()

    def use(self, protocol, **settings):
        point_at(self.cluster, self.emulator, **{
            "agent_branch.fixer_url": self.model.url(protocol),
            "agent_branch.fixer_protocol": protocol, "agent_branch.fixer_model": "recorded",
            "agent_branch.fixer_key_file": self.key_file, **settings})

    def begin(self):
        """The schema as setup.sql has it, nothing remembered, and a model without answers."""
        query(self.uri, self.setup)
        self.cluster.psql("TRUNCATE agent_branch.fixer_memory", self.system.database)
        self.use("openai")
        self.model.play()

    def clear(self):
        for row in self.system.rows("SELECT session FROM agent_sessions "
                                    "WHERE finished_at IS NULL"):
            self.system.discard(row["session"])

    def rows(self, sql):
        return query(self.uri, sql)

    def ask(self, sql, user=None, before=None):
        """Makes a session that migrates; returns its name."""
        if before:
            query(self.uri, before)
        self.number += 1
        session = f"play-{self.number}"
        calls = ("SELECT agent_branch_create(%s)", "SELECT agent_migrate(%s, %s)")
        connection = self.cluster.connect(self.system.database, **({"user": user} if user else {}))
        with connection.cursor() as cursor:
            cursor.execute(calls[0], (session,))
            cursor.execute(calls[1], (session, sql))
        connection.close()
        return session

    def run(self, sql, **options):
        """The session's name, and the state that it came to."""
        session = self.ask(sql, **options)
        return session, self.system.wait(session)

    def perform(self, play):
        query(self.uri, self.setup)
        before = query(self.uri, WITNESS)
        # Each play is to see the model, not what another one left.
        self.cluster.psql("TRUNCATE agent_branch.fixer_memory", self.system.database)
        self.model.play(*(answer for _, answer in play.answers))
        session, state = self.run(play.broken)
        outcome = self._outcome(play, session, state)
        after = query(self.uri, WITNESS)
        if before != after:
            outcome.complaint = f"the witness has changed: {before} is {after}"
        self.system.discard(session)
        return outcome

    def _calls(self, session):
        return self.system.rows("SELECT source, outcome, reason FROM agent_fixer_calls "
                                "WHERE session = %s ORDER BY asked_at", session)

    def _outcome(self, play, session, state):
        attempts = self.system.rows(
            "SELECT attempt, made_by, status, sql, reason, sqlstate, message "
            "FROM agent_migration_attempts WHERE session = %s ORDER BY attempt", session)
        outcome = Outcome(answers=len(self.model.requests))
        applied = [attempt for attempt in attempts if attempt["status"] == "applied"]
        if applied:
            texts = [answer for _, answer in play.answers]
            outcome.fixed_at = texts.index(applied[0]["sql"]) + 1
            outcome.accepted = play.answers[outcome.fixed_at - 1][0]
            outcome.intent_kept = applied[0]["sql"] == play.good
        if outcome.fixed_at != play.fixed_at:
            tried = [(attempt["status"], attempt["reason"] or attempt["message"])
                     for attempt in attempts]
            outcome.complaint = (f"fixed at {outcome.fixed_at}, not {play.fixed_at}; {state}; "
                                 f"{tried}; {self.system.session(session)['error']}; "
                                 f"{self._calls(session)}")
        elif (state == "ready") != bool(applied):
            outcome.complaint = f"the session is {state}"
        return outcome
