"""The dashboard's model: the controls, the frames they select, and the state of the data."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
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

from liq.analysis.charts import THEMES, source_badge
from liq.analysis.charts.base import UNKNOWN_GAPS
from liq.analysis.links import ZONES, Place
from liq.analysis.pace import PaceReader
from liq.config import Settings, choose_settings
from liq.errors import LiqError, QueryError, QuestDBAwayError, QuestDBError, QuestDBTimeoutError
from liq.monitoring import diagnosis
from liq.monitoring.diagnosis import Examiner, FeedReport, Part, Problem, Pulse
from liq.query import coverage, queries
from liq.query.parameters import format_duration, parse_duration
from liq.web.dashboard.board_queries import BOARDS, PRICED, BoardQuery, Controls
from liq.web.dashboard.errors import explain, log

MAX_BARS = 1500
QUIET = timedelta(seconds=60)
_KNOWN_SYMBOLS = 500
RECENT = timedelta(minutes=10)  # an alert is shown above the board for this long
MAX_RECENT = 100  # alerts that are counted above the board
_OVERVIEW = next(iter(BOARDS))
_PACE_INTERVAL = 3.0  # seconds between readings of the last minutes and hours
_SLOW_INTERVAL = 15.0  # seconds between slow readings
_MAX_COVERAGE = timedelta(days=31)  # half a second for a dozen feeds
_MAX_LEFT_OUT = timedelta(days=2)  # odd rows are counted one by one
_MIN_BARS = 10
_SLIDE = timedelta(seconds=5)  # without new rows the window still moves on, this often
_REPORTS = 1.0  # seconds between readings of the feeds' reports
MISSING_NAME = "unknown"  # of a row that another program wrote
_STUCK = timedelta(seconds=10)  # without a reading
_MOST_SPANS = 50  # that `DashboardModel.go_back` returns to


class State(StrEnum):
    """How far the visitor can trust the page."""

    LOADING = "loading"  # nothing was read yet, or no rows of other controls
    LIVE = "live"  # new rows, or new reports of all feeds, arrive
    QUIET = "quiet"  # the feeds report but no print arrived lately, or no feed ever reported
    STALE = "stale"  # no rows or reports arrive; ``trouble`` gives the cause
    DISCONNECTED = "disconnected"  # at least one feed is disconnected
    BROKEN = "broken"  # a part of the page could not be read or drawn; the others are live
    EMPTY = "empty"  # no row matches the controls
    PAUSED = "paused"
    HISTORY = "history"  # the window ends in the past
    FAILED = "failed"  # the last reading failed; the frames are older


class Delay(Problem):
    """A problem of a reading that goes on: nothing has failed yet."""

    __slots__ = ()


class Latest(NamedTuple):
    """The newest and the oldest venue time (None without rows) and the number of rows."""

    ts: datetime | None
    first: datetime | None
    rows: int


class Span(NamedTuple):
    """A window as it was chosen: ``since``, a fixed start, counts in place of its length."""

    window: str
    until: datetime | None = None
    since: datetime | None = None


class Results(Mapping[str, pd.DataFrame]):
    """Frames by name; reading the frame of a failed query raises the query's exception."""

    def __init__(self, results: Mapping[str, pd.DataFrame | Exception]) -> None:
        self._results = results

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Return the frame, or raise the exception of its query."""
        result = self._results[name]
        if isinstance(result, Exception):
            raise result
        return result

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of all queries."""
        return iter(self._results)

    def __len__(self) -> int:
        """Return the number of queries."""
        return len(self._results)

    def has(self, name: str) -> bool:
        """Whether the query succeeded."""
        return not isinstance(self._results[name], Exception)


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """One consistent reading: the figures of the window and the frames of one board by name.

    The catalogue declares the columns; `liq.web.dashboard.board_queries` has the names. Reading
    the frame of a failed query raises the query's exception.
    """

    common: Results  # totals, sources, alerts
    board: Results
    controls: Controls
    bucket: str  # the width in use; a long window widens it
    start: datetime  # of the first bar; not before the oldest row
    end: datetime  # of the last bar
    read: datetime

    @property
    def totals(self) -> pd.DataFrame:
        """The window's totals, one row."""
        return self.common["totals"]

    @property
    def sources(self) -> pd.DataFrame:
        """The sources of the window's rows."""
        return self.common["sources"]

    @property
    def alerts(self) -> pd.DataFrame:
        """The alerts of the last minutes."""
        return self.common["alerts"]

    @property
    def is_empty(self) -> bool:
        """Whether totals were read and no print matches the controls."""
        return self.common.has("totals") and not self.totals["prints"].sum()

    @property
    def badge(self) -> str | None:
        """The badge of prints that are not live; None if the sources could not be read."""
        return source_badge(self.sources) if self.common.has("sources") else None

    @property
    def span(self) -> tuple[datetime, datetime]:
        """The range of a time axis."""
        return self.start, self.end

    @property
    def now(self) -> datetime | None:
        """The moment until which a live window goes; None for a window of the past."""
        return None if self.controls.until else self.read

    @property
    def window(self) -> tuple[datetime, datetime]:
        """The exact start and end of the rows; a time axis has whole buckets."""
        end = self.controls.until or self.read
        return self.controls.find_start(end), end

    @property
    def covered_span(self) -> tuple[datetime, datetime]:
        """The part of the axis that is in the window and not in the future."""
        begin, end = self.window
        since = max(begin, end - _MAX_COVERAGE)
        return max(self.start, since), min(self.end, end)


