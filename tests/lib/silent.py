"""Servers that accept and then do not do what they are for."""
import socket
import threading

_SSL_REQUEST = 80877103


class SlowPostgres:
    """Takes connections as PostgreSQL does, and then says nothing, or a byte a second of an error
    message that does not end."""

    def __init__(self, trickles):
        self.trickles = trickles
        self.met = 0
        self.closing = threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.met += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            try:
                first = connection.recv(8)
                if int.from_bytes(first[4:8], "big") == _SSL_REQUEST:
                    connection.sendall(b"N")
                message = b"E" + (20_000).to_bytes(4, "big") + b"M" + b"x" * 100
                for byte in message if self.trickles else ():
                    if self.closing.wait(1):
                        return
                    connection.sendall(bytes([byte]))
                self.closing.wait(120)
            except OSError:
                pass

    def close(self):
        self.closing.set()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class SilentNameServer:
    """Takes questions on port 53 of a loopback address of its own and never answers."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for last in range(2, 255):
            self.address = f"127.83.53.{last}"
            try:
                self.socket.bind((self.address, 53))
                return
            except OSError:
                continue
        raise RuntimeError("no loopback address has a free port 53")

    def asked(self, name):
        """Whether somebody has asked for that name since the last call."""
        word = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
        self.socket.setblocking(False)
        found = False
        try:
            while True:
                found = word in self.socket.recv(4096) or found
        except BlockingIOError:
            return found

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
