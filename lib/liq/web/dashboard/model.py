"""What the dashboard shows, apart from how: controls, the frames they ask for, and their state."""

import time
from collections.abc import Iterator, Mapping, Sequence
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
    Int,
    List,
    Tuple,
    Unicode,
    UseEnum,
    validate,
)

from liq.analysis.charts import source_badge
from liq.config import Settings
from liq.config import settings as current_settings
from liq.errors import LiqError, QuestDBAwayError, QuestDBError, QuestDBTimeoutError
from liq.monitoring import diagnosis
from liq.monitoring.diagnosis import Examiner, Feed, Part, Problem, Pulse
from liq.query import coverage, queries
from liq.query.parameters import duration
from liq.web.dashboard.boards import BOARDS, Ask, Controls
from liq.web.dashboard.faults import explain, log

MAX_BARS = 1500
QUIET = timedelta(seconds=60)
_KNOWN_SYMBOLS = 500
_RECENT = timedelta(minutes=10)  # for so long an alert stands above the board
_ALERTS = 3
_LOOK_AROUND = 15.0  # seconds
_LONGEST_COVERAGE = timedelta(days=31)  # half a second for a dozen feeds
_LONGEST_LEFT_OUT = timedelta(days=2)  # these are counted row by row
_LEAST_BARS = 10
_SLIDE = timedelta(seconds=5)  # without new rows the window still moves on, this often
_REPORTS = 1.0  # seconds between questions about the feeds' reports
_NOT_GIVEN = "unknown"  # stands for a name that a row lacks
_STUCK = timedelta(seconds=10)  # without a reading


class State(StrEnum):
    """What a reader may trust of what is drawn."""

    LOADING = "loading"  # nothing was read yet
    LIVE = "live"  # fresh rows or fresh reports of all feeds arrive
    QUIET = "quiet"  # the feeds report, but nothing was liquidated for a while; or none ever did
    STALE = "stale"  # nothing fresh arrives; ``trouble`` says why
    DISCONNECTED = "disconnected"  # some feed is disconnected, though reports of others may arrive
    BROKEN = "broken"  # a part of the page could not be read or drawn; the others are live
    EMPTY = "empty"  # no row matches the controls
    PAUSED = "paused"
    HISTORY = "history"  # the window ends in the past
    FAILED = "failed"  # the last read failed; the frames are those of the read before


class Latest(NamedTuple):
    """The newest and the oldest venue time (None: no rows at all) and the number of rows."""

    ts: datetime | None
    first: datetime | None
    rows: int


class Answers(Mapping[str, pd.DataFrame]):
    """Frames by name; to take one whose query failed raises what the query raised."""

    def __init__(self, answers: Mapping[str, pd.DataFrame | Exception]) -> None:
        self._answers = answers

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Return the frame, or raise why there is none."""
        answer = self._answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of all queries."""
        return iter(self._answers)

    def __len__(self) -> int:
        """Return how many queries there were."""
        return len(self._answers)

    def has(self, name: str) -> bool:
        """Whether the query did not fail."""
        return not isinstance(self._answers[name], Exception)


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """One consistent reading: figures of the window, and the frames of one board by name.

    Columns are as the catalogue declares them; see `liq.web.dashboard.boards` for the names. To
    take a frame whose query failed raises what the query raised.
    """

    common: Answers  # totals, sources, alerts
    board: Answers
    controls: Controls
    bucket: str  # the width in use, which the window may have widened
    start: datetime  # of the first bar; where the window is older than all rows, of theirs
    end: datetime  # of the last one
    read: datetime

    @property
    def totals(self) -> pd.DataFrame:
        """The window in figures, one row."""
        return self.common["totals"]

    @property
    def sources(self) -> pd.DataFrame:
        """What the window's rows come from."""
        return self.common["sources"]

    @property
    def alerts(self) -> pd.DataFrame:
        """The alerts of the last minutes."""
        return self.common["alerts"]

    @property
    def empty(self) -> bool:
        """Whether it is known that no print matches the controls."""
        return self.common.has("totals") and not self.totals["prints"].sum()

    @property
    def badge(self) -> str | None:
        """What must be shown with prints that are not live; None if the sources are not known."""
        return source_badge(self.sources) if self.common.has("sources") else None

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
    """What changes slowly: what has prints lately, and times when a feed was disconnected.

    ``left_out`` is the number of odd rows, which nothing of it counts.
    """

    symbols: tuple[str, ...]
    assets: tuple[str, ...]
    exchanges: tuple[str, ...]
    gaps: pd.DataFrame
    unheard: str
    left_out: int


