"""What the dashboard shows, apart from how: controls, the frames they ask for, and their state."""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import pandas as pd
from traitlets import (
    Bool,
    Enum,
    Float,
    HasTraits,
    Instance,
    List,
    Tuple,
    Unicode,
    UseEnum,
    validate,
)

from liq import queries
from liq.config import Settings
from liq.config import settings as current_settings
from liq.dashboard.boards import BOARDS, Ask, Controls
from liq.errors import LiqError
from liq.parameters import duration

MAX_BARS = 1500
QUIET = timedelta(seconds=60)
_KNOWN_SYMBOLS = 500
_RECENT = timedelta(minutes=10)  # for so long an alert stands above the board
_ALERTS = 3
_LOOK_AROUND = 15.0  # seconds
_LONGEST_COVERAGE = timedelta(days=31)  # half a second for a dozen feeds
_LEAST_BARS = 10
_SLIDE = timedelta(seconds=5)  # without new rows the window still moves on, this often


class State(StrEnum):
    """What a reader may trust of what is drawn."""

    LOADING = "loading"  # nothing was read yet
    LIVE = "live"
    QUIET = "quiet"  # the newest row is old: nothing happens, or a producer has died
    EMPTY = "empty"  # no row matches the controls
    PAUSED = "paused"
    HISTORY = "history"  # the window ends in the past
    FAILED = "failed"  # the last read failed; the frames are those of the read before


class Latest(NamedTuple):
    """The newest and the oldest venue time (None: no rows at all) and the number of rows."""

    ts: datetime | None
    first: datetime | None
    rows: int


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """One consistent reading: figures of the window, and the frames of one board by name.

    Columns are as the catalogue declares them; see `liq.dashboard.boards` for the names.
    """

    totals: pd.DataFrame
    sources: pd.DataFrame
    alerts: pd.DataFrame  # of the last minutes
    board: Mapping[str, pd.DataFrame]
    controls: Controls
    bucket: str  # the width in use, which the window may have widened
    start: datetime  # of the first bar; where the window is older than all rows, of theirs
    end: datetime  # of the last one
    read: datetime

    @property
    def span(self) -> tuple[datetime, datetime]:
        """What a time axis shows."""
        return self.start, self.end

    @property
    def looked_at(self) -> tuple[datetime, datetime]:
        """That part of it which is in the window, and not in the future."""
        end = self.controls.until or self.read
        since = end - min(duration(self.controls.window), _LONGEST_COVERAGE)
        return max(self.start, since), min(self.end, end)


