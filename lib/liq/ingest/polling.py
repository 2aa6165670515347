"""A venue's REST API as a connection: requested again and again, its new rows are the frames.

It is for venues that publish their liquidations over REST alone (`liq.ingest.venues.base.Poll`). A
request has a time range that ends now, so the first one also returns what was published while there
was no connection.
"""

import asyncio
import logging
import time
from collections.abc import Iterator

import httpx
from websockets.exceptions import ConnectionClosedError

from liq.common import http
from liq.errors import RejectedMessage
from liq.ingest.venues.base import Poll

_TIMEOUT_S = 10.0  # for all pages of an answer
_PAGES = 50  # of an answer; more would take longer than the venues' limits allow
_LOG = logging.getLogger(__name__)


class RequestFailedError(ConnectionClosedError):
    """A request failed, which ends the connection; its text is the reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(None, None)
        self._reason = reason

    def __str__(self) -> str:
        return self._reason


class PolledConnection:
    """What a feed uses of a websocket connection, over a REST API."""

    def __init__(self, url: str, poll: Poll) -> None:
        self._url = url
        self._poll = poll
        self._client = http.Client(_TIMEOUT_S, follow_redirects=True)
        self._due = time.monotonic()
        self._returned: frozenset[bytes] = frozenset()  # by the last request
        self._first: bytes | None = None
        self.response: httpx.Response | None = None

    async def open(self) -> None:
        """Request the first frame. Raises `OSError` if that fails."""
        try:
            self._first = await self._poll_once()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            self._client.close()
            raise OSError(str(error)) from error

    async def recv(self, *, decode: bool) -> bytes:
        """Wait until a request is due; return its new rows. ``decode`` is for websockets alone.

        Raises `RequestFailedError`.
        """
        assert not decode  # noqa: S101 - a feed takes bytes
        if self._first is not None:
            first, self._first = self._first, None
            return first
        await asyncio.sleep(self._due - time.monotonic())
        if self._client.is_closed:
            raise RequestFailedError("the connection is closed")
        try:
            return await self._poll_once()
        except (httpx.HTTPError, httpx.InvalidURL) as error:  # of a redirect
            raise RequestFailedError(str(error)) from error

    async def send(self, frame: str) -> None:
        """Do nothing: a REST API takes no frames."""

    async def ping(self) -> asyncio.Future[None]:
        """Return an answered ping: `recv` notices a server that is away."""
        pong = asyncio.get_running_loop().create_future()
        pong.set_result(None)
        return pong

    async def close(self) -> None:
        """Close the connections to the server."""
        self._client.close()

    async def _poll_once(self) -> bytes:
        self._due = time.monotonic() + self._poll.seconds
        return await asyncio.to_thread(self._request)

    def _request(self) -> bytes:
        rows: list[bytes] = []
        with http.within(_TIMEOUT_S):
            for answer in self._pages():
                try:
                    page = self._poll.split(answer)
                except RejectedMessage:
                    return answer  # which the venue's parser rejects with the reason
                if not page:
                    break
                rows += page
        new = [row for row in rows if row not in self._returned]
        self._returned = frozenset(rows)
        return b"[%b]" % b",".join(new)

    def _pages(self) -> Iterator[bytes]:
        now_ms = time.time_ns() // 1_000_000
        for page in range(1, _PAGES + 1):
            url = self._url + self._poll.query(now_ms, page)
            self.response, content = self._client.download(url)
            yield content
        _LOG.warning(
            "%s: the rows did not end within %d pages; later ones are missing", self._url, _PAGES
        )


async def connect(url: str, poll: Poll) -> PolledConnection:
    """Return an open connection. Raises `OSError` if the first request fails."""
    try:
        connection = PolledConnection(url, poll)
    except httpx.ConnectError as error:  # for a proxy in the environment that cannot be used
        raise OSError(str(error)) from error
    await connection.open()
    return connection