class SlowReading(NamedTuple):
    """The data that changes slowly: names with recent prints, and coverage gaps.

    ``asked`` has its parameters. ``left_out`` is the number of odd rows, which no query counts. A
    gap that reaches ``end``, the moment of the reading, is open.
    """

    asked: object
    symbols: tuple[tuple[str, str], ...]  # and their assets
    assets: tuple[str, ...]
    exchanges: tuple[str, ...]
    gaps: pd.DataFrame
    disconnections: str
    has_reports: bool
    left_out: int
    end: datetime

    def extend_gaps(self, until: datetime | None) -> pd.DataFrame:
        """Return the gaps, with the open ones until the later moment of newer live frames."""
        if until is None or self.gaps is UNKNOWN_GAPS:
            return self.gaps
        is_open = self.gaps["to_ts"] >= pd.Timestamp(self.end)
        ends = self.gaps["to_ts"].mask(is_open, pd.Timestamp(max(until, self.end)))
        return self.gaps.assign(to_ts=ends)


# of a window without a slow reading so far
_UNREAD = SlowReading(
    None, (), (), (), UNKNOWN_GAPS, "",
    has_reports=True, left_out=0, end=datetime.min.replace(tzinfo=UTC),
)  # fmt: skip


class Reading(NamedTuple):
    """The result of one reading of QuestDB; ``frames`` is None if nothing has changed.

    ``failure`` is the cause if nothing could be read. ``slow`` is None between two slow readings,
    and an exception if the slow reading failed.
    """

    controls: Controls
    latest: Latest | None = None
    frames: Frames | None = None
    pulse: Pulse | None = None
    failure: Problem | None = None
    slow: SlowReading | Exception | None = None
    pace: pd.DataFrame | Exception | None = None


