"""Stands between the worker and the emulator, and answers for it as somebody who is in trouble.

    with Relay(emulator) as relay:
        relay.slow("/projects/one/", "headers")     # a byte a second
        relay.rewrite("/projects/two/", "127.0.0.1", "hangs.invalid")

What no rule matches is passed on as it is. A rule's path is searched in the request's path; of
several that match, the first one counts.
"""
import re
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_HOP = ("connection", "content-length", "transfer-encoding", "host")


class Relay:
    def __init__(self, emulator):
        self.address = emulator.url.split("//")[1].split("/")[0]
        self.rules = []
        self.met = []  # paths that a rule was applied to
        self.closing = threading.Event()
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # an answer is written in two parts

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

            def do_GET(self):  # pylint: disable=invalid-name
                relay.handle(self)

            do_POST = do_PATCH = do_DELETE = do_PUT = do_GET

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/api/v2"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def slow(self, path, part):
        """part: "headers" or "body", of which a byte a second is sent; or "silent"."""
        self.rules.append((re.compile(path), part, None))

    def rewrite(self, path, word, other):
        self.rules.append((re.compile(path), "rewrite", (word.encode(), other.encode())))

    def clear(self):
        self.rules = []

    def handle(self, request):
        size = int(request.headers.get("Content-Length", 0))
        body = request.rfile.read(size) if size else None
        connection = HTTPConnection(self.address)
        headers = {name: value for name, value in request.headers.items()
                   if name.lower() not in _HOP}
        connection.request(request.command, request.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        what, words = None, None
        for path, rule, argument in self.rules:
            if path.search(request.path):
                what, words = rule, argument
                self.met.append(request.path)
                break
        if what == "rewrite":
            content = content.replace(*words)
        lines = [f"HTTP/1.1 {answer.status} {answer.reason}"]
        lines += [f"{name}: {value}" for name, value in answer.getheaders()
                  if name.lower() not in _HOP]
        if answer.status != 204:
            lines.append(f"Content-Length: {len(content)}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        if what == "silent":
            self.closing.wait(120)
            return
        self._write(request, head, what == "headers")
        self._write(request, content, what == "body")

    def _write(self, request, data, slowly):
        if not slowly:
            request.wfile.write(data)
            return
        for byte in data:
            request.wfile.write(bytes([byte]))
            if self.closing.wait(1):
                return

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
