"""Was anything left behind? Asked of those who would know: the emulator, the control database, and
the operating system."""
from branches import Branches
from stage import PARENT, PROJECT

_LIMIT = 12


class Verdict:
    def __init__(self, screen):
        self.screen = screen
        self.failed = []
        self.held = []

    def went_wrong(self, what):
        """A step did not go as it should."""
        self.failed.append(what.splitlines()[0])
        self.screen.end_waits()
        self.screen.line()
        self.screen.line(self.screen.paint("Something went wrong", "bad"))
        self.screen.block(what)

    def show_complaints(self, stage):
        complaints = stage.complaints()
        if complaints:
            self.screen.line("\n  The control database's log says:")
            self.screen.block([line[:160] for line in complaints], "    ")

    def judge_branches(self, stage):
        """At the emulator: what is there that nobody needs?"""
        branches = Branches(stage.emulator.state())
        left = [branch["name"] for branch in branches.left()]
        self._judge(not left, "No branch of an agent and no backup is left that Neon would delete.",
                    f"Left at Neon: {', '.join(left)}.")
        self._judge(not branches.running, "No operation is running.",
                    f"{len(branches.running)} operations are still running at Neon.")
        self.held = branches.held()
        if self.held and not left:
            self._judge_held(stage)

    def explain_held(self, stage):
        """Where the tree shows branches of agents and backups still, the reader wants to know why."""
        held = Branches(stage.emulator.state()).held()
        if held:
            self.screen.line()
            self.screen.text(
                f"A merge makes {PARENT} a child of the branch that was merged, which is a child of "
                f"what {PARENT} was before. Neon deletes no branch that has children, so these "
                f"{len(held)} stay for now; the worker knows them, and deletes each as soon as Neon "
                "lets it go. Whether Neon does it this way is not documented: with --topology flat "
                f"the emulator leaves {PARENT} where it is, and none of them stays.")

    def _judge_held(self, stage):
        """Not taken on trust: Neon is asked to delete them."""
        answers = {}
        for branch in self.held:
            status, answer = stage.emulator.call(
                "DELETE", f"/projects/{PROJECT}/branches/{branch['id']}")
            answers[branch["name"]] = (status, answer.get("message") if answer else None)
        deleted = [name for name, (status, _) in answers.items() if status != 422]
        _, message = answers[self.held[0]["name"]]
        self._judge(not deleted,
                    f"Neon itself holds {', '.join(answers)}. Asked to delete them it refuses: "
                    f"\"{message}\".",
                    f"Left at Neon, which would have deleted them: {', '.join(deleted)}.")

    def judge_database(self, stage):
        """In the control database: does it think that it is done, and does it know all there is?"""
        unfinished = stage.value("SELECT count(*) FROM agent_sessions WHERE finished_at IS NULL")
        steps = stage.value("SELECT count(*) FROM agent_branch.step WHERE status = 'intended'")
        requests = stage.value("SELECT count(*) FROM agent_branch.request")
        sessions = stage.value("SELECT count(*) FROM agent_sessions")
        self._judge(unfinished == steps == requests == "0",
                    f"All {sessions} sessions are finished, and the journal has no open step.",
                    f"The control database is not done: {unfinished} sessions unfinished, {steps} "
                    f"steps open, {requests} requests not taken.")
        self._judge(self.agree(stage), "The control database and Neon agree on every branch.",
                    "The control database and Neon do not agree on the branches that are kept.")
        crashes = [line for line in stage.cluster.log().splitlines()
                   if "was terminated by signal" in line or "PANIC:" in line or "TRAP: " in line]
        if crashes:
            self._judge(False, "", f"The control database crashed: {crashes[0]}")

    @staticmethod
    def agree(stage):
        """Does the control database keep exactly the branches that Neon holds?"""
        kept = {row[0] for row in stage.rows(
            "SELECT branch_id FROM agent_branch.kept_branch WHERE deleted_at IS NULL")}
        return kept == {branch["id"] for branch in Branches(stage.emulator.state()).held()}

    def judge_machine(self, running, left, folders, folders_left):
        """After everything was stopped: processes that would not end, folders that are there."""
        if not folders:
            return  # it had not begun
        names = [f"{pid} {command[:60]}" for pid, command in sorted(left.items())[:_LIMIT]]
        self._judge(not left, f"All {running} processes have ended.",
                    f"These processes did not end by themselves: {'; '.join(names)}.")
        self._judge(not folders_left, f"The {folders} temporary folders are removed.",
                    f"These folders are left: {', '.join(folders_left)}.")

    def conclude(self):
        self.screen.line()
        if self.failed:
            self.screen.line(self.screen.paint(
                f"The demo failed after {self.screen.seconds:.0f} s: {self.failed[0]}", "bad"))
            return 1
        self.screen.line(self.screen.paint(
            "Nothing was left behind" + (f" but the {len(self.held)} branches that Neon itself holds"
                                         if self.held else "") +
            f". ({self.screen.seconds:.0f} s)", "good"))
        return 0

    def _judge(self, good, fine, bad):
        self.screen.verdict(good, fine if good else bad)
        if not good:
            self.failed.append(bad)