class DashboardModel(HasTraits):
    """The controls and their frames: set a control, call `poll`, read ``frames`` and ``state``.

    `read` is safe on any thread; `apply` and the traits belong to one thread.

    Example:
        model = DashboardModel(window="4h")
        model.poll()
        model.frames.totals
    """

    board = Enum(list(BOARDS), default_value=next(iter(BOARDS)), help="the visible board")
    bucket = Unicode("1m", help="width of a bar; widened if the window has too many bars")
    window = Unicode("1h", help="how far back")
    until = Instance(datetime, allow_none=True, help="end of the window; None: now, live")
    since = Instance(datetime, allow_none=True, help="fixed start of a live window; None: it moves")
    asset = Unicode(help="only this asset; empty: all")
    exchanges = List(Unicode(), help="only these exchanges; empty: all")
    symbols = List(Unicode(), help="only these symbols; empty: all")
    min_notional = Float(0.0, min=0.0, help="minimum size of a print, USD")
    max_notional = Float(0.0, min=0.0, help="size that prints are below, USD; 0: no limit")
    theme = Enum(list(THEMES), default_value=next(iter(THEMES)))
    zone = Enum(list(ZONES), default_value=ZONES[0], help="of the times on the page")
    local_zone = Instance("datetime.tzinfo", help="the browser's time zone")
    paused = Bool(default_value=False)
    is_usual = Bool(default_value=True, help="whether `go_live` would change nothing")

    frames = Instance(Frames, allow_none=True)
    latest = Instance(Latest, allow_none=True)
    state = UseEnum(State, default_value=State.LOADING)
    trail = Tuple(help="earlier `Span`s, newest last, for `go_back`")
    trouble = Tuple(help="the `Problem`s that prevent live data, the cause first")
    faults = Tuple(help="names of the parts of the page that could not be read or drawn")
    known_symbols = Tuple(help="symbols with recent prints, each with its asset, largest first")
    known_assets = Tuple(help="assets with recent prints, largest first, the options of ``asset``")
    known_exchanges = Tuple(help="exchanges with recent prints, the options of ``exchanges``")
    gaps = Instance(pd.DataFrame, allow_none=True, help="rows of ``coverage``, or `UNKNOWN_GAPS`")
    disconnections = Unicode(help="which feeds were disconnected in the window; empty: none")
    has_reports = Bool(default_value=True, help="whether any feed reported in the window")
    left_out = Int(help="rows that no query counts, since they break `liq.records.rules`")

    def __init__(self, settings: Settings | None = None, **controls: Any) -> None:
        self.settings = choose_settings(settings)
        self._shown: tuple[Controls, Latest | None] | None = None
        self._slow_read: tuple[object, float] = (None, 0.0)  # the parameters, and when
        self._slow = _UNREAD  # the slow reading in the traits
        self._failure: Problem | None = None
        self._pulse: Pulse | None = None
        self._feeds: tuple[Sequence[FeedReport], float] = (
            (),
            float("-inf"),
        )  # and when they were read
        self._examiner = Examiner(self.settings)
        self._pace_reader = PaceReader(self.settings)
        self._pace_read: tuple[object, float] = (None, 0.0)  # the parameters, and when
        super().__init__(local_zone=UTC, **controls)
        if 0 < self.max_notional <= self.min_notional:
            raise QueryError(
                f"max_notional={self.max_notional:.15g} is not above"
                f" min_notional={self.min_notional:.15g}"
            )
        self._grown = ""  # the window since the fixed start
        self._span, self._moving = self.chosen, Span(self.window)
        self._set_usual(self.chosen._replace(until=None))
        self.observe(self._remember, ["window", "until", "since"])
        self.observe(self._lift_maximum, "min_notional")

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
            max_notional=self.max_notional,
            since=self.since,
        )

    @property
    def place(self) -> Place:
        """What the page shows, as its address has it."""
        return Place(**self.controls.choices, theme=self.theme, zone=self.zone)

    @property
    def timezone(self) -> tzinfo:
        """The time zone of the times on the page."""
        return UTC if self.zone == "UTC" else self.local_zone

    @property
    def span(self) -> tuple[datetime, datetime]:
        """The start and the end of the window, in the page's time zone."""
        end = self.until or datetime.now(UTC)
        start = self.controls.find_start(end)
        return start.astimezone(self.timezone), end.astimezone(self.timezone)

    @property
    def chosen(self) -> Span:
        """The window as it was chosen, which is the same while it grows."""
        return Span("" if self.since else self.window, self.until, self.since)

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
        """The problems as text; "" without a problem."""
        return "; ".join(problem.detail for problem in self.trouble)

    @property
    def is_awaiting_rows(self) -> bool:
        """Whether the frames are of other controls, so that their numbers are not of these."""
        return self.frames is not None and self.frames.controls.asked != self.controls.asked

    def travel(self, start: datetime | None, end: datetime | None = None) -> None:
        """Set the window from ``start`` to ``end``; it is live without an end, or from now on.

        A live window keeps its start, by `extend`, until another time is chosen. Without a start
        it keeps its length. Raises `QueryError` if it starts in the future.
        """
        now = datetime.now(UTC)
        if start and start >= now:
            raise QueryError(f"{start:%Y-%m-%d %H:%M:%S %Z} is in the future")
        if end and end < now:
            window = format_duration(end - start) if start else self.window
            self._leave(Span(window, until=end))
        else:
            self._set_span(Span(self.window, since=start))

    def choose_window(self, window: str) -> None:
        """Set the length of the window, whose start then moves with its end.

        The trait alone cannot end a fixed start whose window has this length at the moment.
        """
        self._set_span(Span(window, until=self.until))

    def extend(self) -> None:
        """Lengthen a live window that keeps its start, such as midnight."""
        if self.since and not self.paused:
            self.window = self._measure(self.since)

    def go_live(self) -> None:
        """End the window now, with the start or the length it had before it was in the past.

        From a fixed start that ends now, such as midnight, return to the moving window before it.
        """
        self._set_span(self._moving if self.chosen == self._usual else self._usual)

    def go_back(self) -> None:
        """Return to the window before the last change of time, if there is one."""
        if self.trail:
            earlier = self.trail[-1]
            (self._leave if earlier.until else self._set_span)(earlier)

    def show(self, place: Place) -> None:
        """Set all controls; a window that ends in the future is live and keeps its start.

        `go_live` leaves such a window for the one before.
        """
        usual, is_open = self._usual, bool(place.until and place.until >= datetime.now(UTC))
        if place.until and is_open:
            start = place.until - parse_duration(place.window)
            place = place._replace(until=None, since=start if start < datetime.now(UTC) else None)
        if place.since:
            place = place._replace(window=self._measure(place.since))
        with self.hold_trait_notifications():
            for name, value in place._asdict().items():
                self.set_trait(name, list(value) if isinstance(value, tuple) else value)
        if is_open:  # a link to what has just happened is no choice of how to watch
            self._set_usual(usual)

    def step(self, windows: int) -> None:
        """Move by a number of windows, negative for back; it goes live if it reaches now."""
        end = (self.until or datetime.now(UTC)) + windows * parse_duration(self.window)
        if end < datetime.now(UTC):
            self.until = end
        else:
            self._set_span(self._usual)

    def poll(self) -> bool:
        """Read, and apply the reading; return whether frames changed."""
        return self.apply(self.read())

    def read(self) -> Reading:
        """Read QuestDB; reload the frames only for newer rows, a changed control or a later window.

        Raises nothing: an exception is part of the reading.
        """
        controls = self.controls
        try:
            latest = self._read_latest()
            pulse = self._read_pulse(latest)
            frames = self._load(controls, latest) if self._is_outdated(controls, latest) else None
        except Exception as error:
            return Reading(controls, failure=_describe_failure(error))
        slow, pace = self._try_read_slow(controls), self._try_read_pace(controls)
        return Reading(controls, latest, frames, pulse, None, slow, pace)

    def apply(self, reading: Reading) -> bool:
        """Set the traits from a reading; return whether frames changed."""
        with self.hold_trait_notifications():
            self._failure = reading.failure
            self._pulse = reading.pulse or self._pulse
            self.latest = reading.latest or self.latest
            if reading.frames is not None:
                self.frames = reading.frames
                self._shown = (reading.controls, reading.latest)
            self._apply_slow(reading)
            self.judge()
        return reading.frames is not None

    def _apply_slow(self, reading: Reading) -> None:
        """Set the traits from the slow reading; one that failed keeps the last of its window."""
        if isinstance(slow := reading.slow, SlowReading):
            self._slow = slow
            self.known_symbols, self.known_assets = slow.symbols, slow.assets
            self.known_exchanges = slow.exchanges
        elif slow is not None and self._slow.asked != _choose_slow(reading.controls):
            self._slow = _UNREAD
        self.gaps = self._slow.extend_gaps(self.frames.now if self.frames else None)
        self.disconnections, self.has_reports = self._slow.disconnections, self._slow.has_reports
        self.left_out = self._slow.left_out

    def fail(self, failure: Problem) -> None:
        """Set the state to failed because of ``failure``; the next reading reloads everything."""
        self._failure = failure
        self._shown = None
        self.judge()

    def judge(self) -> None:
        """Update ``state`` and ``trouble``, which change with time too."""
        with self.hold_trait_notifications():
            self.state, self.trouble = self._derive_state()

    def examine(self) -> list[Problem]:
        """Probe the services in the background; return the problems that are known so far."""
        self._examiner.ask()
        return self._examiner.found or []

    @validate("window")
    def _validate_window(self, proposal: Any) -> str:
        parse_duration(proposal["value"])
        return str(proposal["value"])

    @validate("bucket")
    def _validate_bucket(self, proposal: Any) -> str:
        params = queries.find("liquidations_by_bucket", self.settings).params
        return str(params["bucket"].value("bucket", proposal["value"]))

    def _measure(self, since: datetime) -> str:
        """Return the window since a fixed start."""
        self._grown = _measure_since(since)
        return self._grown

    def _leave(self, span: Span) -> None:
        """Set a window of the past; `go_live` restores what it restored before."""
        usual = self._usual
        self._set_span(span)
        self._set_usual(usual)

    def _set_span(self, span: Span) -> None:
        window = self._measure(span.since) if span.since else span.window
        with self.hold_trait_notifications():
            self.window, self.until, self.since = window, span.until, span.since

    def _remember(self, _change: object) -> None:
        """Keep the window that was shown, unless the change returns to the one before it."""
        if self.since and (self.until or self.window != self._grown):
            self.since = None  # another time was chosen
        span, end = self.chosen, self._span.until
        if span == self._span:
            return
        earlier, self._span = self._span, span
        is_chosen = span.until in (None, end)  # as such, and not with another time
        self._set_usual(span._replace(until=None) if is_chosen else self._usual)
        kept = self.trail[:-1] if self.trail[-1:] == (span,) else (*self.trail, earlier)
        self.trail = kept[-_MOST_SPANS:]

    def _set_usual(self, usual: Span) -> None:
        """Keep the window that `go_live` restores.

        If it moves, `go_live` also restores it from a fixed start that ends now.
        """
        self._usual = usual
        if not usual.since:
            self._moving = usual
        self.is_usual = self.chosen == self._moving

    def _lift_maximum(self, _change: object) -> None:
        """Remove a maximum that a higher minimum leaves no prints below."""
        if self.max_notional <= self.min_notional:
            self.max_notional = 0.0

    def _derive_state(self) -> tuple[State, tuple[Problem, ...]]:
        if self._failure:
            return State.FAILED, (self._failure,)
        if self.paused:
            return State.PAUSED, ()
        if self.frames is None or self._pulse is None:
            return State.LOADING, ()
        if self.is_awaiting_rows and self.frames.is_empty:
            return State.LOADING, ()  # these controls may have rows
        if self.until is not None:
            return (State.EMPTY if self.frames.is_empty else State.HISTORY), ()
        return self._derive_live_state(self._pulse, self.frames)

    def _derive_live_state(self, pulse: Pulse, frames: Frames) -> tuple[State, tuple[Problem, ...]]:
        if datetime.now(UTC) - pulse.at > _STUCK:
            return State.STALE, (_NOT_READ,)
        if not pulse.is_fresh:
            return self._derive_stale_state(pulse.feeds, is_empty=frames.is_empty)
        if pulse.is_late:
            self.examine()
        else:
            self._examiner.forget()
        return self._derive_fresh_state(pulse, frames)

    def _derive_stale_state(
        self, feeds: Sequence[FeedReport], *, is_empty: bool
    ) -> tuple[State, tuple[Problem, ...]]:
        found = tuple(self.examine())
        if not feeds and all(problem.part is Part.PRODUCER for problem in found):
            # no feed has reported lately: the rows are old or another program wrote them
            found = found or (diagnosis.NO_PRODUCER,)  # else the feeds would seem well
            return (State.EMPTY if is_empty else State.QUIET), found
        return State.STALE, found or (_UNKNOWN,)

    def _derive_fresh_state(
        self, pulse: Pulse, frames: Frames
    ) -> tuple[State, tuple[Problem, ...]]:
        if disconnected := pulse.find_silent(self.exchanges):
            return State.DISCONNECTED, tuple(disconnected)
        if self.faults:
            return State.BROKEN, (_describe_broken(self.faults),)
        if frames.is_empty:
            return State.EMPTY, ()
        quiet = self.age is None or self.age > QUIET
        return (State.QUIET if quiet else State.LIVE), ()

    def _is_outdated(self, controls: Controls, latest: Latest) -> bool:
        if self.frames is None or self._shown is None or self._shown[0] != controls:
            return True
        if self.paused or self.until is not None:
            return False
        return self._shown[1] != latest or datetime.now(UTC) - self.frames.read > _SLIDE

    def _read_latest(self) -> Latest:
        row = self._hit("latest_timestamp").iloc[0]
        ts, first = (
            None if pd.isna(row[name]) else row[name].to_pydatetime() for name in ("ts", "first_ts")
        )
        return Latest(ts, first, int(row["rows"]))

    def _load(self, controls: Controls, latest: Latest) -> Frames:
        now = datetime.now(UTC)
        end = controls.until or now
        controls = self._find_lead(controls)
        bucket = self._fit_bucket(controls)
        width = parse_duration(bucket)
        since = controls.find_start(end)
        # the axis begins at the oldest row, so that the bars of a new system fill the chart
        first = latest.first if latest.first and latest.first < end else since
        start = min(max(since, first), end - _MIN_BARS * width)
        requests = BOARDS[controls.board](controls._replace(bucket=bucket))
        recent = {"window": RECENT, "until": controls.until, "limit": MAX_RECENT}
        common = {
            "totals": BoardQuery("totals", controls.filters),
            "sources": BoardQuery("sources", controls.span),
            "alerts": BoardQuery("alerts", recent),
        }
        end_by = time.monotonic() + self.settings.query_timeout
        return Frames(
            common=self._run_all(common, end_by),
            board=self._run_all(requests, end_by),
            controls=controls,
            bucket=bucket,
            start=pd.Timestamp(max(start, since)).floor(width).to_pydatetime(),
            end=pd.Timestamp(end).ceil(width).to_pydatetime(),
            read=now,
        )

    def _find_lead(self, controls: Controls) -> Controls:
        """Return the controls with the asset whose price the board shows for the chosen symbols."""
        if controls.asset or not controls.symbols or controls.board not in PRICED:
            return controls
        found = self._hit("top_assets", limit=1, **controls.filters)["asset"]
        return controls._replace(lead="".join(found))

    def _read_pulse(self, latest: Latest) -> Pulse:
        """Return the evidence that rows arrive; the feeds' reports are read once a second."""
        feeds, read = self._feeds
        if time.monotonic() - read > _REPORTS:
            try:
                feeds = diagnosis.fetch_feeds(self.settings)
            except (QuestDBAwayError, QuestDBTimeoutError):
                raise
            except LiqError:  # e.g. no such table: the slow reading fails and is shown
                feeds = ()
            self._feeds = (feeds, time.monotonic())
        return Pulse(datetime.now(UTC), latest.ts, feeds)

    def _try_read_slow(self, controls: Controls) -> SlowReading | Exception | None:
        try:
            return self._read_slow(controls)
        except Exception as error:
            return error

    def _try_read_pace(self, controls: Controls) -> pd.DataFrame | Exception | None:
        """Return the sums of the last minutes and hours; None if they were read a moment ago."""
        previous, when = self._pace_read
        filters = {name: value for name, value in controls.filters.items() if value}
        filters = {name: filters[name] for name in filters.keys() - controls.span.keys()}
        wanted = (filters, controls.until)
        if self.frames is None or controls.board != _OVERVIEW:
            return None  # the page's first picture waits for nothing else
        if previous == wanted and time.monotonic() - when < _PACE_INTERVAL:
            return None
        self._pace_read = (wanted, time.monotonic())
        try:
            return self._pace_reader.read(filters, controls.until)
        except Exception as error:
            return error

    def _read_slow(self, controls: Controls) -> SlowReading | None:
        """Return the data that changes slowly; None if it was read a moment ago."""
        previous, when = self._slow_read
        wanted = _choose_slow(controls)
        if previous == wanted and time.monotonic() - when < _SLOW_INTERVAL:
            return None
        self._slow_read = (wanted, time.monotonic())  # a failure waits too, since it is slow
        end = controls.until or datetime.now(UTC)
        feeds = {
            "window": min(end - controls.find_start(end), _MAX_COVERAGE),
            "until": end,
            "exchange": list(controls.exchanges),
        }
        gaps = self._hit("coverage", **feeds)
        symbols = self._hit("top_symbols", limit=_KNOWN_SYMBOLS, **controls.span)
        assets = self._hit("top_assets", limit=_KNOWN_SYMBOLS, **controls.span)["asset"]
        sources = self._hit("sources", **controls.span)
        reports = self._hit("feed_coverage", **feeds)
        return SlowReading(
            wanted,
            tuple(zip(symbols["symbol"], symbols.get("asset", symbols["symbol"]), strict=True)),
            tuple(assets),
            tuple(sorted(set(sources["exchange"]))),
            # a query of the user's own may have other columns
            gaps if coverage.can_be_read("coverage", gaps) else UNKNOWN_GAPS,
            coverage.summarise_feeds(reports),
            not reports.empty,
            self._count_left_out(controls),
            end,
        )

    def _count_left_out(self, controls: Controls) -> int:
        end = controls.until or datetime.now(UTC)
        window = min(end - controls.find_start(end), _MAX_LEFT_OUT)
        return int(self._hit("left_out", window=window, until=controls.until)["rows"].sum())

    def _fit_bucket(self, controls: Controls) -> str:
        """Return the chosen bucket, or the next wider bucket with at most `MAX_BARS` bars."""
        least = parse_duration(controls.window) / MAX_BARS
        wide_enough = [width for width in self.buckets if parse_duration(width) >= least]
        chosen = self.buckets[self.buckets.index(controls.bucket) :]
        return next((width for width in chosen if width in wide_enough), self.buckets[-1])

    def _run_all(self, requests: Mapping[str, BoardQuery], end_by: float) -> Results:
        """Return the result of each query. Raises `QuestDBAwayError` if QuestDB is unreachable."""
        return Results({name: self._try_run(each, end_by) for name, each in requests.items()})

    def _try_run(self, request: BoardQuery, end_by: float) -> pd.DataFrame | Exception:
        if time.monotonic() > end_by:
            return QuestDBTimeoutError("not read: the queries before it took all the time there is")
        try:
            return self._run(request)
        except QuestDBAwayError:
            raise
        except Exception as error:
            return error

    def _run(self, request: BoardQuery) -> pd.DataFrame:
        """Run the query with the controls it has; an unset control gets the query's default."""
        known = queries.find(request.key, self.settings).params
        given = {name: value for name, value in request.params.items() if value is not None}
        return self._hit(request.key, **{name: given[name] for name in given.keys() & known.keys()})

    def _hit(self, key: str, **params: Any) -> pd.DataFrame:
        frame = queries.fetch(key, self.settings, **params)
        # rows that another program wrote may lack names
        lacking = [name for name in frame if frame[name].dtype == "str" and frame[name].hasnans]
        return frame.fillna(dict.fromkeys(lacking, MISSING_NAME)) if lacking else frame


