"""clang-format and clang-tidy over all C++ sources."""
import concurrent.futures
import hashlib
import json
import os
import shutil
import subprocess

from rules import Skip, all_files, read

_FORMAT = os.environ.get("CLANG_FORMAT", "clang-format-14")
_TIDY = os.environ.get("CLANG_TIDY", "clang-tidy-14")


def cpp_files(*kinds):
    return [path for path in all_files() if path.endswith(kinds or (".cpp", ".hpp"))]


def _need(program):
    if not shutil.which(program):
        raise Skip(f"{program} is not installed")


def _formatted():
    _need(_FORMAT)
    result = subprocess.run([_FORMAT, "--dry-run", "-Werror", *cpp_files()], text=True,
                            capture_output=True, check=False)
    return [line for line in result.stderr.splitlines() if "error:" in line]


def _changed(paths):
    """All, or with SINCE=COMMIT those that changed since, or include a header that did."""
    since = os.environ.get("SINCE")
    if not since:
        return paths
    changed = subprocess.check_output(["git", "diff", "--name-only", since], text=True).split()
    changed += subprocess.check_output(["git", "ls-files", "--others", "--exclude-standard"],
                                       text=True).split()
    headers = [f'"{path}"' for path in changed if path.endswith(".hpp")]
    return [path for path in paths if path in changed or any(
        header in read(path) for header in headers)]


def _tidy_one(path):
    # The path-sensitive analyzer takes most of the time. It is for what runs inside a server, as is
    # the rule on initialisation that may throw.
    checks = ["--checks=-clang-analyzer-*,-cert-err58-cpp"] if path.startswith(("emulator/", "tests/")) else []
    result = subprocess.run([_TIDY, "-p", ".", "--quiet", *checks, path], text=True,
                            capture_output=True, check=False)
    found = [line for line in result.stdout.splitlines()
             if ": warning:" in line or ": error:" in line]
    return found or ([] if result.returncode == 0 else result.stderr.splitlines()[:5])


def _fingerprints():
    """Per source a hash of what clang-tidy's opinion of it depends on, as make knows it; None when
    it was not compiled yet."""
    def of(entry):
        arguments = entry["arguments"]
        output = os.path.join(entry["directory"], arguments[arguments.index("-o") + 1])
        try:
            names = read(os.path.splitext(output)[0] + ".d").replace("\\\n", " ").split()
            names = [name for name in names if not name.endswith(":")]
            texts = [read(os.path.join(entry["directory"], name)) for name in names]
        except OSError:
            return None
        return hashlib.sha256("\0".join([*arguments, *texts, read(".clang-tidy"),
                                         read(__file__)]).encode()).hexdigest()
    return {os.path.relpath(entry["file"]): of(entry)
            for entry in json.loads(read("compile_commands.json"))}


def _tidy():
    _need(_TIDY)
    fingerprints = _fingerprints()
    os.makedirs("build/tidy", exist_ok=True)

    def one(path):
        # What was found clean is not looked at again before it changes: all of it takes minutes.
        mark = os.path.join("build/tidy", path.replace("/", "-"))
        fingerprint = fingerprints.get(path)
        if fingerprint and os.path.exists(mark) and read(mark) == fingerprint:
            return []
        found = _tidy_one(path)
        if fingerprint and not found:
            with open(mark, "w", encoding="utf-8") as file:
                file.write(fingerprint)
        return found

    paths = _changed(cpp_files(".cpp"))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [line for lines in pool.map(one, paths) for line in lines]
    # A header is seen with each file that includes it.
    return sorted({_relative(line) for line in found})


def _relative(line):
    path, colon, rest = line.partition(":")
    return os.path.relpath(path) + colon + rest if os.path.exists(path) else line


RULES = [("the sources are formatted (make format)", _formatted),
         ("clang-tidy has no complaint", _tidy)]
