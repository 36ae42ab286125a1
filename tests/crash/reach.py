"""Whether the scenarios reach what the program can do: its kinds of steps and changes of state.

Both lists are the program's own. The journal's table takes the kinds that there are, and the page
of states shows the table of transitions; unit tests hold the two equal to the code.
"""
import glob
import os
import re

import host

# Kinds of steps that no scenario makes, and why.
NOT_PLAYED = {
    "run piece": "tables that other scenarios drop in the database that all share are taken for the "
                 "session's doing, and what drops is not merged piece by piece",
}
# Changes of state that no scenario comes to, and why.
NOT_REACHED = {}


def _read(pattern):
    (path,) = glob.glob(os.path.join(host.REPOSITORY, pattern))
    with open(path, encoding="utf-8") as file:
        return file.read()


def kinds_of_steps():
    script = _read("sql/agent_branch--0.1.0--0.2.0.sql")
    listed = re.search(r"step_kind_check CHECK \(kind IN \((.*?)\)\)", script, re.S)[1]
    return [kind for kind in re.findall(r"'([^']+)'", listed) if kind not in NOT_PLAYED]


def changes_of_state():
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")]
            for line in _read("docs/states.md").splitlines() if line.startswith("|")]
    header = next(row for row in rows if row[0] == "from \\ to")
    return [(row[0], after) for row in rows if len(row) == len(header) and row is not header
            for after, mark in zip(header[1:], row[1:]) if mark == "x"]


def gaps(recordings):
    """What ought to be reached and is not, as sentences."""
    known = kinds_of_steps()
    kinds = set().union(*(recording.kinds for recording in recordings.values()))
    changes = set().union(*(recording.changes for recording in recordings.values()))
    found = [f"no scenario makes the step \"{kind}\"" for kind in known if kind not in kinds]
    found += [f"the step \"{kind}\" is in no list" for kind in sorted(kinds - set(known))]
    for change in changes_of_state():
        shown = " → ".join(change)
        if change not in changes and change not in NOT_REACHED:
            found.append(f"no scenario comes from {shown}")
        if change in changes and change in NOT_REACHED:
            found.append(f"{shown} is reached, though it is said not to be")
    found += [f"{' → '.join(change)} must not be"
              for change in sorted(changes - set(changes_of_state()))]
    return found
