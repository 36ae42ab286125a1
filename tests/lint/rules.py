"""The rules of the house that a program can check, apart from formatting and clang-tidy.

Each rule returns its complaints, one line each; none: the rule holds. A rule that has nothing to
look at raises Skip, so that it is not taken for one that holds.
"""
import fnmatch
import glob
import json
import os
import re

RULES = []


class Skip(Exception):
    pass


def rule(says):
    def register(check):
        RULES.append((says, check))
        return check
    return register


def sources(folder):
    """The C++ files below a folder; below worker, those of no layer of its own."""
    found = sorted(path for kind in ("cpp", "hpp")
                   for path in glob.glob(f"{folder}/*.{kind}" if folder == "worker" else
                                         f"{folder}/**/*.{kind}", recursive=True))
    if not found:
        raise Skip(f"no sources in {folder}")
    return found


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def without_comments(text):
    """C++ without its comments, with the lines where they were."""
    def blank(match):
        return match[0] if match[0][0] == '"' else "\n" * match[0].count("\n")
    return re.sub(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', blank, text, flags=re.S)


def all_files():
    """Every file of the tree but what is built: also in a checkout that git does not trust."""
    found = []
    for folder, folders, files in os.walk("."):
        folders[:] = sorted(set(folders) - {".git", "build", "__pycache__", ".pytest_cache"})
        found += [os.path.relpath(os.path.join(folder, file), ".") for file in sorted(files)]
    return found


@rule("every header is included once")
def pragma_once():
    return [path for path in all_files()
            if path.endswith(".hpp") and "#pragma once\n" not in read(path)]


@rule("only the control file holds the version")
def version_in_one_place():
    control = (glob.glob("agent_branch.control") + glob.glob("sql/agent_branch.control"))
    if not control:
        raise Skip("no control file")
    version = re.search(r"default_version *= *'(.*)'", read(control[0]))[1]
    code = [path for path in all_files()
            if path.endswith((".cpp", ".hpp", ".mk")) or os.path.basename(path) == "Makefile"]
    return ([path for path in code if f'"{version}"' in read(path)]
            + ([] if glob.glob(f"sql/agent_branch--*{version}.sql") else
               [f"no script makes version {version}"]))


@rule("no lock file and no download address of a package is kept")
def no_lock_files():
    locks = {"package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "poetry.lock"}
    return [path for path in all_files() if os.path.basename(path) in locks]


@rule("every test file is run")
def every_test_is_run():
    ran = {"unit": "*.cpp", "simulation": "*.cpp", "fuzz": "*.cpp", "branch": "*.cpp",
           "pgtap": "*.sql", "emulator": "test_*.py", "system": "test_*.py",
           "load": "test_*.py", "crash": "test_*.py", "fixer": "test_*.py", "contract": "test_*.py"}
    complaints = []
    for path in all_files():
        parts = path.split("/")
        if parts[0] != "tests" or parts[1] not in ran:
            continue
        is_test = (path.endswith(".cpp") and re.search(r"^TEST(_F|_P)?\(", read(path), re.M)
                   or path.endswith(".sql") and "plan(" in read(path)
                   or path.endswith(".py") and re.search(r"^\s*def test_", read(path), re.M))
        # Sources are found at any depth, and by pytest, too; SQL only in the folder itself.
        placed = len(parts) == 3 or not path.endswith(".sql")
        if is_test and not (placed and fnmatch.fnmatch(parts[-1], ran[parts[1]])):
            complaints.append(f"{path}: would be run as tests/{parts[1]}/{ran[parts[1]]}")
    known = set(ran) | {"lib", "lint", "migrations", "mutants", "packages", "store",
                         "versions"}
    complaints += [f"tests/{folder} is no suite of tests/lib/suites.py"
                   for folder in sorted({path.split("/")[1] for path in all_files()
                                         if path.startswith("tests/") and path.count("/") > 1})
                   if folder not in known]
    return complaints


@rule("every change of tests/mutants fits the code")
def mutants_fit():
    complaints = []
    for path in all_files():
        if not (path.startswith("tests/mutants/") and path.endswith(".json")):
            continue
        for mutant in json.loads(read(path)):
            there = os.path.exists(mutant["file"])
            count = read(mutant["file"]).count(mutant["old"]) if there else 0
            if count != 1:
                complaints.append(f"{path}: {mutant['file']} has the text of {mutant['id']} {count} times, not once")
    return complaints


# Still to be split by subject. Nothing is added here.
_LONG = {"postgres/shared_state.cpp", "tests/branch/fingerprint_test.cpp",
         "tests/branch/runner_test.cpp", "tests/crash/scenarios.py",
         "tests/simulation/model_store.cpp", "worker/core/merge/pieces_merge.cpp",
         "worker/store_write.cpp"}


@rule("files stay under 400 lines")
def file_length():
    complaints = []
    for path in all_files():
        lines = read(path).count("\n") if path.endswith((".cpp", ".hpp", ".py")) else 0
        if lines > 400 and path not in _LONG:
            complaints.append(f"{path} has {lines} lines")
    return complaints
