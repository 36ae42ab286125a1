"""Throwaway PostgreSQL clusters.

    with Cluster({"shared_preload_libraries": "agent_branch"}) as cluster:
        cluster.psql("CREATE EXTENSION agent_branch")
        with cluster.connect() as connection: ...

Everything of a cluster is in one scratch folder, which goes with it, also when a test is ended by
a signal. It listens on 127.0.0.1 and on a Unix socket, trusts everybody, and does not sync.
"""
import os
import shutil
import signal
import subprocess

import host
from host import wait_until

_STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class Cluster:
    def __init__(self, settings=None, name="cluster", start=True):
        """settings: of postgresql.conf, as a dict; they win over the defaults below."""
        self._prepare(settings, name)
        self._run("initdb", "-N", "--locale=C", "-E", "UTF8", "-A", "trust", "-U", "postgres",
                  "--no-instructions", "-D", self.data)
        self._write_settings()
        if start:
            self._start_or_close()

    def _prepare(self, settings, name):
        self.name = name
        self.bindir = host.pg_bindir()
        self.port = host.free_port()
        self.process = None
        self.prefix = []  # a command that runs the server: see namespace.py
        self.directory = host.scratch_directory(name)
        host.close_at_exit(self)
        self.data = os.path.join(self.directory, "data")
        self.log_path = os.path.join(self.directory, "log")
        self.settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.directory,
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_wal_size": "256MB",
            "jit": "off",
            "log_line_prefix": "%m [%p] %q%u@%d ",
            **(settings or {}),
        }

    def _start_or_close(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self, deadline=60):
        """Starts the server and returns once it accepts connections."""
        assert not self.running, f"{self.name} is running"
        attempts = 5
        while True:
            self._write_settings()
            attempts -= 1
            log_end = len(self.log())
            with open(self.log_path, "ab") as log:
                self.process = subprocess.Popen(
                    self.prefix + host.as_server_user(
                        [os.path.join(self.bindir, "postgres"), "-D", self.data]),
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
            try:
                wait_until(lambda: self._ready() or self.process.poll() is not None, deadline,
                           f"{self.name} to start")
            except AssertionError as error:
                raise AssertionError(f"{error}\n{self.log_tail()}") from None
            if self.process.poll() is None:
                return self
            # Somebody may have taken the port since it was found free.
            if attempts == 0 or "could not bind" not in self.log()[log_end:]:
                raise AssertionError(f"{self.name} did not start:\n{self.log_tail()}")
            self.port = host.free_port()

    def stop(self, mode="fast", deadline=60):
        """mode: smart, fast or immediate."""
        if not self.running:
            return
        self.process.send_signal(_STOP_SIGNALS[mode])
        try:
            self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            processes = subprocess.run(["ps", "-o", "pid,args", "--ppid", str(self.process.pid)],
                                       text=True, capture_output=True, check=False).stdout
            self.kill9()
            raise AssertionError(f"{self.name} did not stop ({mode}) within {deadline} s; "
                                 f"its processes:\n{processes}\n{self.log_tail()}") from None

    def restart(self, mode="fast"):
        self.stop(mode)
        self.start()

    def reload(self, settings=None):
        """Changes settings of the running server. The server takes them up soon after."""
        self.settings.update(settings or {})
        self._write_settings()
        self.process.send_signal(signal.SIGHUP)

    def kill9(self):
        """As when the machine loses its power: all processes of the server at once."""
        if self.process is None:
            return
        # Stopped first, the postmaster cannot start what would then be missed.
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGSTOP)
        children = _children(self.process.pid)
        if self.process.poll() is None:
            self.process.kill()
        for child in children:
            _kill(child)
        self.process.wait()
        wait_until(lambda: not any(map(_alive, children)), 30, "killed processes to be gone")

    def standby(self, settings=None, name="standby", start=True):
        """A streaming standby of this cluster."""
        standby = Cluster.__new__(Cluster)
        standby._prepare({**self._inherited(), **(settings or {})}, name)
        self._run("pg_basebackup", "-h", self.directory, "-p", str(self.port), "-U", "postgres",
                  "-D", standby.data, "-c", "fast", "-X", "stream", "-R")
        if start:
            standby._start_or_close()
        return standby

    def promote(self, deadline=60):
        self.psql(f"SELECT pg_promote(true, {deadline})")

    def psql(self, sql, database="postgres", user="postgres", check=True):
        """Runs a script and returns what it prints: rows as lines, columns separated by |."""
        result = subprocess.run(
            [os.path.join(self.bindir, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1",
             "-d", self.uri(database, user)],
            input=sql, text=True, capture_output=True, check=False)
        if check and result.returncode != 0:
            raise AssertionError(f"psql failed: {result.stderr.strip()}")
        return result.stdout.strip() if check else result

    def connect(self, database="postgres", user="postgres", autocommit=True, **options):
        """A psycopg2 connection."""
        import psycopg2  # here, so that who does not connect does not need it
        connection = psycopg2.connect(self.uri(database, user), **options)
        connection.autocommit = autocommit
        return connection

    def uri(self, database="postgres", user="postgres"):
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        if not os.path.isfile(self.log_path):  # a device has no end
            return ""
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as log:
                return log.read()
        except FileNotFoundError:
            return ""

    def log_tail(self, lines=30):
        return "\n".join(self.log().splitlines()[-lines:])

    def close(self):
        """Stops the server and removes everything. Safe to call again."""
        try:
            if self.running:
                self.process.send_signal(signal.SIGQUIT)
                try:
                    self.process.wait(20)
                except subprocess.TimeoutExpired:
                    self.kill9()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _inherited(self):
        return {name: value for name, value in self.settings.items()
                if name != "unix_socket_directories"}

    def _write_settings(self):
        path = os.path.join(self.data, "postgresql.conf")
        begin = "# from the test\n"
        with open(path, encoding="utf-8") as file:
            kept = file.read().split(begin)[0]
        values = {"port": self.port, **self.settings}
        with open(path, "w", encoding="utf-8") as file:
            file.write(kept + begin)
            for name, value in values.items():
                text = str(value).replace("'", "''")
                file.write(f"{name} = '{text}'\n")

    def _ready(self):
        # The server notes its state in the last line of this file, for pg_ctl to see.
        try:
            with open(os.path.join(self.data, "postmaster.pid"), encoding="utf-8") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return False
        return (len(lines) >= 8 and lines[0] == str(self.process.pid)
                and lines[7].strip() in ("ready", "standby"))

    def _run(self, program, *arguments):
        result = subprocess.run(
            host.as_server_user([os.path.join(self.bindir, program), *arguments]),
            text=True, capture_output=True, cwd="/", check=False)
        if result.returncode != 0:
            self.close()
            raise AssertionError(f"{program} failed: {result.stderr}")


def _children(pid):
    output = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], text=True,
                            capture_output=True, check=False).stdout
    return [int(child) for child in output.split()]


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
