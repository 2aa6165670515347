"""A TCP proxy that a test can cut: an outage without stopping the server all tests share."""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Sequence
from typing import Self


class Proxy:
    """Passes bytes from ``port`` on ``host`` to ``target``, until `cut` and after `restore`."""

    def __init__(self, target: int, host: str = "127.0.0.1", port: int = 0) -> None:
        self._target = target
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._open = True
        self._refusing = False
        self._stalled = False
        self._delay_s = 0.0
        self.passed = 0  # bytes, in either direction
        self._listener = socket.create_server((host, port))
        self.port: int = self._listener.getsockname()[1]
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._open = False
        self._thread.join()

    def cut(self) -> None:
        """Drop every connection and refuse new ones."""
        with self._lock:
            self._refusing = True
            self._drop_all()

    def stall(self) -> None:
        """Keep connections, but pass nothing on until `restore`, as a hung server."""
        self._stalled = True

    def delay(self, seconds: float) -> None:
        """Keep every piece that comes for so long: a slow way."""
        self._delay_s = seconds

    @property
    def connected(self) -> bool:
        """Whether anybody is."""
        return bool(self._pairs)

    def restore(self) -> None:
        """Accept connections and pass bytes again, at once."""
        self._delay_s = 0.0
        with self._lock:
            self._refusing = False
        self._stalled = False

    def _run(self) -> None:
        while self._open:
            for key, _ in self._ready():
                with self._lock, contextlib.suppress(OSError, KeyError, ValueError):
                    self._serve(key.fileobj)  # type: ignore[arg-type]
        self._drop_all()
        self._listener.close()
        self._selector.close()

    def _ready(self) -> Sequence[tuple[selectors.SelectorKey, int]]:
        if self._stalled:
            time.sleep(0.01)
            return ()
        return self._selector.select(timeout=0.1)

    def _serve(self, ready: socket.socket) -> None:
        if ready is self._listener:
            client, _ = ready.accept()
            if self._refusing:
                client.close()
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                return
            for one, other in ((client, server), (server, client)):
                self._pairs[one] = other
                self._selector.register(one, selectors.EVENT_READ)
        elif data := ready.recv(65536):
            time.sleep(self._delay_s)
            self._look(ready, data)
            self._pairs[ready].sendall(data)
            self.passed += len(data)
        else:
            self._drop(ready)

    def _look(self, _sender: socket.socket, _data: bytes) -> None:
        """See a piece before it is passed on."""

    def _drop(self, one: socket.socket) -> None:
        for each in (one, self._pairs[one]):
            self._selector.unregister(each)
            self._pairs.pop(each)
            each.close()

    def _drop_all(self) -> None:
        while self._pairs:
            self._drop(next(iter(self._pairs)))


class Statements(Proxy):
    """A proxy before a PostgreSQL wire that notes the ``texts`` of statements that pass."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.texts: list[str] = []
        self._unread: dict[socket.socket, bytes] = {}

    def _look(self, sender: socket.socket, data: bytes) -> None:
        if sender.getsockname()[1] != self.port:
            return  # an answer
        data = self._unread.get(sender, b"") + data
        while len(data) >= 5:
            start = 1 if data[0] else 0  # the first ones, about TLS and of login, have no type
            end = start + int.from_bytes(data[start : start + 4])
            if len(data) < end:
                break
            kind, body, data = data[:start], data[start + 4 : end], data[end:]
            if kind in (b"P", b"Q"):  # Parse: the statement's name, its text; Query: its text
                self.texts.append(body.split(b"\0")[kind == b"P"].decode())
        self._unread[sender] = data


class Requests(Proxy):
    """A proxy before an HTTP server that counts the requests that pass, each in one piece."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.count = 0

    def _look(self, sender: socket.socket, data: bytes) -> None:
        self.count += sender.getsockname()[1] == self.port and data.startswith(b"GET ")
