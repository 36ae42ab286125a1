"""Five agents and what each of them does, at the same time as the others.

An agent is a role in the control database, and psql. It sees its own sessions only, and has no key
of Neon's.
"""
import threading
import time

from stage import MAX_PARALLEL, PARENT, Stopped, Trouble, sql_file


def duration(seconds):
    return f"{seconds * 1000:.0f} ms" if seconds < 0.1 else f"{seconds:.1f} s"


class Agent(threading.Thread):
    def __init__(self, name, wish, story, cast, migrations):
        super().__init__(name=name, daemon=True)
        self.wish = wish
        self.migrations = migrations
        self.created = threading.Event()
        self.has_worked = threading.Event()
        self.queued = threading.Event()
        self.has_branch = threading.Event()
        self.place = None
        self.session = None
        self.sessions = []
        self._story = story
        self.cast = cast

    def run(self):
        try:
            self._story(self)
        except Stopped:
            pass
        except Exception as error:  # told by whoever waits for the agents
            if not self.cast.stage.ending.is_set():
                self.cast.went_wrong(self.name, error)
        finally:
            self.cast.screen.waits(self.name)

    # What an agent says through psql. Each prints the call and what came of it.

    def ask(self, query, **variables):
        return self.cast.stage.value(query, self.name, variables={"session": self.session,
                                                                **variables})

    def say(self, call, outcome="", style=None):
        self.cast.screen.step(self.name, call, outcome, style)

    def create(self, session):
        self.session = session
        branch = self.ask("SELECT agent_branch_create(:'session')")
        self.sessions.append(session)
        self.cast.owner[branch] = self.name
        self.say(f"agent_branch_create('{session}')", branch)
        self.created.set()
        if self.cast.agents.index(self) >= MAX_PARALLEL and len(self.sessions) == 1:
            self.queue()
            self.queued.set()
        self.wait("ready", "gets a branch")
        self.has_branch.set()

    def queue(self):
        """More sessions than may have a branch at once: this one waits, and can see its place."""
        for other in self.cast.agents:
            if other is not self:
                self.cast.wait_for(self, other.has_branch, "is queued")
        place = self.ask("SELECT queue_position FROM agent_sessions WHERE session = :'session'")
        if not place:
            raise Trouble(f"session {self.session} should be queued while {MAX_PARALLEL} others "
                          "have a branch")
        self.place = place
        self.say("queue_position in agent_sessions",
                 f"place {place}; {MAX_PARALLEL} may have a branch at once", "strong")

    def migrate(self, name):
        ordinal = self.ask("SELECT agent_migrate(:'session', :'sql', :'name')",
                           sql=sql_file(name), name=name.replace("_", " "))
        self.say(f"agent_migrate('{self.session}', …)", f"number {ordinal}: "
                 f"{name.replace('_', ' ')}")

    def merge(self):
        self.ask("SELECT agent_merge(:'session')")
        self.say(f"agent_merge('{self.session}')")

    def discard(self):
        self.ask("SELECT agent_discard(:'session')")
        self.say(f"agent_discard('{self.session}')")

    def wait(self, state, doing):
        place = f"queued, place {self.place}" if self.place else doing
        self.cast.screen.waits(self.name, place)
        began = time.monotonic()
        got = self.ask("SELECT agent_wait(:'session')")
        took = time.monotonic() - began
        self.cast.screen.waits(self.name)
        good = got in ("ready", "merged", "discarded")
        self.say(f"agent_wait('{self.session}')", f"{got}, after {duration(took)}",
                 "good" if good else "bad")
        self.place = None
        if got != state:
            error = self.ask("SELECT error FROM agent_sessions WHERE session = :'session' "
                             "ORDER BY id DESC LIMIT 1")
            raise Trouble(f"session {self.session} should be {state} now, but is {got}: {error}")

    def branch_uri(self):
        return self.ask("SELECT agent_connection_uri(:'session')")

    def meet(self):
        """The story's one rule of time: nobody changes anything for good before the branches of
        all have been seen."""
        self.has_worked.set()
        self.cast.wait_for(self, self.cast.all_seen, "looks around")


