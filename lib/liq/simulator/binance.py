"""Binance's side of the forceOrder protocol: stream names, requests, messages.

Unlike Binance it shows every liquidation, not the latest in a second, so that it can be fast.
Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams
"""

import re
from urllib.parse import unquote, urlsplit

import msgspec

from liq.simulator.process import Order

_ALL = "!forceOrder@arr"
_STREAM = re.compile(r"!forceOrder@arr|[a-z0-9_]+@(?:forceOrder|markPrice(?:@1s)?)")
_PATH = re.compile(r"(?:/market)?/(ws|stream)(?:/(.+))?")


class _Request(msgspec.Struct):
    method: str
    params: list[str] = []
    id: int | str | None = None


class Subscription:
    """What one client listens to; messages of a combined stream name the stream they belong to."""

    def __init__(self, target: str) -> None:
        """Read the target of a handshake, e.g. ``/ws/!forceOrder@arr``.

        Raises `ValueError` when it is not served.
        """
        url = urlsplit(target)
        match = _PATH.fullmatch(unquote(url.path))
        if match is None:
            raise ValueError(f"no such path {url.path}; there are /ws and /stream")
        self.combined = match[1] == "stream"
        listed = unquote(url.query).removeprefix("streams=") if self.combined else match[2]
        self.streams = _known(listed.split("/") if listed else [])

    @property
    def hears_liquidations(self) -> bool:
        """Whether any liquidation makes a message for this client."""
        return any("forceOrder" in stream for stream in self.streams)

    def answer(self, text: str | bytes) -> str:
        """Carry out a request of the client and return the acknowledgement to send."""
        request = _Request("")
        try:
            request = msgspec.json.decode(text, type=_Request)
            answer: dict[str, object] = {"result": self._carry_out(request), "id": request.id}
        except (msgspec.DecodeError, ValueError) as error:
            fault = {"code": 2, "msg": f"Invalid request: {error}"}
            answer = {"error": fault, "id": request.id}
        return msgspec.json.encode(answer).decode()

    def liquidations(self, symbol: str, payload: bytes) -> list[bytes]:
        """Return the messages that a liquidation of ``symbol`` makes for this client."""
        return self._messages((_ALL, f"{symbol.lower()}@forceOrder"), payload)

    def mark_price(self, symbol: str, payload: bytes) -> list[bytes]:
        """Return the messages that a mark price of ``symbol`` makes for this client."""
        stream = f"{symbol.lower()}@markPrice"
        return self._messages((stream, f"{stream}@1s"), payload)

    def _messages(self, streams: tuple[str, ...], payload: bytes) -> list[bytes]:
        heard = [stream for stream in streams if stream in self.streams]
        if not self.combined:
            return [payload] * len(heard)
        return [b'{"stream":"%s","data":%s}' % (stream.encode(), payload) for stream in heard]

    def _carry_out(self, request: _Request) -> list[str] | None:
        if request.method == "LIST_SUBSCRIPTIONS":
            return sorted(self.streams)
        if request.method == "SUBSCRIBE":
            self.streams |= _known(request.params)
        elif request.method == "UNSUBSCRIBE":
            self.streams -= _known(request.params)
        else:
            raise ValueError(f"unknown method {request.method!r}")
        return None


def force_order(order: Order, time_ms: int) -> bytes:
    """Return the event that tells of ``order`` at ``time_ms`` (UTC milliseconds)."""
    side = "SELL" if order.closes_long else "BUY"
    return (
        f'{{"e":"forceOrder","E":{time_ms},"o":{{"s":"{order.symbol}","S":"{side}","o":"LIMIT",'
        f'"f":"IOC","q":"{order.quantity}","p":"{order.limit_price}","ap":"{order.average_price}",'
        f'"X":"FILLED","l":"{order.quantity}","z":"{order.quantity}","T":{time_ms}}}}}'
    ).encode()


def mark_price(symbol: str, price: float, time_ms: int) -> bytes:
    """Return a mark price event; the funding fields are constant."""
    text = f"{price:.8f}"
    return msgspec.json.encode(
        {
            "e": "markPriceUpdate",
            "E": time_ms,
            "s": symbol,
            "p": text,
            "i": text,
            "P": text,
            "r": "0.00010000",
            "T": time_ms - time_ms % 28_800_000 + 28_800_000,
        }
    )


def malformed(number: int, order: Order, time_ms: int) -> bytes:
    """Return a message that no parser can take for a liquidation; ``number`` varies the fault."""
    good = force_order(order, time_ms)
    faults = (
        good[:-7],
        good.replace(b'"ap":', b'"averagePrice":'),
        good.replace(b'"S":"', b'"S":"?'),
        good.replace(order.quantity.encode(), b"many"),
        good.replace(order.symbol.encode(), b"ETHBTC"),
        good.replace(b'"T":%d' % time_ms, b'"T":"now"'),
    )
    return faults[number % len(faults)]


def _known(streams: list[str]) -> set[str]:
    for stream in streams:
        if not _STREAM.fullmatch(stream):
            raise ValueError(f"unknown stream {stream!r}")
    return set(streams)
