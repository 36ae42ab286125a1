"""The migration that failed, once more with a fixer: a model on this machine that answers first
with less than was asked for, then with what was meant."""
import os

from emulator import write_key_file
from model_server import ModelServer
from stage import Trouble, sql_file

AGENT = "cleo"
SESSION = "order-totals-again"
MIGRATION = "order_totals"


class Mending:
    def __init__(self, stage, screen):
        self.stage = stage
        self.screen = screen
        self.broken = sql_file(MIGRATION)
        self.mended = self.broken.replace("unit_prise", "unit_price")
        self.weaker = self.broken.split("\n")[0]

    def perform(self):
        self.screen.heading("The migration that failed, with a fixer")
        self.screen.text("The platform's team sets the URL, the name and the key of a model; here "
                         "it is a server on this machine that plays two recorded answers. The "
                         "first one would run, but leaves out half of what was asked for.")
        with ModelServer() as model:
            self._point_at(model)
            model.play(self.weaker, self.mended)
            self._migrate()
            self._show(model)
        self._clean_up()

    def _point_at(self, model):
        key_file = os.path.join(self.stage.cluster.directory, "model-key")
        write_key_file(key_file, model.key)
        self.stage.cluster.reload({"agent_branch.fixer_url": model.url("openai"),
                                   "agent_branch.fixer_model": "recorded",
                                   "agent_branch.fixer_key_file": key_file})

    def _call(self, call, **variables):
        return self.stage.value(f"SELECT {call}", AGENT,
                                variables={"session": SESSION, **variables})

    def _migrate(self):
        self.screen.line()
        self._call("agent_branch_create(:'session')")
        self._call("agent_migrate(:'session', :'sql')", sql=self.broken)
        self.screen.step(AGENT, f"agent_migrate('{SESSION}', …)", "the same text as before")
        self.screen.waits(AGENT, "migrates")
        state = self._call("agent_wait(:'session', '1 min')")
        self.screen.waits(AGENT)
        if state != "ready":
            raise Trouble(f"the migration was not mended: the session is {state}")
        self.screen.step(AGENT, "agent_wait()", state, "good")

    def _show(self, model):
        screen = self.screen
        screen.line()
        screen.block(self.stage.table(
            "SELECT attempt, made_by, status, coalesce(reason, message) AS why FROM "
            f"agent_migration_attempts WHERE session = '{SESSION}' ORDER BY attempt", AGENT))
        screen.line()
        applied = self.stage.value("SELECT sql FROM agent_migrations WHERE session = "
                                   f"'{SESSION}'", AGENT)
        if applied.strip() != self.mended or len(model.requests) != 2:
            raise Trouble(f"another text was applied than the one that was meant: {applied}")
        screen.block(side_by_side(self.broken, applied, "what the agent wrote", "what ran"))

    def _clean_up(self):
        self._call("agent_discard(:'session')")
        self.screen.waits(AGENT, "cleans up")
        state = self._call("agent_wait(:'session', '1 min')")
        self.screen.waits(AGENT)
        self.screen.step(AGENT, "agent_discard()", state)


def side_by_side(left, right, left_title, right_title):
    """Two texts as the columns of a table, with a mark at lines that differ."""
    ours, theirs = left.strip().split("\n"), right.strip().split("\n")
    lines = max(len(ours), len(theirs))
    ours += [""] * (lines - len(ours))
    theirs += [""] * (lines - len(theirs))
    width = max(len(line) for line in [*ours, left_title])
    shown = [f"{left_title:<{width}}     {right_title}"]
    for one, other in zip(ours, theirs):
        shown.append(f"{one:<{width}}  {'|' if one == other else '≠'}  {other}")
    return shown
