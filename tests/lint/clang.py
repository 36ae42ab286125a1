"""clang-format and clang-tidy over all C++ sources."""
import concurrent.futures
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


def _tidy():
    _need(_TIDY)

    def one(path):
        result = subprocess.run([_TIDY, "-p", ".", "--quiet", path], text=True,
                                capture_output=True, check=False)
        found = [line for line in result.stdout.splitlines()
                 if ": warning:" in line or ": error:" in line]
        return found or ([] if result.returncode == 0 else result.stderr.splitlines()[:5])

    paths = _changed(cpp_files(".cpp"))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        # A header is seen with each file that includes it.
        found = dict.fromkeys(line for lines in pool.map(one, paths) for line in lines)
    root = os.getcwd() + os.sep
    return list(dict.fromkeys(line.replace(root, "").removeprefix("./") for line in found))


RULES = [("the sources are formatted (make format)", _formatted),
         ("clang-tidy has no complaint", _tidy)]
