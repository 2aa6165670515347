"""A Maven repository on this machine, which can break off, be busy, or have other files."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from support.local_http import serve_http


@dataclass
class Mirror:
    """``files`` by path. ``breaks`` is how many bytes an answer has; ``busy`` how many are 503."""

    files: dict[str, bytes]
    url: str = ""
    breaks: int | None = None
    busy: int = 0
    has_ranges: bool = True
    asked: Counter[str] = field(default_factory=Counter)
    ranges: list[str] = field(default_factory=list)
    logins: set[str] = field(default_factory=set)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a request as a repository does, or as the faults say."""
        path = handler.path.removeprefix("/")
        self.asked[path] += 1
        self.logins.add(handler.headers.get("Authorization", ""))
        if self.busy:
            self.busy -= 1
            return handler.send_error(503)
        if path not in self.files:
            return handler.send_error(404)
        content, wanted = self.files[path], handler.headers["Range"]
        begin = 0
        if wanted and self.has_ranges:
            self.ranges.append(wanted)
            [number] = re.findall(r"^bytes=(\d+)-$", wanted)
            begin = int(number)
            if begin >= len(content):
                return handler.send_error(416)
        handler.send_response(206 if begin else 200)
        handler.send_header("Content-Length", str(len(content) - begin))
        handler.end_headers()
        end = len(content) if self.breaks is None else begin + self.breaks
        handler.wfile.write(content[begin:end])
        handler.close_connection = True
        return None


@contextmanager
def mirror(files: dict[str, bytes]) -> Iterator[Mirror]:
    """Serve ``files`` for the block."""
    served = Mirror(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with serve_http(Handler) as served.url:
        yield served
