"""A proxy that holds every request and every answer against Neon's OpenAPI document.

A request that breaks the document is refused with 422 and goes no further; an answer that breaks it
becomes a 500 that names each violation. It does not notice extra properties, nor status codes that
the document does not have.
"""
import os
import shutil
import signal
import socket
import subprocess

import host
import npm


class Prism:
    def __init__(self, upstream, document=None):
        """upstream: the API behind it, with its /api/v2. The proxy's own address has none."""
        self.upstream = upstream
        self.document = document or npm.API_DOCUMENT
        self.port = host.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.directory = host.scratch_directory("prism")
        self.log_path = os.path.join(self.directory, "log")
        host.close_at_exit(self)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*npm.program("prism"), "proxy", "--errors", "-h", "127.0.0.1", "-p",
                 str(self.port), self.document, upstream],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            host.wait_until(self._answers, 60, "Prism to listen")
        except BaseException:
            self.close()
            raise

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def refused(self):
        """The exchanges that broke the document so far, as lines of its log. What was wrong with
        each stands only in the answer that the client got."""
        return [line for line in self.log().splitlines() if "terminated with error" in line]

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _answers(self):
        assert self.process.poll() is None, f"Prism ended: {self.log()[-2000:]}"
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False
