"""co_await as g++ 12 compiles it soundly.

In a condition, in a call's arguments or behind a conversion it keeps what it awaits in the wrong
place, and a temporary of aggregate type among the arguments is copied bit by bit and destroyed
twice (both seen). So each stands alone or right of a declaration's or an assignment's `=`, and its
arguments hold nothing that is made of braces.
"""
import glob
import re

from rules import read, rule, sources, without_comments

def _without_texts(text):
    return re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text)


def _is_balanced(text):
    return text.count("(") == text.count(")")


def _statement_before(text, at):
    """From the statement's first character; a `;` of a for's head does not end one."""
    begin = at
    depth = 0
    while begin > 0:
        char = text[begin - 1]
        if char == ")":
            depth += 1
        elif char == "(":
            depth -= 1
        elif depth == 0 and char in ";{}":
            break
        begin -= 1
    return text[begin:at].strip()


def _stands_alone(before):
    before = re.sub(r"^(?:case\b[^:]*|default)\s*:\s*(?!:)", "", before)
    if not _is_balanced(before):
        return False
    control = re.match(r"(?:else\s+)?(?:if|while|for)\s*\(", before)
    if control:
        depth, end = 1, control.end()
        while depth > 0:
            depth += {"(": 1, ")": -1}.get(before[end], 0)
            end += 1
        before = before[end:].strip()
    before = re.sub(r"^else\b\s*", "", before)
    if not before:
        return True
    return before.endswith("=") and not re.search(r"[=!<>+\-*/&|^%]=$", before) \
        and not re.match(r"co_return\b|return\b", before)


# Aggregates that flows hand on; a call that returns one makes a temporary of it.
_AGGREGATES = r"ApiCall|NeonRequest|BranchTask|ServerError|ListedBranches|HelperTask|ModelQuestion"


def _makers():
    """The functions that return an aggregate."""
    return {name for path in sources("worker/core")
            for name in re.findall(rf"^[ \t]*(?:{_AGGREGATES})\s+(?:\w+::)?(\w+)\(", read(path), re.M)}


def complaints_about(path, text, makers=frozenset()):
    """One line for each co_await of the text that is not as it should be."""
    text = _without_texts(without_comments(text))
    complaints = []
    for match in re.finditer(r"\bco_await\b", text):
        where = f"{path}:{text.count(chr(10), 0, match.start()) + 1}"
        if not _stands_alone(_statement_before(text, match.start())):
            complaints.append(f"{where}: co_await is no statement of its own, nor right of a `=`")
        awaited = re.match(r"[^;]*", text[match.end():])[0]
        if "{" in awaited:
            complaints.append(f"{where}: what is awaited is made with braces in its arguments")
        made = sorted(makers & set(re.findall(r"(\w+)\(", awaited.partition("(")[2])))
        complaints += [f"{where}: {name}() makes a temporary in the arguments" for name in made]
    return complaints


# Each with how many complaints it is worth, so that the rule cannot hold by seeing nothing.
_SAMPLES = (("Next next = co_await Check(session);", 0),
            ("if (status.ok()) status = co_await DeleteAll(project);", 0),
            ("for (int n = 0; n < 3; ++n) co_await Pause(actor, n);", 0),
            ("case kOne: co_await Commit(actor);", 0),
            ("else co_await Commit(actor);", 0),
            ("if (co_await Check(session)) return;", 1),
            ("Use(co_await Check(session));", 1),
            ("co_return co_await Check(session);", 1),
            ("bool same = 1 == co_await Count();", 1),
            ("total += co_await Count();", 1),
            ("Next next = co_await Call(actor, ApiCall{});", 1),
            ("Use(co_await Call(actor, {project}));", 2),
            ("Next next = co_await Call(actor, MakeCall(session));", 1))


@rule("co_await stands alone or right of a `=`, with nothing made of braces in its arguments")
def co_await_alone():
    makers = _makers()
    complaints = [f"the rule itself finds {found} faults in: {sample}"
                  for sample, wanted in _SAMPLES
                  if (found := len(complaints_about("", "{ " + sample + " }", makers))) != wanted]
    for path in sources("worker/core") + glob.glob("tests/unit/**/*.cpp", recursive=True):
        complaints += complaints_about(path, read(path), makers)
    return complaints
