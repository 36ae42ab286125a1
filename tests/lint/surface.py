"""What others see of us: exported symbols, SQL objects, settings."""
import glob
import os
import re
import subprocess

from rules import Skip, read, rule, without_comments

# Modules share one space of symbols: whatever else is exported may meet somebody's of that name.
# The standard library's templates are exported as weak symbols by whoever uses them.
_EXPORTS = re.compile(
    r"_PG_init|Pg_magic_func|pg_finfo_agent_\w+|agent_\w+|AgentBranch\w*Main")
_STANDARD_TEMPLATES = re.compile(
    r"(?:\w[\w:<>*& ,]* )?(?:(?:typeinfo|typeinfo name|vtable|guard variable) for )?"
    r"(?:std::|__gnu_cxx::|operator (?:new|delete))")


def _exports_of(library):
    path = f"build/{library}/agent_branch{'_worker' if library == 'worker' else ''}.so"
    if not os.path.exists(path):
        raise Skip(f"{path} is not built")
    output = subprocess.check_output(["nm", "-D", "-C", "--defined-only", path], text=True)
    complaints = []
    for line in output.splitlines():
        kind, name = line.split(maxsplit=2)[1:]
        if _EXPORTS.fullmatch(name):
            continue
        if kind in "VWuv" and _STANDARD_TEMPLATES.match(name):
            continue
        complaints.append(f"{path} exports {name} ({kind})")
    return complaints


rule("agent_branch.so exports only its entry points")(lambda: _exports_of("extension"))
rule("agent_branch_worker.so exports only its entry points")(lambda: _exports_of("worker"))


def _settings_in_code():
    if not os.path.exists("extension/settings.cpp"):
        raise Skip("no extension/settings.cpp")
    return list(dict.fromkeys(
        re.findall(r'"agent_branch\.(\w+)"', without_comments(read("extension/settings.cpp")))))


def _settings_in_readme():
    rows = re.findall(r"^\| *`agent_branch\.(\w+)`", read("README.md"), re.M)
    if not rows:
        raise Skip("README.md has no table of settings")
    return rows


@rule("settings stand in the order of the alphabet, in the code and in README.md")
def settings_sorted():
    return [f"{where}: {later} comes after {earlier}"
            for where, names in (("extension/settings.cpp", _settings_in_code()),
                                 ("README.md", _settings_in_readme()))
            for earlier, later in zip(names, names[1:]) if earlier > later]


@rule("README.md describes exactly the settings that there are")
def settings_described():
    code, readme = set(_settings_in_code()), set(_settings_in_readme())
    return ([f"not in README.md: {name}" for name in sorted(code - readme)]
            + [f"only in README.md: {name}" for name in sorted(readme - code)])


def _scripts():
    paths = sorted(glob.glob("sql/agent_branch--*.sql"))
    if not paths:
        raise Skip("no sql/agent_branch--*.sql")
    return {path: _without_bodies(read(path)) for path in paths}


def _without_bodies(text):
    """SQL without comments, string constants and dollar-quoted bodies."""
    return re.sub(r"--[^\n]*|/\*.*?\*/|(\$\w*\$).*?\1|'(?:[^']|'')*'",
                  lambda match: "" if match[0].startswith(("--", "/*")) else "''", text,
                  flags=re.S)


_PART = r'(?:"[^"]+"|@\w+@|\w+)'
_NAME = rf"({_PART}(?:\.{_PART})?)"
_CREATE = re.compile(
    r"\bCREATE\s+(?:UNLOGGED\s+|MATERIALIZED\s+|RECURSIVE\s+)*"
    rf"(FUNCTION|PROCEDURE|VIEW|TABLE|TYPE|DOMAIN)\s+{_NAME}", re.I)
_COMMENT = re.compile(
    rf"\bCOMMENT\s+ON\s+(?:MATERIALIZED\s+)?(\w+)\s+{_NAME}.*?\bIS\b\s+(NULL)?", re.I | re.S)


@rule("every function, view, table and type has a comment")
def sql_comments():
    complaints = []
    for path, text in _scripts().items():
        described = {(kind.upper(), name.lower())
                     for kind, name, null in _COMMENT.findall(text) if not null}
        for kind, name in _CREATE.findall(text):
            if (kind.upper(), name.lower()) not in described:
                complaints.append(f"{path}: {kind.upper()} {name}")
    return complaints


@rule("scripts run as superuser, so they take over nothing that is there already")
def sql_plain_create():
    complaints, made = [], set()
    # Those that make a version of nothing come before the updates, which have two in their name.
    for path, text in sorted(_scripts().items(), key=lambda item: item[0].count("--")):
        for found, name in re.findall(
                rf"(CREATE\s+OR\s+REPLACE\s+\w+|IF\s+NOT\s+EXISTS)\s+{_NAME}", text, re.I):
            # What an earlier script of ours made is the extension's own, and the server sees to
            # that: it replaces nothing in a script that is not.
            if name.lower() not in made:
                complaints.append(f"{path}: {' '.join(found.split())} {name}")
        made |= {name.lower() for _, name in _CREATE.findall(text)}
    return complaints


@rule("functions that run with their owner's rights fix the search path, pg_temp last")
def sql_search_path():
    complaints = []
    for path, text in _scripts().items():
        for statement in text.split(";"):
            if (re.search(r"SECURITY\s+DEFINER", statement, re.I) and not
                    re.search(r"SET\s+search_path\s*(?:=|TO)\s*[^;]*\bpg_temp\b", statement, re.I)):
                name = _CREATE.search(statement)
                complaints.append(f"{path}: {name[2] if name else statement.split()[:4]}")
    return complaints


# How the code says an SQLSTATE: raised as an error, or kept as a status. One that is only compared
# with an error that came from somewhere else is nobody's here to explain.
_RAISED = (r'\b(?:Raise|Error|Make)\(\s*(?:[\w:]+,\s*)?"([0-9A-Z]{5})"',
           r'\bchar k\w+\[\] = "((?=\w*\d)[0-9A-Z]{5})"')
_NAMED = (r"\berrcode\(ERRCODE_([A-Z_]+)\)", r"ERRCODE = '([a-z_]+)'")


def _documented_codes():
    return set(re.findall(r"`([0-9A-Z]{5})`", read("docs/errors.md")))


@rule("docs/errors.md names every SQLSTATE that the code raises")
def sqlstates_are_documented():
    try:
        from psycopg2 import errorcodes
    except ImportError as reason:
        raise Skip("psycopg2 knows the names of SQLSTATEs, and is not installed") from reason
    known, complaints = _documented_codes(), []
    found = set()
    for path in sorted(glob.glob("extension/*.cpp") + glob.glob("postgres/*.cpp") +
                       glob.glob("worker/**/*.?pp", recursive=True) + glob.glob("sql/*.sql")):
        text = read(path)
        codes = [code for pattern in _RAISED for code in re.findall(pattern, text)]
        # The one name that two codes have: RAISE takes the first.
        codes += ["22004" if name == "null_value_not_allowed" else getattr(errorcodes, name.upper())
                  for pattern in _NAMED for name in re.findall(pattern, text)]
        found.update(codes)
        complaints += [f"{path}: {code}" for code in sorted(set(codes) - known)]
    if len(found) < 20:
        complaints.append(f"only {len(found)} SQLSTATEs were found in the sources: look again how")
    return complaints
