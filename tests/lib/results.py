"""What a suite's output says about each of its tests: GoogleTest, TAP and JUnit's XML."""
import re
import xml.etree.ElementTree
from dataclasses import dataclass, field

OUTCOMES = ("passed", "failed", "skipped")


@dataclass
class Case:
    name: str
    outcome: str
    text: str = ""  # the reason it was skipped for, or what it printed before it failed


@dataclass
class Result:
    name: str
    cases: list = field(default_factory=list)
    seconds: float = 0.0

    def having(self, outcome):
        return [case for case in self.cases if case.outcome == outcome]

    def count(self, outcome):
        return len(self.having(outcome))

    def fail(self, name, text=""):
        self.cases.append(Case(name, "failed", text))

    @property
    def ok(self):
        return not self.having("failed")


def from_gtest(output):
    """Read from what it prints, not from its XML: a program that crashed wrote none, and here the
    test that was running is known to have failed."""
    cases, running, text = [], None, []
    for line in output.splitlines():
        mark = re.search(r"\[( RUN      |       OK |  FAILED  |  SKIPPED )\] ([^\s,]+)(.*)$", line)
        if mark and mark[1] == " RUN      ":
            if running:
                cases.append(Case(running, "failed", "\n".join(text)))
            running, text = mark[2], []
        elif mark and mark[2] == running:
            outcome = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}[mark[1].strip()]
            if outcome == "skipped":
                text = [part for part in text if not part.endswith(": Skipped")]
            cases.append(Case(running, outcome, "\n".join(text)))
            running = None
        elif running:
            text.append(line)
    if running:
        cases.append(Case(running, "failed", "\n".join(text + ["the program ended here"])))
    return cases


_TAP = re.compile(r"^(not )?ok\b\s*(\d+)?\s*(?:- )?(.*?)\s*(?:#\s*(SKIP|TODO)\b\S*\s*(.*))?$", re.I)
_TAP_FILE = re.compile(r"^(\S+\.(?:sql|pg)) \.\. ?")


def from_tap(output):
    """TAP, as it is or as pg_prove --verbose prints it; a test's diagnostics follow it."""
    cases, file, last = [], "", None
    for line in output.splitlines():
        header = _TAP_FILE.match(line)
        if header:
            file, last = header[1], None
            if line.strip().endswith("skipped") or " skipped: " in line:
                cases.append(Case(file, "skipped", line.partition("skipped: ")[2]))
            continue
        match = _TAP.match(line)
        # pg_prove ends a file with a bare "ok", which is no test.
        if match and (match[2] or match[3]):
            failed, number, title, directive, reason = match.groups()
            name = " ".join(filter(None, (file, number if file or not title else None, title)))
            directive = (directive or "").upper()
            if directive == "SKIP" or (directive == "TODO" and failed):
                last = Case(name, "skipped", reason or directive)
            else:
                last = Case(name, "failed" if failed else "passed")
            cases.append(last)
        elif last and last.outcome == "failed" and line.startswith("#"):
            last.text += line + "\n"
    return cases


def from_junit(path):
    """The XML that pytest writes. A file that is missing or cut off holds no tests."""
    try:
        root = xml.etree.ElementTree.parse(path).getroot()
    except (OSError, xml.etree.ElementTree.ParseError):
        return []
    cases = {}
    for element in root.iter("testcase"):
        if not element.get("name"):
            continue  # a test that the deadline ended
        name = f"{element.get('classname', '')}.{element.get('name', '')}"
        case = cases.setdefault(name, Case(name, "passed"))
        for child in element:
            if child.tag in ("failure", "error"):
                case.outcome = "failed"
                case.text += f"{child.text or child.get('message', '')}\n"
            elif child.tag == "skipped" and case.outcome != "failed":
                case.outcome = "skipped"
                case.text = child.get("message", "")
    return list(cases.values())
