"""The branches as the emulator has them: drawn as a tree, and judged at the end."""
from datetime import datetime, timezone

from stage import PARENT


class Branches:
    def __init__(self, state):
        project = state["projects"][0]
        self.all = project["branches"]
        self.running = project["running_operations"]
        self._by_id = {branch["id"]: branch for branch in self.all}

    def tree(self, notes=None):
        """One line a branch: its name, and what there is to say about it."""
        drawn = []
        for root in self.all:
            if root["parent_id"] not in self._by_id:
                self._draw(root, "", "", drawn)
        room = max(len(name) for name, _ in drawn) + 3
        return [f"{name:<{room}}{self._about(branch, notes or {})}".rstrip()
                for name, branch in drawn]

    def _draw(self, branch, lead, follow, drawn):
        drawn.append((lead + branch["name"], branch))
        children = [one for one in self.all if one["parent_id"] == branch["id"]]
        for child in children:
            last = child is children[-1]
            self._draw(child, follow + ("└─ " if last else "├─ "),
                       follow + ("   " if last else "│  "), drawn)

    def _about(self, branch, notes):
        computes = [endpoint["current_state"] for endpoint in branch["endpoints"]]
        facts = [f"compute {computes[0]}" if computes else "no compute"]
        if branch["deleting"]:
            facts = ["being deleted"]
        elif branch["pending_state"]:
            facts = ["being made"]
        if branch["default"]:
            facts.append("default branch")
        if branch["name"] in notes:
            facts.append(notes[branch["name"]])
        if branch["expires_at"]:
            expiry = datetime.fromisoformat(branch["expires_at"].replace("Z", "+00:00"))
            hours = (expiry - datetime.now(timezone.utc)).total_seconds() / 3600
            facts.append(f"expires in {hours:.0f} h")
        return ", ".join(facts)

    def held(self):
        """Branches that the parent descends from. Neon deletes none that has children, so as long
        as the parent is there, these are."""
        parent = next(one for one in self.all if one["name"] == PARENT)
        found = []
        above = self._by_id.get(parent["parent_id"])
        while above:
            if not above["default"]:
                found.insert(0, above)
            above = self._by_id.get(above["parent_id"])
        return found

    def left(self):
        """Branches that are neither permanent nor held: what nobody should find afterwards."""
        held = {branch["id"] for branch in self.held()}
        return [branch for branch in self.all
                if not branch["default"] and branch["name"] != PARENT
                and (branch["id"] not in held or branch["deletable"])]
