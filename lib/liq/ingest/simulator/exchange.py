"""A simulated exchange: its market, and its side of the protocol with each client."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from liq.ingest.instruments import load_snapshot
from liq.ingest.simulator.hawkes import MARKET, Contract, Order
from liq.ingest.venues import find_venue
from liq.ingest.venues.base import Instrument

GetPrice = Callable[[str], float]
_SETTLED_S = 1.0  # after a client's last request


class Event(NamedTuple):
    """An order, its time (UTC milliseconds), and its row of JSON."""

    order: Order
    time_ms: int
    row: bytes


class ClientSession(Protocol):
    """One client's connection, in its exchange's protocol; methods return the frames to send."""

    @property
    def is_subscribed(self) -> bool:
        """Whether any liquidation makes a frame for this client."""

    def greet(self) -> list[bytes]:
        """Return the first frames that the exchange sends."""

    def answer(self, request: bytes) -> list[bytes]:
        """Carry out a request of the client."""

    def liquidations(self, events: Sequence[Event]) -> list[bytes]:
        """Return the frames of ``events`` to which this client has subscribed."""

    def control(self, price: GetPrice, time_ms: int) -> list[bytes]:
        """Return the frames that are sent every second without liquidations: prices, pings."""


class Exchange(Protocol):
    """One venue of the simulator.

    ``gathers_s`` is how long orders are gathered into a message. ``binary`` is whether frames are
    binary. ``cuts_s`` is the silence after which a client is disconnected, 0 for never.
    """

    name: str
    market: tuple[Contract, ...]
    gathers_s: float
    binary: bool
    cuts_s: float

    def session(self, path: str) -> ClientSession:
        """Return the session of a client at ``path``. Raises `ValueError` for an unknown path."""

    def price(self, order: Order) -> str:
        """Return the price of an order that the venue publishes."""

    def row(self, order: Order, time_ms: int) -> bytes:
        """Return the JSON of an order in a message."""

    def malformed(self, number: int, order: Order, time_ms: int) -> bytes:
        """Return a row that every parser rejects; ``number`` varies the fault."""


class BaseExchange:
    """What most exchanges have in common: one path, the bankruptcy price, whole contracts."""

    whole = True  # quantities are; else they are in base, with decimals
    gathers_s = 0.0
    binary = False
    cuts_s = 0.0

    def __init__(self, name: str) -> None:
        self.name = name
        self.market = load_market(name, whole=self.whole)
        self._path = urlsplit(find_venue(name).url).path

    def check(self, path: str) -> None:
        """Raise `ValueError` unless ``path`` is the venue's own, or none."""
        if path not in ("", "/", self._path):
            raise ValueError(f"no such path {path}; there is {self._path}")

    def price(self, order: Order) -> str:
        """Return the bankruptcy price."""
        return order.limit_price

    def malformed(self, _number: int, _order: Order, _time_ms: int) -> bytes:
        """Return a row that every parser rejects."""
        return b'{"liquidation":"?"}'


class Subscriptions(set[str]):
    """The contracts that a client subscribes to, with a request for each.

    Liquidations wait until the client has the whole ``market``, or asks for no more.
    """

    def __init__(self, market: Iterable[str]) -> None:
        super().__init__()
        self._market = frozenset(market)
        self._added = time.monotonic()

    @property
    def is_settled(self) -> bool:
        """Whether no further request is expected."""
        has_asked = bool(self) and time.monotonic() - self._added > _SETTLED_S
        return has_asked or self >= self._market

    def add(self, symbol: str) -> None:
        """Add a contract."""
        super().add(symbol)
        self._added = time.monotonic()


def load_market(name: str, *, whole: bool) -> tuple[Contract, ...]:
    """Return the contracts that a venue's shipped snapshot and `MARKET` both know."""
    listed = load_snapshot(find_venue(name))
    models = {one.base: one for one in reversed(MARKET)}  # the first of each
    return tuple(
        _build_contract(instrument, models[instrument.base], whole=whole or instrument.inverse)
        for instrument in (listed.values() if listed else ())
        if instrument.base in models and not instrument.settled_in  # its size varies
    )


def _build_contract(instrument: Instrument, model: Contract, *, whole: bool) -> Contract:
    return Contract(
        instrument.symbol,
        model.base,
        model.price,
        model.price_decimals,
        0 if whole else model.quantity_decimals,
        model.weight,
        instrument.multiplier,
        instrument.inverse,
    )


def group_by_symbol(events: Sequence[Event]) -> dict[str, list[Event]]:
    """Group events by contract, for protocols whose messages are about one each."""
    groups: dict[str, list[Event]] = {}
    for event in events:
        groups.setdefault(event.order.symbol, []).append(event)
    return groups


def join_rows(events: Sequence[Event]) -> bytes:
    """Return a JSON array of the events' rows."""
    return b"[%b]" % b",".join(event.row for event in events)


def encode(message: object) -> bytes:
    """Return compact JSON."""
    return json.dumps(message, separators=(",", ":")).encode()


def decode(request: bytes) -> dict[str, object]:
    """Return a client's JSON object, an empty one for anything else."""
    try:
        message = json.loads(request)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def number_order(order: Order, time_ms: int) -> int:
    """Return a number that no other order of the contract has."""
    return int(f"{time_ms}{order.quantity.replace('.', '')}")
