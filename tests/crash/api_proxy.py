"""The way from the worker to the API: a TCP proxy that can hold one request or its answer, and cut.

What is held is seen here, so nobody has to guess when it is under way: a held request has not
reached the API, and a held answer proves that the request has had its effect.
"""
import re
import socket
import struct
import threading

_CHUNK = 65536
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends a reset


class Hold:
    """Waits for the first request that matches; side: request or answer. A request is held until
    all of it is there, and let go by release(); or it goes by deliver(), though whoever sent it is
    gone, as one that was long on its way."""

    def __init__(self, method, path, side):
        self.pattern = re.compile(f"^{method} {path} HTTP".encode())
        self.side = side
        self.taken = False
        self.request = b""
        self.held = threading.Event()
        self.released = threading.Event()

    def release(self):
        self.released.set()

    def deliver(self, target):
        """Returns once the API has done what the request asks for."""
        self.release()
        with socket.create_connection(target, timeout=20) as connection:
            connection.sendall(self.request)
            assert connection.recv(_CHUNK), "a late request was not answered"


class ApiProxy:
    def __init__(self, port, prefix="/api/v2"):
        """port: of the API, on 127.0.0.1; prefix: of its paths."""
        self.target = ("127.0.0.1", port)
        self.prefix = prefix
        self.lock = threading.Lock()
        self.links = set()
        self.holds = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}{prefix}"
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self, method, path, side):
        hold = Hold(method, self.prefix + path, side)
        with self.lock:
            self.holds.append(hold)
        return hold

    def cut(self):
        """Ends all connections, with what is under way in them. Returns how many there were."""
        with self.lock:
            links = list(self.links)
        return sum(link.close() for link in links)

    def close(self):
        self.listener.close()
        self.cut()
        for hold in self.holds:
            hold.release()

    def _accept(self):
        while True:
            try:
                client, _address = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target)
            except OSError:
                _reset(client)
                continue
            link = _Link(self, client, server)
            with self.lock:
                self.links.add(link)
            link.start()

    def matching(self, chunk):
        with self.lock:
            for hold in self.holds:
                if not hold.taken and hold.pattern.match(chunk):
                    hold.taken = True
                    return hold
        return None


class _Link:
    def __init__(self, proxy, client, server):
        self.proxy = proxy
        self.client = client
        self.server = server
        self.open = True
        self.awaited = None  # the hold that waits for the next answer
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self):
        for source, sink, check in ((self.client, self.server, self._request),
                                    (self.server, self.client, self._answer)):
            threading.Thread(target=self._pump, args=(source, sink, check), daemon=True).start()

    def close(self):
        with self.proxy.lock:
            was_open, self.open = self.open, False
            self.proxy.links.discard(self)
        if was_open:
            for end in (self.client, self.server):
                _reset(end)
        return was_open

    def _pump(self, source, sink, check):
        try:
            while chunk := source.recv(_CHUNK):
                hold = check(chunk)
                if hold is not None:
                    if hold.side == "request":
                        chunk = hold.request = _whole_request(source, chunk)
                    hold.held.set()
                    hold.released.wait()
                    # Whoever sent it may be gone meanwhile, and then it never left.
                    if not self.open or _is_gone(self.client):
                        break
                sink.sendall(chunk)
        except OSError:
            pass
        self.close()

    def _request(self, chunk):
        hold = self.proxy.matching(chunk)
        if hold is not None and hold.side == "answer":
            self.awaited = hold
            return None
        return hold

    def _answer(self, _chunk):
        hold, self.awaited = self.awaited, None
        return hold


def _whole_request(client, chunk):
    head, _separator, body = chunk.partition(b"\r\n\r\n")
    length = re.search(rb"^content-length: *(\d+)", head, re.I | re.M)
    missing = int(length[1]) - len(body) if length else 0
    while missing > 0 and (more := client.recv(missing)):
        chunk += more
        missing -= len(more)
    return chunk


def _is_gone(client):
    try:
        return client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _reset(end):
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        # shutdown() first: close() alone would not end a recv() in another thread.
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    end.close()