class Reading(NamedTuple):
    """What one look at QuestDB gave; ``frames`` is None when there was no need to reload.

    ``failure`` is why it gave nothing at all; ``surroundings`` may be why those could not be read.
    """

    controls: Controls
    latest: Latest | None = None
    frames: Frames | None = None
    pulse: Pulse | None = None
    failure: Problem | None = None
    surroundings: Surroundings | Exception | None = None


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
    trouble = Tuple(help="what keeps the state from being live, of `Problem`, the cause first")
    faults = Tuple(help="names of the parts of the page that could not be read or drawn")
    known_symbols = Tuple(help="what ``symbols`` may be chosen from: those with prints lately")
    known_assets = Tuple(help="what ``asset`` may be chosen from, the greatest first")
    known_exchanges = Tuple(help="what ``exchanges`` may be chosen from")
    gaps = Instance(pd.DataFrame, allow_none=True, help="rows of ``coverage``")
    unheard = Unicode(help="which feeds were disconnected in the window, in a line; empty: none")
    left_out = Int(help="rows that no query counts, since they break `liq.records.rules`")

    def __init__(self, settings: Settings | None = None, **controls: Any) -> None:
        self.settings = settings or current_settings()
        self._shown: tuple[Controls, Latest | None] | None = None
        self._looked_around: tuple[object, float] = (None, 0.0)  # at which span, when
        self._failure: Problem | None = None
        self._pulse: Pulse | None = None
        self._feeds: tuple[Sequence[Feed], float] = ((), float("-inf"))  # and when they were read
        self._examiner = Examiner(self.settings)
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
        """How old the newest row is, by the venue's clock; None without rows.

        It is negative where the row is dated in the future.
        """
        if self.latest is None or self.latest.ts is None:
            return None
        return datetime.now(UTC) - self.latest.ts

    @property
    def problem(self) -> str:
        """What is wrong, in sentences; "" when nothing is."""
        return "; ".join(problem.detail for problem in self.trouble)

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
        """Ask QuestDB, reloading only when rows are newer, a control or the window moved on.

        Raises nothing: what fails is part of the reading.
        """
        controls = self.controls
        try:
            latest = self._latest()
            pulse = self._feel(latest)
            frames = self._load(controls, latest) if self._outdated(controls, latest) else None
        except Exception as error:
            return Reading(controls, failure=_failure(error))
        return Reading(controls, latest, frames, pulse, None, self._around(controls))

    def apply(self, reading: Reading) -> bool:
        """Take over what `read` gave; return whether frames changed."""
        with self.hold_trait_notifications():
            self._failure = reading.failure
            self._pulse = reading.pulse or self._pulse
            self.latest = reading.latest or self.latest
            if reading.frames is not None:
                self.frames = reading.frames
                self._shown = (reading.controls, reading.latest)
            if isinstance(reading.surroundings, Surroundings):
                around = reading.surroundings
                self.known_symbols, self.known_assets = around.symbols, around.assets
                self.known_exchanges, self.gaps = around.exchanges, around.gaps
                self.unheard = around.unheard
                self.left_out = around.left_out
            self.judge()
        return reading.frames is not None

    def fail(self, failure: Problem) -> None:
        """Say that what is shown cannot be trusted, and why; the next reading starts afresh."""
        self._failure = failure
        self._shown = None
        self.judge()

    def judge(self) -> None:
        """Set ``state`` and ``trouble`` to what is known now; time alone may change them."""
        with self.hold_trait_notifications():
            self.state, self.trouble = self._judged()

    def examine(self) -> list[Problem]:
        """Have the services asked in the background; return what is known to be wrong so far."""
        self._examiner.ask()
        return self._examiner.found or []

    @validate("window")
    def _valid_window(self, proposal: Any) -> str:
        duration(proposal["value"])
        return str(proposal["value"])

    @validate("bucket")
    def _valid_bucket(self, proposal: Any) -> str:
        params = queries.find("liquidations_by_bucket", self.settings).params
        return str(params["bucket"].value("bucket", proposal["value"]))

    def _judged(self) -> tuple[State, tuple[Problem, ...]]:
        if self._failure:
            return State.FAILED, (self._failure,)
        if self.paused:
            return State.PAUSED, ()
        if self.frames is None or self._pulse is None:
            return State.LOADING, ()
        if self.until is not None:
            return (State.EMPTY if self.frames.empty else State.HISTORY), ()
        return self._judged_now(self._pulse, self.frames)

    def _judged_now(self, pulse: Pulse, frames: Frames) -> tuple[State, tuple[Problem, ...]]:
        if datetime.now(UTC) - pulse.at > _STUCK:
            return State.STALE, (_NOT_READ,)
        if not pulse.fresh:
            return self._stale(pulse.feeds, empty=frames.empty)
        if pulse.late:
            self.examine()
        else:
            self._examiner.forget()
        return self._arriving(pulse, frames)

    def _stale(self, feeds: Sequence[Feed], *, empty: bool) -> tuple[State, tuple[Problem, ...]]:
        found = tuple(self.examine())
        if not feeds and all(problem.part is Part.PRODUCER for problem in found):
            # nobody promised to report: rows of another program, or of the past
            return (State.EMPTY if empty else State.QUIET), found
        return State.STALE, found or (_UNKNOWN,)

    def _arriving(self, pulse: Pulse, frames: Frames) -> tuple[State, tuple[Problem, ...]]:
        if unheard := pulse.unheard(self.exchanges):
            return State.DISCONNECTED, tuple(unheard)
        if self.faults:
            return State.BROKEN, (_broken(self.faults),)
        if frames.empty:
            return State.EMPTY, ()
        quiet = self.age is None or self.age > QUIET
        return (State.QUIET if quiet else State.LIVE), ()

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
        common = {
            "totals": Ask("totals", controls.filters),
            "sources": Ask("sources", controls.span),
            "alerts": Ask("alerts", {"window": _RECENT, "until": controls.until, "limit": _ALERTS}),
        }
        end_by = time.monotonic() + self.settings.query_timeout
        return Frames(
            common=self._answers(common, end_by),
            board=self._answers(asks, end_by),
            controls=controls,
            bucket=bucket,
            start=pd.Timestamp(max(start, since)).floor(width).to_pydatetime(),
            end=pd.Timestamp(end).ceil(width).to_pydatetime(),
            read=now,
        )

    def _feel(self, latest: Latest) -> Pulse:
        """Return what proves that rows arrive; the feeds' reports are read once a second."""
        feeds, read = self._feeds
        if time.monotonic() - read > _REPORTS:
            try:
                feeds = diagnosis.feeds(self.settings)
            except (QuestDBAwayError, QuestDBTimeoutError):
                raise
            except LiqError:  # e.g. no such table: what is around the frames says so
                feeds = ()
            self._feeds = (feeds, time.monotonic())
        return Pulse(datetime.now(UTC), latest.ts, feeds)

    def _around(self, controls: Controls) -> Surroundings | Exception | None:
        try:
            return self._look_around(controls)
        except Exception as error:
            return error

    def _look_around(self, controls: Controls) -> Surroundings | None:
        """Read now and then what changes slowly; None in between."""
        looked_at, when = self._looked_around
        wanted = (controls.span, controls.exchanges)
        if looked_at == wanted and time.monotonic() - when < _LOOK_AROUND:
            return None
        self._looked_around = (wanted, time.monotonic())  # also for what fails: it is slow
        feeds = {
            "window": min(duration(controls.window), _LONGEST_COVERAGE),
            "until": controls.until or datetime.now(UTC),
            "exchange": list(controls.exchanges),
        }
        symbols = self._hit("top_symbols", limit=_KNOWN_SYMBOLS, **controls.span)["symbol"]
        assets = self._hit("top_assets", limit=_KNOWN_SYMBOLS, **controls.span)["base"]
        sources = self._hit("sources", **controls.span)
        return Surroundings(
            tuple(sorted(symbols)),
            tuple(assets),
            tuple(sorted(set(sources["exchange"]))),
            self._hit("coverage", **feeds),
            coverage.summary(self._hit("feed_coverage", **feeds)),
            self._left_out(controls),
        )

    def _left_out(self, controls: Controls) -> int:
        looked_at = min(duration(controls.window), _LONGEST_LEFT_OUT)
        return int(self._hit("left_out", window=looked_at, until=controls.until)["rows"].sum())

    def _fitting_bucket(self, controls: Controls) -> str:
        """Return the chosen width of a bar, or the least one that gives a readable number."""
        least = duration(controls.window) / MAX_BARS
        wide_enough = [width for width in self.buckets if duration(width) >= least]
        chosen = self.buckets[self.buckets.index(controls.bucket) :]
        return next((width for width in chosen if width in wide_enough), self.buckets[-1])

    def _answers(self, asks: Mapping[str, Ask], end_by: float) -> Answers:
        """Run each query; one that fails leaves the others. Raises if QuestDB itself is away."""
        return Answers({name: self._attempt(ask, end_by) for name, ask in asks.items()})

    def _attempt(self, ask: Ask, end_by: float) -> pd.DataFrame | Exception:
        if time.monotonic() > end_by:
            return QuestDBTimeoutError("not read: the queries before it took all the time there is")
        try:
            return self._answer(ask)
        except QuestDBAwayError:
            raise
        except Exception as error:
            return error

    def _answer(self, ask: Ask) -> pd.DataFrame:
        """Run the query with those controls that it knows; its defaults stand for unset ones."""
        known = queries.find(ask.key, self.settings).params
        given = {name: value for name, value in ask.params.items() if value is not None}
        return self._hit(ask.key, **{name: given[name] for name in given.keys() & known.keys()})

    def _hit(self, key: str, **params: Any) -> pd.DataFrame:
        frame = queries.fetch(key, self.settings, **params)
        # rows of another program may lack what liq always writes
        lacking = [name for name in frame if frame[name].dtype == "str" and frame[name].hasnans]
        return frame.fillna(dict.fromkeys(lacking, _NOT_GIVEN)) if lacking else frame


_UNKNOWN = Problem(
    Part.DASHBOARD,
    "nothing new arrives",
    f"No row and no report of a feed was dated within the last {diagnosis.FRESH.seconds} s. If all"
    " parts answer, rows are late, or the clocks of the machines differ",
)
_NOT_READ = Problem(
    Part.DASHBOARD,
    "not read lately",
    f"Nothing was read for more than {_STUCK.seconds} s; see `liq logs dashboard`",
)


def _broken(parts: Sequence[str]) -> Problem:
    return Problem(
        Part.DASHBOARD,
        "part of the page is broken",
        f"{', '.join(parts)} could not be read or drawn; see `liq logs dashboard`",
    )


def _failure(error: Exception) -> Problem:
    """Return why a reading gave nothing; what nobody foresaw is logged."""
    if isinstance(error, QuestDBError):
        return diagnosis.failure(error)
    if not isinstance(error, LiqError):
        log("reading", error)
    return Problem(Part.DASHBOARD, "reading fails", f"{explain(error)}; see `liq logs dashboard`")
