#!/usr/bin/python3
"""Makes docs/session-machine.md from the flows' source, and holds the page to it.

usage: tests/lint/session_machine.py > docs/session-machine.md
"""
import glob
import os
import re
import sys

if __name__ == "__main__":
    sys.dont_write_bytecode = True
    os.chdir(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from rules import read, rule, without_comments  # noqa: E402

PAGE = "docs/session-machine.md"

_HEAD = """# What a session waits for

Made from the code by `tests/lint/session_machine.py`; `make lint` compares. [states.md](states.md) has the states that
users see; this page has what happens inside of them: each flow (`worker/core/`), what it waits for, until when, and what
a restart of the worker does there.

A session, or one of a project's three upkeep actors, runs one flow at a time. A discard, an expiry or a change of the
project interrupts it: the flow is ended at once where the table says so, else as soon as what it waits for has come. The
next flow begins from the rows. So does the first one after a restart: what it finds intended and not recorded is found
out before anything else ([journal.md](journal.md)).

| kind of wait | until | interrupted |
| --- | --- | --- |
| a read at Neon | answered; 423, 429, 503, a refused key and an unreachable host are tried again with growing intervals, and shown | at once |
| a change at Neon | the same; an answer that is lost leaves the step open, and it is looked up | before it is sent, and while it waits to be tried again, since nothing has happened then; else when it is answered |
| operations | they end; after 15 minutes they count as failed, and the branch is read | at once: the session's row has their ids |
| a branch | the task ends: `statement_timeout` and `lock_timeout` of the project, or the connection is lost | at once, and the task is cancelled; not while a COMMIT may have been sent |
| a process | the task ends, or its time limit | at once, and the process is ended |
| a model | the answer, or `agent_branch`'s time limit for it | at once; an answer that was asked for is asked for again |
| the journal | the control database has committed; what it never takes is set aside, with its reason | no: what follows the commit may rest on it |
| a pause | its time | at once |
| an event | another actor tells of it | at once |
"""

# In the order of a session's life. What a restart does is nobody's to read off the code.
_FLOWS = {
    "Admission": "The session is `queued` still, and takes its place in the order of creation.",
    "CreateFlow": "A create without a recorded answer is looked up by the branch's name and annotation; operations are "
                  "waited for by the ids in the row; what was found out of the branch's base is asked anew.",
    "ConnectionUris": "URIs that a server crash took are asked for again; those of another branch id are not believed.",
    "AgentRole": "The row says on which branch the role is; it is made again there with another password, or taken away "
                 "again, which does no harm.",
    "ReaderRole": "The role gets another password, which does no harm.",
    "RestingFlow": "The rows say whether there is anything to do. An expiry whose answer was lost is set again.",
    "MigrateFlow": "A transaction whose id is noted is asked for by `pg_xact_status()`; without an id no COMMIT was sent, "
                   "and the segment runs again. A statement outside of transactions is looked at by what it was about.",
    "FixFlow": "The question is made anew from the failed attempt's row; an answer that was not recorded is asked for "
               "once more, and counts once.",
    "MergeFlow": "What may have been done to the parent is found out before the strategy goes on.",
    "MergeTurn": "The queue is that of the merges' and undos' ids; one that may have restored the parent goes first.",
    "UndoPoints": "A backup without a recorded answer is looked up by its name, which only its merge uses.",
    "ConflictReader": "(a part of merges: both sides are asked anew)",
    "UndoFlow": "The session that was merged is read again for its undo; the name that its restore preserves the parent "
                "under says whether that was done; then the parent is read.",
    "ReplayMerge": "The parent is asked what became of the transaction whose id the merge's row has.",
    "OtherOrder": "(a part of merges by replay: the other order is tried anew)",
    "PiecesMerge": "The merge's row says which pieces are done. Of the one that runs, the parent is asked: by its "
                   "transaction's id, or by what a statement alone makes or drops.",
    "RebaseFlow": "Until the branch is set aside nothing was done; from then on the session's row says that it has no "
                  "branch, and the rebase's own row what is compared in the end.",
    "RecordedWorkReader": "(a part of merges and rebases: the branch is asked anew)",
    "ParentReader": "(a part of merges: the parent is looked at anew)",
    "GateKeeper": "(a part of merges and previews: the gates are asked anew)",
    "PreviewFlow": "Nothing: who waits for a preview asks again once the worker is another.",
    "StillProver": "(a part of merges by restore: the proof is made anew)",
    "RestoreMerge": "The backup's name, which only this merge uses, says whether the restore was done; then the parent "
                    "is read.",
    "RestoreChecker": "The merge's row says whether its backup was compared; if not, it is again, with the compute that "
                      "the backup has by then.",
    "EndFlow": "The branch is read, since what was known of its owner is forgotten, and deleted; deleting again does no "
               "harm.",
    "KeptBranches": "A deletion that was not recorded is looked up; the pass begins with a new list.",
    "ProvisionFlow": "A project whose creation was not recorded is looked for by its name and the mark on its first branch, "
                     "the parent branch by its name.",
    "SuspendComputes": "A suspension is done again, which does no harm.",
    "SweepFlow": "A run that had not ended begins anew; a project's own sweep comes by its schedule.",
    "SessionContext": "(parts of the flows above)",
    "SendStart": "Whoever does not reach the branch starts its compute again.",
    "FlowContext": "(parts of the flows above)",
    "RunTransaction": "(a part of migrations and of merges by replay)",
    "Engine": "The session is looked at at once.",
}

_FLOW = re.compile(r"^Flow<[^;{}]*?>\s+(?:(\w+)::)?(\w+)\(.*?^}", re.M | re.S)


def _arguments(text):
    """Those of the call that text begins behind the bracket of."""
    parts, depth, part, quoted = [], 0, "", False
    for at, char in enumerate(text):
        quoted ^= char == '"' and text[at - 1] != "\\"
        if not quoted:
            depth += (char in "({<") - (char in ")}" or char == ">" and text[at - 1] != "-")
            if depth < 0 or (char == "," and depth == 0):
                parts.append(" ".join(part.split()))
                part = ""
                if depth < 0:
                    return parts
                continue
        part += char
    return parts


def _label(arguments, constants):
    """The text among the arguments, with what is added to it at run time as ..."""
    for argument in arguments:
        argument = constants.get(argument, argument)
        if '"' in argument:
            texts = re.findall(r'"((?:\\.|[^"\\])*)"', argument)
            before, after = (re.search(dots, argument) for dots in (r'\+\s*"', r'"\s*\+'))
            words = " ".join("".join(texts).split())
            return ("… " if before and not after else "") + words + (" …" if after else "")
    return ""


def _routes():
    """The route of each NeonRequest by the name of its function."""
    text = read("worker/core/neon/neon_requests.cpp")
    routes = {}
    for match in re.finditer(r"^NeonRequest (\w+)\(.*?^}", text, re.M | re.S):
        routes[match[1]] = (re.findall(r'"((?:GET|POST|PATCH|DELETE|PUT) [^"]*)"', match[0]) or ['?'])[-1]
    return routes


def _request_before(body, routes):
    named = [name for name in re.findall(r"\b(\w+Request)\(", body) if name in routes]
    return routes[named[-1]] if named else "its caller's request"


def _duration(name, constants):
    value = constants.get(name, name)
    number = re.fullmatch(r"(?:milliseconds[({])?([\d']+)[)}]?", value)
    if number:
        milliseconds = int(number[1].replace("'", ""))
        return f"{milliseconds / 1000:g} s"
    return "growing intervals"


def _wait(callee, arguments, body, constants, routes):
    """(kind, what, until), or None for a flow that is awaited."""
    label = _label(arguments, constants)
    if callee == "Commit":
        return "the journal", "the control database to commit", ""
    if callee == "IntendAndCommit":
        return "the journal", "the step to be committed", ""
    if callee == "Pause":
        return "a pause", label or "its next try", _duration(arguments[1], constants)
    if callee == "ConditionWait":
        until = _duration(arguments[3].split("+")[-1].strip(), constants) \
            if len(arguments) > 3 else ""
        return "an event", label, until and f"looked at again after {until}"
    if callee == "PlaceWait":
        return "an event", "a place, room at Neon or a compute", "with room refused: growing intervals"
    if callee in ("Ask", "Call", "Change"):
        route = _request_before(body, routes)
        changes = not route.startswith("GET")
        return ("a change at Neon" if changes else "a read at Neon"), f"`{route}`", ""
    if callee in ("ReadBranch", "FindBranch", "ListBranches"):
        return "a read at Neon", {"ReadBranch": "the branch, and the list when it is not there",
                                  "FindBranch": "the list of branches, for a name",
                                  "ListBranches": "the list of branches"}[callee], ""
    if callee in ("AwaitOperations", "AwaitNoted", "AwaitNotedBefore"):
        return "operations", "operations at Neon", ""
    if callee == "RunTransaction":
        return "a branch", "its transaction", ""
    if callee in ("RunOnBranch", "Run", "Event"):
        return "a branch", label or "its caller's task", ""
    if callee == "Help":
        return "a process", label, ""
    if callee == "AskModel":
        return "a model", "the fixer's model", ""
    return None


def _rows_of(function, own, body, constants, routes):
    """own: the flows of the same class, which have rows of their own."""
    rows = []
    for match in re.finditer(r"co_await\s+([\w.>()*-]*?)(\w+)\(", body):
        if match[2] in own and not match[1]:
            continue
        statement = body[:match.end()] + body[match.end():].partition(";")[0]
        # A member of the class is another flow, whatever it is called.
        flow = re.fullmatch(r"\w+_(?:\.|->)", match[1]) and match[1] != "context_->"
        wait = None if flow else _wait(match[2], _arguments(body[match.end():]), statement,
                                       constants, routes)
        if wait:
            rows.append((f"{function}()", *wait))
    return rows


def _flows():
    """Rows of each class, in the order of its functions."""
    routes = _routes()
    flows, own = {}, {}
    paths = sorted(glob.glob("worker/core/**/*.cpp", recursive=True))
    for path in paths:
        for match in _FLOW.finditer(without_comments(read(path))):
            own.setdefault(match[1] or match[2], set()).add(match[2])
    for path in paths:
        text = without_comments(read(path))
        constants = dict(re.findall(r"constexpr milliseconds (k\w+)[{(]([\d']+)[)}]", text))
        constants |= dict(re.findall(r"constexpr char (k\w+)\[\] =\s*(\"[^;]*\");", text))
        for match in _FLOW.finditer(text):
            owner = match[1] or match[2]
            rows = _rows_of(match[2], own[owner], match[0], constants, routes)
            flows.setdefault(owner, []).extend(rows)
    return flows


def page():
    flows = _flows()
    text = _HEAD
    for owner in list(_FLOWS) + sorted(set(flows) - set(_FLOWS)):
        rows = list(dict.fromkeys(flows.get(owner, [])))
        if not rows:
            continue
        text += f"\n## {owner}\n\nAfter a restart: {_FLOWS.get(owner, '?')}\n\n"
        text += "| in | waits for | kind | besides |\n| --- | --- | --- | --- |\n"
        text += "".join(f"| `{function}` | {what} | {kind} | {until} |\n"
                        for function, kind, what, until in rows)
    return text


@rule("docs/session-machine.md is what the flows say")
def session_machine():
    text = page()
    unknown = [f"{owner} has no entry in tests/lint/session_machine.py" for owner in
               re.findall(r"## (\w+)\n\nAfter a restart: \?", text)]
    unknown += [f"{owner}: a wait has no words ({row})" for owner, rows in _flows().items()
                for row in rows if not row[2]]
    try:
        same = read(PAGE) == text
    except FileNotFoundError:
        same = False
    return unknown + ([] if same else [f"make it anew: tests/lint/session_machine.py > {PAGE}"])


if __name__ == "__main__":
    sys.stdout.write(page())
