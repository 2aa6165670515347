"""What the dashboard shows, apart from how: controls, the frames they ask for, and their state."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import pandas as pd
from traitlets import Bool, Float, HasTraits, Instance, List, Tuple, Unicode, UseEnum, validate

from liq import queries
from liq.config import Settings
from liq.config import settings as current_settings
from liq.errors import LiqError
from liq.parameters import duration

MAX_BARS = 1500
QUIET = timedelta(seconds=60)
_TAPE_ROWS = 60
_TOP_SYMBOLS = 12
_KNOWN_SYMBOLS = 500
_LOOK_AROUND = 15.0  # seconds
_LONGEST_COVERAGE = timedelta(days=1)  # a report a second a feed: more of them take too long
_SLIDE = timedelta(seconds=5)  # without new rows the window still moves on, this often


class State(StrEnum):
    """What a reader may trust of what is drawn."""

    LOADING = "loading"  # nothing was read yet
    LIVE = "live"
    QUIET = "quiet"  # the newest row is old: nothing happens, or a producer has died
    EMPTY = "empty"  # no row matches the controls
    PAUSED = "paused"
    FAILED = "failed"  # the last read failed; the frames are those of the read before


class Controls(NamedTuple):
    """What the reader asked for."""

    bucket: str
    window: str
    symbols: tuple[str, ...]
    min_notional: float

    @property
    def filters(self) -> dict[str, Any]:
        """Parameters that every query of the dashboard shares."""
        return {
            "window": self.window,
            "symbols": list(self.symbols),
            "min_notional": self.min_notional or None,
        }


class Latest(NamedTuple):
    """The newest venue time (None: no rows at all) and the number of rows."""

    ts: datetime | None
    rows: int


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """One consistent reading: a frame a panel; columns as the catalogue declares them."""

    bars: pd.DataFrame
    net: pd.DataFrame
    totals: pd.DataFrame
    symbols: pd.DataFrame
    exchanges: pd.DataFrame
    tape: pd.DataFrame
    sources: pd.DataFrame
    bucket: str  # the width in use, which the window may have widened
    start: datetime  # of the first bar
    end: datetime  # of the last one
    read: datetime


class Surroundings(NamedTuple):
    """What changes slowly: symbols with prints lately, and times when a feed was not heard."""

    symbols: tuple[str, ...]
    gaps: pd.DataFrame


class Reading(NamedTuple):
    """What one look at QuestDB gave; ``frames`` is None when there was no need to reload."""

    controls: Controls
    latest: Latest | None
    frames: Frames | None
    problem: str
    surroundings: Surroundings | None = None


class DashboardModel(HasTraits):
    """Controls and what they show. Set a control, call `poll`, look at ``frames`` and ``state``.

    `read` may run on any thread; `apply` and the traits belong to one.
    """

    bucket = Unicode("1m", help="width of a bar; widened when the window has too many of them")
    window = Unicode("1h", help="how far back")
    symbols = List(Unicode(), help="only these; empty: all")
    min_notional = Float(0.0, min=0.0, help="least size of a print, USD")
    paused = Bool(default_value=False)

    frames = Instance(Frames, allow_none=True)
    latest = Instance(Latest, allow_none=True)
    state = UseEnum(State, default_value=State.LOADING)
    problem = Unicode(help="why the last read failed")
    known_symbols = Tuple(help="what ``symbols`` may be chosen from: those with prints lately")
    gaps = Instance(pd.DataFrame, allow_none=True, help="rows of ``coverage``")

    def __init__(self, settings: Settings | None = None, **controls: Any) -> None:
        self._settings = settings or current_settings()
        self._shown: tuple[Controls, Latest | None] | None = None
        self._looked_around: tuple[str, float] = ("", 0.0)  # at which window, when
        super().__init__(**controls)

    @property
    def buckets(self) -> list[str]:
        """The widths of a bar that the catalogue allows, narrow to wide."""
        params = queries.find("liquidations_by_bucket", self._settings).params
        return [str(choice) for choice in params["bucket"].choices]

    @property
    def controls(self) -> Controls:
        """The controls as one value."""
        return Controls(self.bucket, self.window, tuple(self.symbols), self.min_notional)

    @property
    def age(self) -> timedelta | None:
        """How old the newest row is, by the venue's clock; None without rows."""
        if self.latest is None or self.latest.ts is None:
            return None
        return max(datetime.now(UTC) - self.latest.ts, timedelta(0))

    def poll(self) -> bool:
        """Look for newer rows and reload if there are any; return whether frames changed."""
        return self.apply(self.read())

    def read(self) -> Reading:
        """Ask QuestDB, reloading only when rows are newer, a control or the window moved on."""
        controls = self.controls
        try:
            latest = self._latest()
            frames = self._load(controls) if self._outdated(controls, latest) else None
            around = self._look_around(controls.window)
        except LiqError as error:
            return Reading(controls, None, None, str(error))
        return Reading(controls, latest, frames, "", around)

    def apply(self, reading: Reading) -> bool:
        """Take over what `read` gave; return whether frames changed."""
        with self.hold_trait_notifications():
            self.problem = reading.problem
            self.latest = reading.latest or self.latest
            if reading.frames is not None:
                self.frames = reading.frames
                self._shown = (reading.controls, reading.latest)
            if reading.surroundings is not None:
                self.known_symbols, self.gaps = reading.surroundings
            self.state = self._state()
        return reading.frames is not None

    def fail(self, problem: str) -> None:
        """Tell that what is shown cannot be trusted, and why; the next reading starts afresh."""
        self.problem = problem
        self._shown = None
        self.state = self._state()

    @validate("window")
    def _valid_window(self, proposal: Any) -> str:
        duration(proposal["value"])
        return str(proposal["value"])

    @validate("bucket")
    def _valid_bucket(self, proposal: Any) -> str:
        params = queries.find("liquidations_by_bucket", self._settings).params
        return str(params["bucket"].value("bucket", proposal["value"]))

    def _state(self) -> State:
        if self.problem:
            return State.FAILED
        if self.paused:
            return State.PAUSED
        if self.frames is None:
            return State.LOADING
        if not self.frames.totals["prints"].sum():
            return State.EMPTY
        age = self.age
        return State.QUIET if age is None or age > QUIET else State.LIVE

    def _outdated(self, controls: Controls, latest: Latest) -> bool:
        if self.frames is None or self._shown is None or self._shown[0] != controls:
            return True
        if self.paused:
            return False
        return self._shown[1] != latest or datetime.now(UTC) - self.frames.read > _SLIDE

    def _latest(self) -> Latest:
        row = self._hit("latest_timestamp").iloc[0]
        ts = None if pd.isna(row["ts"]) else row["ts"].to_pydatetime()
        return Latest(ts, int(row["rows"]))

    def _load(self, controls: Controls) -> Frames:
        filters, end = controls.filters, datetime.now(UTC)
        bucket = self._fitting_bucket(controls)
        width = duration(bucket)
        return Frames(
            bars=self._hit("liquidations_by_bucket", bucket=bucket, **filters),
            net=self._hit("cumulative_net", bucket=bucket, **filters),
            totals=self._hit("totals", **filters),
            symbols=self._hit("top_symbols", limit=_TOP_SYMBOLS, **filters),
            exchanges=self._hit("by_exchange", **filters),
            tape=self._hit("latest_prints", limit=_TAPE_ROWS, **filters),
            sources=self._hit("sources", window=controls.window),
            bucket=bucket,
            start=pd.Timestamp(end - duration(controls.window)).floor(width).to_pydatetime(),
            end=pd.Timestamp(end).ceil(width).to_pydatetime(),
            read=end,
        )

    def _look_around(self, window: str) -> Surroundings | None:
        """Read now and then what changes slowly; None in between."""
        looked_at, when = self._looked_around
        if looked_at == window and time.monotonic() - when < _LOOK_AROUND:
            return None
        found = self._hit("top_symbols", window=window, limit=_KNOWN_SYMBOLS)
        around = Surroundings(tuple(sorted(found["symbol"])), self._gaps(window))
        self._looked_around = (window, time.monotonic())
        return around

    def _gaps(self, window: str) -> pd.DataFrame:
        """Read when feeds were not heard that have prints in the window.

        Others are none of the reader's: a simulator of yesterday, say.
        """
        looked_at = min(duration(window), _LONGEST_COVERAGE)
        gaps = self._hit("coverage", window=looked_at)
        shown = self._hit("sources", window=window)[["exchange", "source"]]
        return gaps.merge(shown.drop_duplicates(), on=["exchange", "source"])

    def _fitting_bucket(self, controls: Controls) -> str:
        """Return the chosen width of a bar, or the least one that gives a readable number."""
        least = duration(controls.window) / MAX_BARS
        wide_enough = [width for width in self.buckets if duration(width) >= least]
        chosen = self.buckets[self.buckets.index(controls.bucket) :]
        return next((width for width in chosen if width in wide_enough), self.buckets[-1])

    def _hit(self, key: str, **params: Any) -> pd.DataFrame:
        return queries.hit(key, settings=self._settings, **params)