class Surroundings(NamedTuple):
    """What changes slowly: what has prints lately, and times when a feed was not heard."""

    symbols: tuple[str, ...]
    assets: tuple[str, ...]
    exchanges: tuple[str, ...]
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

    board = Enum(list(BOARDS), default_value=next(iter(BOARDS)), help="what is read")
    bucket = Unicode("1m", help="width of a bar; widened when the window has too many of them")
    window = Unicode("1h", help="how far back")
    until = Instance(datetime, allow_none=True, help="end of the window; None: now, live")
    asset = Unicode(help="only this base asset; empty: all")
    exchanges = List(Unicode(), help="only these; empty: all")
    symbols = List(Unicode(), help="only these; empty: all")
    min_notional = Float(0.0, min=0.0, help="least size of a print, USD")
    paused = Bool(default_value=False)

    frames = Instance(Frames, allow_none=True)
    latest = Instance(Latest, allow_none=True)
    state = UseEnum(State, default_value=State.LOADING)
    problem = Unicode(help="why the last read failed")
    known_symbols = Tuple(help="what ``symbols`` may be chosen from: those with prints lately")
    known_assets = Tuple(help="what ``asset`` may be chosen from, the greatest first")
    known_exchanges = Tuple(help="what ``exchanges`` may be chosen from")
    gaps = Instance(pd.DataFrame, allow_none=True, help="rows of ``coverage``")

    def __init__(self, settings: Settings | None = None, **controls: Any) -> None:
        self.settings = settings or current_settings()
        self._shown: tuple[Controls, Latest | None] | None = None
        self._looked_around: tuple[object, float] = (None, 0.0)  # at which span, when
        super().__init__(**controls)

    @property
    def buckets(self) -> list[str]:
        """The widths of a bar that the catalogue allows, narrow to wide."""
        params = queries.find("liquidations_by_bucket", self.settings).params
        return [str(choice) for choice in params["bucket"].choices]

    @property
    def controls(self) -> Controls:
        """The controls as one value."""
        return Controls(
            board=self.board,
            bucket=self.bucket,
            window=self.window,
            until=self.until,
            asset=self.asset,
            exchanges=tuple(self.exchanges),
            symbols=tuple(self.symbols),
            min_notional=self.min_notional,
        )

    @property
    def age(self) -> timedelta | None:
        """How old the newest row is, by the venue's clock; None without rows."""
        if self.latest is None or self.latest.ts is None:
            return None
        return max(datetime.now(UTC) - self.latest.ts, timedelta(0))

    def travel(self, start: datetime, end: datetime) -> None:
        """Show what was from ``start`` to ``end``; live when that is now or later."""
        with self.hold_trait_notifications():
            self.window = f"{max(round((end - start).total_seconds()), 1)}s"
            self.until = end if end < datetime.now(UTC) else None

    def step(self, windows: int) -> None:
        """Move by so many windows, back or forth; live when that reaches now."""
        end = (self.until or datetime.now(UTC)) + windows * duration(self.window)
        self.until = end if end < datetime.now(UTC) else None

    def poll(self) -> bool:
        """Look for newer rows and reload if there are any; return whether frames changed."""
        return self.apply(self.read())

    def read(self) -> Reading:
        """Ask QuestDB, reloading only when rows are newer, a control or the window moved on."""
        controls = self.controls
        try:
            latest = self._latest()
            frames = self._load(controls, latest) if self._outdated(controls, latest) else None
        except LiqError as error:
            return Reading(controls, None, None, str(error))
        around = None
        with contextlib.suppress(LiqError):  # the slowest query; what is around can wait
            around = self._look_around(controls)
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
                around = reading.surroundings
                self.known_symbols, self.known_assets = around.symbols, around.assets
                self.known_exchanges, self.gaps = around.exchanges, around.gaps
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
        params = queries.find("liquidations_by_bucket", self.settings).params
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
        if self.until is not None:
            return State.HISTORY
        age = self.age
        return State.QUIET if age is None or age > QUIET else State.LIVE

    def _outdated(self, controls: Controls, latest: Latest) -> bool:
        if self.frames is None or self._shown is None or self._shown[0] != controls:
            return True
        if self.paused or self.until is not None:
            return False
        return self._shown[1] != latest or datetime.now(UTC) - self.frames.read > _SLIDE

    def _latest(self) -> Latest:
        row = self._hit("latest_timestamp").iloc[0]
        ts, first = (
            None if pd.isna(row[name]) else row[name].to_pydatetime() for name in ("ts", "first_ts")
        )
        return Latest(ts, first, int(row["rows"]))

    def _load(self, controls: Controls, latest: Latest) -> Frames:
        now = datetime.now(UTC)
        end = controls.until or now
        bucket = self._fitting_bucket(controls)
        width = duration(bucket)
        since = end - duration(controls.window)
        # a system just started fills its picture, and not only the right end of it
        start = min(max(since, latest.first or since), end - _LEAST_BARS * width)
        asks = BOARDS[controls.board](controls._replace(bucket=bucket))
        return Frames(
            totals=self._hit("totals", **controls.filters),
            sources=self._hit("sources", **controls.span),
            alerts=self._hit("alerts", window=_RECENT, until=controls.until, limit=_ALERTS),
            board={name: self._answer(ask) for name, ask in asks.items()},
            controls=controls,
            bucket=bucket,
            start=pd.Timestamp(max(start, since)).floor(width).to_pydatetime(),
            end=pd.Timestamp(end).ceil(width).to_pydatetime(),
            read=now,
        )

    def _look_around(self, controls: Controls) -> Surroundings | None:
        """Read now and then what changes slowly; None in between."""
        looked_at, when = self._looked_around
        if looked_at == controls.span and time.monotonic() - when < _LOOK_AROUND:
            return None
        symbols = self._hit("top_symbols", limit=_KNOWN_SYMBOLS, **controls.span)["symbol"]
        assets = self._hit("top_assets", limit=_KNOWN_SYMBOLS, **controls.span)["base"]
        sources = self._hit("sources", **controls.span)
        around = Surroundings(
            tuple(sorted(symbols)),
            tuple(assets),
            tuple(sorted(set(sources["exchange"]))),
            self._gaps(controls, sources),
        )
        self._looked_around = (controls.span, time.monotonic())
        return around

    def _gaps(self, controls: Controls, sources: pd.DataFrame) -> pd.DataFrame:
        """Read when feeds were not heard that have prints in the window, or any if none has.

        Others are none of the reader's: a simulator of yesterday, say.
        """
        looked_at = min(duration(controls.window), _LONGEST_COVERAGE)
        gaps = self._hit("coverage", window=looked_at, until=controls.until)
        shown = sources[["exchange", "source"]].drop_duplicates()
        return gaps if shown.empty else gaps.merge(shown, on=["exchange", "source"])

    def _fitting_bucket(self, controls: Controls) -> str:
        """Return the chosen width of a bar, or the least one that gives a readable number."""
        least = duration(controls.window) / MAX_BARS
        wide_enough = [width for width in self.buckets if duration(width) >= least]
        chosen = self.buckets[self.buckets.index(controls.bucket) :]
        return next((width for width in chosen if width in wide_enough), self.buckets[-1])

    def _answer(self, ask: Ask) -> pd.DataFrame:
        """Run the query with those controls that it knows; its defaults stand for unset ones."""
        known = queries.find(ask.key, self.settings).params
        given = {name: value for name, value in ask.params.items() if value is not None}
        return self._hit(ask.key, **{name: given[name] for name in given.keys() & known.keys()})

    def _hit(self, key: str, **params: Any) -> pd.DataFrame:
        return queries.hit(key, settings=self.settings, **params)
