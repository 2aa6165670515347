"""What a simulated exchange is: its market, and its side of the protocol with each client."""

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from liq.ingest.instruments import load_snapshot
from liq.ingest.simulator.hawkes import MARKET, Contract, Order
from liq.ingest.venues import venue
from liq.ingest.venues.base import Instrument

Price = Callable[[str], float]


class Event(NamedTuple):
    """An order at its time (UTC milliseconds), and the row of JSON that tells of it."""

    order: Order
    time_ms: int
    row: bytes


class ClientSession(Protocol):
    """One client's connection, in its exchange's protocol; methods return the frames to send."""

    @property
    def hears_liquidations(self) -> bool:
        """Whether any liquidation makes a frame for this client."""

    def greet(self) -> list[bytes]:
        """Return what the exchange says first."""

    def answer(self, request: bytes) -> list[bytes]:
        """Carry out what the client sent."""

    def liquidations(self, events: Sequence[Event]) -> list[bytes]:
        """Tell of what this client has subscribed to among ``events``."""

    def control(self, price: Price, time_ms: int) -> list[bytes]:
        """Return what goes on without liquidations, every second: prices, pings."""


class Exchange(Protocol):
    """One venue of the simulator.

    ``gathers_s`` is for how long orders are gathered into a message, ``binary`` whether frames are,
    ``cuts_s`` after how long without a frame a client is cut off; 0 means not.
    """

    name: str
    market: tuple[Contract, ...]
    gathers_s: float
    binary: bool
    cuts_s: float

    def session(self, path: str) -> ClientSession:
        """Begin with a client that asked for ``path``. Raises `ValueError` for an unknown one."""

    def price(self, order: Order) -> str:
        """Return the price of an order that the venue tells."""

    def row(self, order: Order, time_ms: int) -> bytes:
        """Return the JSON that tells of an order, as it stands in a message."""

    def malformed(self, number: int, order: Order, time_ms: int) -> bytes:
        """Return a row that no parser can take for a liquidation; ``number`` varies the fault."""


class Plain:
    """What most exchanges have in common: one path, the bankruptcy price, whole contracts."""

    whole = True  # quantities are; else they are in base, with decimals
    gathers_s = 0.0
    binary = False
    cuts_s = 0.0

    def __init__(self, name: str) -> None:
        self.name = name
        self.market = market(name, whole=self.whole)
        self._path = urlsplit(venue(name).url).path

    def check(self, path: str) -> None:
        """Raise `ValueError` unless ``path`` is the venue's own, or none."""
        if path not in ("", "/", self._path):
            raise ValueError(f"no such path {path}; there is {self._path}")

    def price(self, order: Order) -> str:
        """See `Exchange`."""
        return order.limit_price

    def malformed(self, _number: int, _order: Order, _time_ms: int) -> bytes:
        """See `Exchange`."""
        return b'{"liquidation":"?"}'


def market(name: str, *, whole: bool) -> tuple[Contract, ...]:
    """Return the contracts that a venue's shipped snapshot and `MARKET` both know."""
    listed = load_snapshot(venue(name))
    models = {one.base: one for one in reversed(MARKET)}  # the first of each
    return tuple(
        _contract(instrument, models[instrument.base], whole=whole or instrument.inverse)
        for instrument in (listed.values() if listed else ())
        if instrument.base in models
    )


def _contract(instrument: Instrument, model: Contract, *, whole: bool) -> Contract:
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


def by_symbol(events: Sequence[Event]) -> dict[str, list[Event]]:
    """Group events by contract, for protocols whose messages are about one each."""
    groups: dict[str, list[Event]] = {}
    for event in events:
        groups.setdefault(event.order.symbol, []).append(event)
    return groups


def rows(events: Sequence[Event]) -> bytes:
    """Return a JSON array of the events' rows."""
    return b"[%b]" % b",".join(event.row for event in events)


def encode(message: object) -> bytes:
    """Return compact JSON."""
    return json.dumps(message, separators=(",", ":")).encode()


def decode(request: bytes) -> dict[str, object]:
    """Return a client's JSON object, an empty one for anything else."""
    try:
        message = json.loads(request)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def number(order: Order, time_ms: int) -> int:
    """Return a number that no other order of the contract has."""
    return int(f"{time_ms}{order.quantity.replace('.', '')}")