_UNKNOWN = Problem(
    Part.DASHBOARD,
    "nothing new arrives",
    f"No row and no feed report is dated within the last {diagnosis.FRESH.seconds} s."
    " `liq status` shows which service does not respond. If all respond, rows are late, or the"
    " machines' clocks differ: set them by NTP",
)
_NOT_READ = Problem(
    Part.DASHBOARD,
    "no recent reading",
    f"Nothing was read for more than {_STUCK.seconds} s; see `liq logs dashboard`",
)


def _choose_slow(controls: Controls) -> object:
    """Return the parameters of a slow reading."""
    return controls.span, controls.exchanges


def _measure_since(start: datetime) -> str:
    """Return the time since ``start`` as a window, in whole steps: each change is a new reading."""
    age = datetime.now(UTC) - start
    step = timedelta(minutes=1) if age > _MIN_BARS * timedelta(minutes=1) else timedelta(seconds=10)
    return format_duration(max(age // step, 1) * step)


def _describe_broken(parts: Sequence[str]) -> Problem:
    return Problem(
        Part.DASHBOARD,
        "part of the page is broken",
        f"{', '.join(parts)} could not be read or drawn; see `liq logs dashboard`",
    )


def _describe_failure(error: Exception) -> Problem:
    """Return the problem of a failed reading; an unexpected exception is logged."""
    if isinstance(error, QuestDBError):
        return diagnosis.describe_failure(error)
    if not isinstance(error, LiqError):
        log("reading", error)
    return Problem(Part.DASHBOARD, "reading fails", f"{explain(error)}; see `liq logs dashboard`")
