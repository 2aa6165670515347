"""A local HTTP server in place of the venues' REST APIs, with listings of contracts."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from typing import Any

from liq.ingest.venues import VENUES
from liq.ingest.venues.base import Listing, Venue
from support.local_http import serve_http
from support.recordings import load_recording


def listing_of(name: str) -> Listing:
    """Return the listing of a venue."""
    listing = VENUES[name].listing
    assert listing
    return listing


@dataclass
class Exchange:
    """A real HTTP server that answers paths with bodies or redirects, and counts.

    Other paths are unavailable.
    """

    url: str
    bodies: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)  # time.monotonic() of each request

    def venue(self, name: str, *paths: str) -> Venue:
        """Return the venue with its listing at these paths."""
        listing = replace(listing_of(name), urls=tuple(self.url + path for path in paths))
        return replace(VENUES[name], listing=listing)

    def serve(self, name: str) -> Venue:
        """Serve the listing of a venue's recording."""
        self.bodies[f"/{name}?a=1"] = load_recording(name).listing
        return self.venue(name, f"/{name}?a=1")

    def list_bybit(self, *symbols: str) -> Venue:
        """Serve a listing of linear contracts of Bybit."""
        listed = [
            {"symbol": symbol, "baseCoin": symbol.removesuffix("USDT"), "quoteCoin": "USDT"}
            for symbol in symbols
        ]
        return self._list("bybit", {"result": {"list": listed}})

    def list_binance(self, *bases: str) -> Venue:
        """Serve a listing of perpetual contracts of Binance COIN-M."""
        listed = [
            {
                "symbol": f"{base}USD_PERP",
                "baseAsset": base,
                "quoteAsset": "USD",
                "contractSize": 100 if base == "BTC" else 10,
            }
            for base in bases
        ]
        return self._list("binance_coinm", {"symbols": listed})

    def _list(self, name: str, document: Any) -> Venue:
        self.bodies[f"/{name}"] = json.dumps(document).encode()
        return self.venue(name, f"/{name}")


@contextmanager
def serve_listings() -> Iterator[Exchange]:
    """Run the server; it lists nothing yet."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            served.times.append(time.monotonic())
            body = served.bodies.get(self.path)
            target = served.redirects.get(self.path)
            self.send_response(302 if target else 503 if body is None else 200)
            if target:
                self.send_header("Location", target)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args: object) -> None:
            pass

    with serve_http(Handler) as url:
        served = Exchange(url)
        yield served
