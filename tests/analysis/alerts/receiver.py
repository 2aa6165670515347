"""A real HTTP server that takes webhooks, and can be down or answer with an error."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


class Receiver(HTTPServer):
    """Keeps what was posted; answers the statuses of ``answers`` first, then success.

    ntfy is such a server too: it takes JSON with a topic, and answers 200 with JSON.
    """

    def __init__(self, port: int, success: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.posted: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.success = success


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.answers.pop(0) if self.server.answers else self.server.success
        if status < 300:
            self.server.posted.append({**body, "path": self.path})
        answer = b"" if status == 204 else json.dumps({"http": status}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def receiving(port: int, success: int = 204) -> Iterator[Receiver]:
    with Receiver(port, success) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