class Cast:
    """All agents, and what they wait for together."""

    def __init__(self, stage, screen):
        self.stage = stage
        self.screen = screen
        self.owner = {}
        self.troubles = []
        self.all_seen = threading.Event()
        self.agents = [
            Agent("ada", "gives every customer loyalty points for what they bought; merges",
                  _ada, self, ["loyalty_column", "loyalty_backfill"]),
            Agent("ben", "adds a table of returned goods, and a column to ada's table; merges too",
                  _ben, self, ["returns_table", "letters_column"]),
            Agent("cleo", "stores the total of each order, with a typing error; gives up",
                  _cleo, self, ["order_totals"]),
            Agent("eve", "begins to count the stock and is killed at it",
                  _eve, self, ["stock_table"]),
            Agent("dan", "tries what an index and a view are worth, and merges them",
                  _dan, self, ["sales_report"]),
        ]

    def notes(self):
        """What there is to say about branches, by name: whose they are, and what a backup keeps."""
        notes = {branch: f"agent {owner}" for branch, owner in self.owner.items()}
        for backup, owner in self.stage.rows(
                "SELECT m.backup_name, s.owner FROM agent_merges AS m JOIN agent_sessions AS s "
                "ON s.id = m.session_id WHERE m.backup_branch_id IS NOT NULL"):
            notes[backup] = f"{PARENT} before {owner}'s merge"
        return notes

    def went_wrong(self, who, error):
        self.troubles.append(f"{who}: {error}")
        self.stage.end_psqls()

    def wait_for(self, agent, event, doing):
        if not event.is_set():
            self.screen.waits(agent.name, doing)
        while not event.wait(0.05):
            if self.stage.ending.is_set():
                raise Stopped
        self.screen.waits(agent.name)


def _merges(agent, session):
    agent.create(session)
    for name in agent.migrations:
        agent.migrate(name)
    agent.wait("ready", "migrates")
    agent.meet()
    agent.merge()
    agent.wait("merged", "merges")
    chosen, why = agent.cast.stage.rows("SELECT chosen, chosen_reason FROM agent_merges "
                                        "WHERE session = :'session'", agent.name,
                                        variables={"session": session})[0]
    agent.say("agent_merges", f"by {chosen}: {why}")


def _ada(agent):
    _merges(agent, "loyalty")


def _ben(agent):
    _merges(agent, "returns")


def _cleo(agent):
    agent.create("order-totals")
    agent.migrate("order_totals")
    agent.wait("failed", "migrates")
    message, hint, sqlstate, line, column = agent.cast.stage.rows(
        "SELECT message, hint, sqlstate, line, \"column\" FROM agent_migrations "
        "WHERE session = 'order-totals'", agent.name)[0]
    agent.say("agent_migrations", f"ERROR {sqlstate} in line {line}, column {column}:\n{message}\n"
              f"{hint}")
    text = sql_file("order_totals").splitlines()[int(line) - 1]
    agent.cast.screen.block([text, " " * (int(column) - 1) + "^"], " " * 20, "faint")
    kept = agent.cast.stage.value("SELECT count(*) FROM pg_attribute WHERE attrelid = "
                                  "'orders'::regclass AND attname = 'total'",
                                  uri=agent.branch_uri())
    if kept != "0":
        raise Trouble("the failed migration left its column on the branch")
    agent.say("looks at its branch with psql", "nothing of the migration stayed")
    agent.meet()
    agent.discard()
    agent.wait("discarded", "cleans up")


def _dan(agent):
    agent.create("sales-report")
    agent.migrate("sales_report")
    agent.wait("ready", "migrates")
    month, sales = agent.cast.stage.rows(
        "SELECT to_char(month, 'FMMonth'), to_char(sales, 'FM999,999,999') FROM sales_per_month "
        "ORDER BY sales_per_month.sales DESC LIMIT 1", uri=agent.branch_uri())[0]
    agent.say("asks the new view with psql", f"best month: {month}, {sales}")
    agent.merge()
    agent.wait("merged", "merges")


def _eve(agent):
    agent.create("stock")
    agent.migrate("stock_table")
    agent.wait("ready", "migrates")
    stage = agent.cast.stage
    psql = stage.start_psql(uri=agent.branch_uri())
    psql.stdin.write("INSERT INTO stock VALUES ('lamp', 12); SELECT pg_sleep(600);\n")
    psql.stdin.flush()
    agent.say("writes to its branch with psql", "busy")
    agent.meet()
    stage.kill_psql(psql)
    agent.say("is killed, with its psql: kill -9", "nobody is left to clean up", "bad")
