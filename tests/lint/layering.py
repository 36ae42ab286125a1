"""Dependencies point one way: core ← http, branch ← worker; the extension uses core."""
import os
import re
import subprocess

from rules import Skip, read, rule, sources, without_comments

_STANDARD = r"[a-z_]+"
_POSIX = r"(?:(?:sys|arpa|linux|net|netinet)/)?[a-z_0-9]*(?:\.h)?"
_SERVER_OR_LIBPQ = r"postgres.*|libpq.*|pg_.*|fmgr\.h|(?:access|catalog|storage|utils|executor)/.*"

# Per folder: what its files may include, and what not even then.
_MAY = {
    "worker/core": (rf"{_STANDARD}|rapidjson/.*|worker/core/.*", None),
    "worker/http": (rf"{_POSIX}|curl/.*|rapidjson/.*|worker/(?:core|http)/.*", _SERVER_OR_LIBPQ),
    "worker/branch": (rf"{_POSIX}|libpq-fe\.h|openssl/.*|worker/(?:core|branch)/.*", r"postgres.*"),
    "worker": (r".*", r"(?:extension|emulator)/.*"),
    "extension": (r".*", r"curl/.*|libpq-fe\.h|emulator/.*|worker/(?!core/).*"),
    "postgres": (r".*", r"curl/.*|libpq-fe\.h|(?:extension|emulator)/.*|worker/(?!core/).*"),
    "fleet": (r"[a-z_]+|(?:poll|unistd|sys/eventfd)\.h|libpq-fe\.h|openssl/.*|boost/.*|fleet/.*|worker/core/base/rapidjson\.hpp", None),
    "emulator": (r".*", r"(?:postgres|extension)/.*|postgres\.h|worker/(?!core/).*"),
}


def _includes(path):
    return re.findall(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', read(path), re.M)


def _check_folder(folder):
    may, but_not = _MAY[folder]
    complaints = []
    for path in sources(folder):
        for header in _includes(path):
            own = "/" not in header and os.path.exists(os.path.join(folder, header))
            if not own and (not re.fullmatch(may, header)
                            or (but_not and re.fullmatch(but_not, header))):
                complaints.append(f"{path} includes {header}")
    return complaints


for _folder in _MAY:
    rule(f"{_folder} includes only what its layer may")(
        lambda folder=_folder: _check_folder(folder))


def _reached(text, flags, forbidden):
    """What the preprocessor complains of, and the headers that it reads and must not."""
    result = subprocess.run(
        ["g++", "-std=c++20", "-I.", *(flags or "").split(), "-M", "-x", "c++", "-"],
        input=text, text=True, capture_output=True, check=False)
    return result.stderr.splitlines()[:3] + [f"reaches {header}" for header in
                                             result.stdout.split() if forbidden in header]


@rule("core and http reach no header of PostgreSQL, nor branch one of the server")
def no_server_headers():
    complaints = []
    for folder, package, forbidden in (("worker/core", None, "/postgresql/"),
                                       ("worker/http", "libcurl", "/postgresql/"),
                                       ("worker/branch", "libpq", "/server/")):
        flags = package and subprocess.check_output(["pkg-config", "--cflags", package], text=True)
        try:
            files = sources(folder)
        except Skip:
            continue
        # One text that includes all of them; file by file only where there is something to name.
        if _reached("".join(f'#include "{path}"\n' for path in files), flags, forbidden):
            complaints += [f"{path}: {line}" for path in files
                           for line in _reached(f'#include "{path}"\n', flags, forbidden)]
    return complaints


@rule("only postgres/ includes headers of the server")
def server_headers_in_one_folder():
    try:
        server = subprocess.check_output(
            [os.environ.get("PG_CONFIG", "pg_config"), "--includedir-server"], text=True).strip()
    except (OSError, subprocess.CalledProcessError):
        raise Skip("no pg_config") from None
    return [f"{path} includes {header}"
            for folder in _MAY if folder != "postgres"
            for path in _existing(folder)
            for header in _includes(path) if os.path.isfile(os.path.join(server, header))]


@rule("only postgres/ knows longjmp, and versions of the server")
def one_folder_knows():
    words = re.compile(r"\b(PG_TRY|PG_CATCH|sigsetjmp|siglongjmp|PG_VERSION_NUM|PG_RE_THROW)\b")
    return [f"{path} says {word}"
            for folder in _MAY if folder != "postgres"
            for path in _existing(folder)
            for word in sorted(set(words.findall(without_comments(read(path)))))]


def _existing(folder):
    try:
        return sources(folder)
    except Skip:
        return []
