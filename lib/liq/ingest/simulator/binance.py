"""Binance's side of the forceOrder protocol, USD-M or COIN-M: stream names, requests, messages.

Unlike Binance it shows every liquidation, not one in a second, so that it can be fast, and on each
host the orders of that host's kind of contract alone.
Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams
"""

import re
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

import msgspec

from liq.ingest.simulator.exchange import BaseExchange, Event, GetPrice
from liq.ingest.simulator.hawkes import MARKET, Contract, Order

_ALL = "!forceOrder@arr"
_STREAM = re.compile(r"!forceOrder@arr|[a-z0-9_]+@(?:forceOrder|markPrice(?:@1s)?)")
_PATH = re.compile(r"(?:/market)?/(ws|stream)(?:/(.+))?")


class _Request(msgspec.Struct):
    method: str
    params: list[str] = []
    id: int | str | None = None


_KINDS = {"binance_usdm": 1, "binance_coinm": 2}  # of contracts, which share a stream


class Binance(BaseExchange):
    """USD-M or COIN-M contracts, by ``name``."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.market = self.market or MARKET  # the names of USD-M contracts need no snapshot

    def session(self, path: str) -> "_Session":
        """Return the session of a client at ``path``. Raises `ValueError` for an unknown path."""
        return _Session(path if path not in ("", "/") else self._path, self.market)

    def price(self, order: Order) -> str:
        """Return the price of the fills."""
        return order.average_price

    def row(self, order: Order, time_ms: int) -> bytes:
        """Return the whole event."""
        side = "SELL" if order.closes_long else "BUY"
        kind = _KINDS.get(self.name)
        pair = order.symbol.partition("_")[0]
        shared = f',"ps":"{pair}","st":{kind}' if kind else ""
        return (
            f'{{"e":"forceOrder","E":{time_ms},"o":{{"s":"{order.symbol}","S":"{side}",'
            f'"o":"LIMIT","f":"IOC","q":"{order.quantity}","p":"{order.limit_price}",'
            f'"ap":"{order.average_price}","X":"FILLED","l":"{order.quantity}",'
            f'"z":"{order.quantity}","T":{time_ms}{shared}}}}}'
        ).encode()

    def malformed(self, number: int, order: Order, time_ms: int) -> bytes:
        """Return an event with one of six faults."""
        good = self.row(order, time_ms)
        faults = (
            good[:-7],
            good.replace(b'"ap":', b'"averagePrice":'),
            good.replace(b'"S":"', b'"S":"?'),
            good.replace(order.quantity.encode(), b"many"),
            good.replace(order.symbol.encode(), b"ETHEUR"),
            good.replace(b'"T":%d' % time_ms, b'"T":"now"'),
        )
        return faults[number % len(faults)]


class _Session:
    """What one client listens to; messages of a combined stream name the stream they belong to."""

    def __init__(self, target: str, market: tuple[Contract, ...]) -> None:
        """Read the target of a handshake, e.g. ``/ws/!forceOrder@arr``.

        Raises `ValueError` when it is not served.
        """
        self._market = market
        url = urlsplit(target)
        match = _PATH.fullmatch(unquote(url.path))
        if match is None:
            raise ValueError(f"no such path {url.path}; there are /ws and /stream")
        self.combined = match[1] == "stream"
        listed = unquote(url.query).removeprefix("streams=") if self.combined else match[2]
        self.streams = _keep_known(listed.split("/") if listed else [])
        self._seconds = 0

    @property
    def is_subscribed(self) -> bool:
        return any("forceOrder" in stream for stream in self.streams)

    def greet(self) -> list[bytes]:
        return []

    def answer(self, text: bytes) -> list[bytes]:
        request = _Request("")
        try:
            request = msgspec.json.decode(text, type=_Request)
            answer: dict[str, object] = {"result": self._carry_out(request), "id": request.id}
        except (msgspec.DecodeError, ValueError) as error:
            fault = {"code": 2, "msg": f"Invalid request: {error}"}
            answer = {"error": fault, "id": request.id}
        return [msgspec.json.encode(answer)]

    def liquidations(self, events: Sequence[Event]) -> list[bytes]:
        if not self.combined and self.streams == {_ALL}:  # the common case, at full speed
            return [event.row for event in events]
        return [
            message
            for event in events
            for message in self._messages(
                (_ALL, f"{event.order.symbol.lower()}@forceOrder"), event.row
            )
        ]

    def control(self, price: GetPrice, time_ms: int) -> list[bytes]:
        kinds = ("@1s", "") if self._seconds % 3 == 0 else ("@1s",)
        self._seconds += 1
        frames = []
        for contract in self._market:
            streams = tuple(f"{contract.symbol.lower()}@markPrice{kind}" for kind in kinds)
            if self.streams.intersection(streams):
                payload = _build_mark_price(contract.symbol, price(contract.symbol), time_ms)
                frames += self._messages(streams, payload)
        return frames

    def _messages(self, streams: tuple[str, ...], payload: bytes) -> list[bytes]:
        subscribed = [stream for stream in streams if stream in self.streams]
        if not self.combined:
            return [payload] * len(subscribed)
        return [b'{"stream":"%s","data":%s}' % (stream.encode(), payload) for stream in subscribed]

    def _carry_out(self, request: _Request) -> list[str] | None:
        if request.method == "LIST_SUBSCRIPTIONS":
            return sorted(self.streams)
        if request.method == "SUBSCRIBE":
            self.streams |= _keep_known(request.params)
        elif request.method == "UNSUBSCRIBE":
            self.streams -= _keep_known(request.params)
        else:
            raise ValueError(f"unknown method {request.method!r}")
        return None


def _build_mark_price(symbol: str, price: float, time_ms: int) -> bytes:
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


def _keep_known(streams: list[str]) -> set[str]:
    for stream in streams:
        if not _STREAM.fullmatch(stream):
            raise ValueError(f"unknown stream {stream!r}")
    return set(streams)
