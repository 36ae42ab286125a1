"""clang-format and clang-tidy over all C++ sources."""
import concurrent.futures
import os
import shutil
import subprocess

from rules import Skip, all_files

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


def _tidy():
    _need(_TIDY)

    def one(path):
        result = subprocess.run([_TIDY, "-p", ".", "--quiet", path], text=True,
                                capture_output=True, check=False)
        found = [line for line in result.stdout.splitlines()
                 if ": warning:" in line or ": error:" in line]
        return found or ([] if result.returncode == 0 else result.stderr.splitlines()[:5])
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        # A header is seen with each file that includes it.
        found = dict.fromkeys(line for lines in pool.map(one, cpp_files(".cpp")) for line in lines)
    root = os.getcwd() + os.sep
    return list(dict.fromkeys(line.replace(root, "").removeprefix("./") for line in found))


RULES = [("the sources are formatted (make format)", _formatted),
         ("clang-tidy has no complaint", _tidy)]
