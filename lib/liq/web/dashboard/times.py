"""Times on the page: moments as people type them, days, and spans as text, in a time zone."""

import re
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from liq.analysis import links
from liq.errors import QueryError
from liq.query.parameters import is_day, parse_duration

Span = tuple[datetime, datetime]
OpenSpan = tuple[datetime | None, datetime | None]  # without a start as long as before; to now

_LONGEST_NAME = 64  # characters of a time zone's name
_CLOCK = re.compile(r"\d\d?:\d\d(:\d\d)?")
_CLOCKS = {False: "%H:%M", True: "%H:%M:%S"}  # without and with seconds


def find_zone(name: Any) -> tzinfo:
    """Return the time zone that a browser names; UTC if this machine does not know the name."""
    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, no name at all, a folder of names
        return UTC


def settle_zone(span: Span, zone: tzinfo) -> tzinfo:
    """Return ``zone``, or its offset at the span's end if its clock changes within.

    An axis has no place for an hour that comes twice.
    """
    start, end = (each.astimezone(zone).utcoffset() for each in span)
    return zone if start == end or end is None else timezone(end)


def parse_span(start: str, end: str, window: str, zone: tzinfo) -> OpenSpan:
    """Return the span between two typed moments, each in ``zone`` unless it names another.

    A day without a time begins or ends the span as a whole. The end is None for a span that ends
    now: no end was typed, or one in the future. Without a start the span is as long as ``window``,
    and its start is None if it ends now.

    Raises:
        QueryError: A moment cannot be read, the start is not before the end, or the clocks of
            ``zone`` show a time twice or skip it.
    """
    now = datetime.now(UTC)
    since, until = _parse_moment("from", start, zone), _parse_moment("to", end, zone)
    if since and since >= now:
        raise QueryError(f"from={start[:40]!r} is in the future")
    if until and until >= now:
        until = None
    if until and not since:
        length = parse_duration(window)
        if until - links.EARLIEST < length:
            raise QueryError(
                f"to={end[:40]!r} is too early for a window of {format_window(window)}"
            )
        since = until - length
    query = {name: each.isoformat() for name, each in (("from", since), ("to", until)) if each}
    if ignored := links.decode(urlencode(query)).ignored:
        raise QueryError(ignored[0])
    return since, until


def find_day(days_ago: int, zone: tzinfo) -> Span:
    """Return the start and the end of a day in ``zone``, the current one for 0."""
    day = (datetime.now(zone) - timedelta(days=days_ago)).date()
    start, end = (
        datetime.combine(day + timedelta(days=days), time(), zone).astimezone(UTC)
        for days in (0, 1)
    )
    return start, end


def format_window(window: str) -> str:
    """Return the length of a window by its units: ``13m 38s`` for ``818s``."""
    exact, parts = parse_duration(window).total_seconds(), []
    if exact % 1:
        return window  # rounded, it would have the name of another window
    seconds = int(exact)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        parts += [f"{count}{unit}"] if count else []
    return " ".join(parts) or window


def format_span(span: Span, *, start_s: bool = False, end_s: bool = False) -> str:
    """Return ``2026-03-02 13:00 to 14:00 UTC``, in the moments' time zone; with their seconds.

    A time that comes twice, where clocks go back, has its offset.
    """
    start, end = span
    start_clock, end_clock = (_CLOCKS[exact] for exact in (start_s, end_s))
    day = "" if start.date() == end.date() else "%Y-%m-%d "
    start_text, end_text = f"{start:%Y-%m-%d} {start:{start_clock}}", f"{end:{day}{end_clock}}"
    return f"{start_text}{_name_turn(start)} to {end_text}{_name_turn(end)} {end.tzinfo}"


def format_typed(moment: datetime) -> str:
    """Return a moment as `parse_span` reads it, in its own time zone."""
    return f"{moment:%Y-%m-%d %H:%M:%S}{_name_turn(moment)}"


def format_exactly(moment: datetime, zone: tzinfo) -> str:
    """Return a moment to the microsecond, with its offset in ``zone``, or as UTC."""
    if zone is UTC:
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f} UTC"
    # the offset and not the zone's name: of an hour that comes twice it says which is meant
    return moment.astimezone(zone).isoformat(sep=" ", timespec="microseconds")


def _name_turn(moment: datetime) -> str:
    """Return the offset of a time that occurs twice in its zone, "" for any other time."""
    return _format_offset(moment) if len(_list_turns(moment)) == 2 else ""


def _format_offset(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")[19:]


def _list_turns(moment: datetime) -> list[datetime]:
    """Return the moments at which clocks show this time: two where they go back.

    There is none where they go forward.
    """
    first, second = (moment.replace(fold=fold) for fold in (0, 1))
    offsets = [each.utcoffset() or timedelta() for each in (first, second)]
    if offsets[0] == offsets[1]:
        return [first]
    return [first, second] if offsets[0] > offsets[1] else []


def _place(name: str, typed: str, moment: datetime) -> datetime:
    """Return the moment at which clocks show a typed time once."""
    turns = _list_turns(moment)
    if len(turns) == 1:
        return turns[0]
    like = f"{name}={typed[:40]!r}"
    if turns:
        one, other = (f"{each:%Y-%m-%d %H:%M:%S}{_format_offset(each)}" for each in turns)
        raise QueryError(f"{like} occurs twice in {moment.tzinfo}: type {one} or {other}")
    later = moment.astimezone(UTC).astimezone(moment.tzinfo)
    raise QueryError(
        f"{like} does not exist in {moment.tzinfo}, whose clocks go forward then: type"
        f" {later:%Y-%m-%d %H:%M:%S}"
    )


def _parse_moment(name: str, text: str, zone: tzinfo) -> datetime | None:
    typed = text = text.strip()
    if not text or text.lower() == "now":
        return None
    today = datetime.now(zone).date()
    is_whole = is_day(text)
    if _CLOCK.fullmatch(text):
        text = f"{today} {text.zfill(len(text) + (text[1] == ':'))}"
    try:
        moment = datetime.fromisoformat(text)
        if is_whole and name == "to":
            moment += timedelta(days=1)
        placed = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        if is_whole or moment.tzinfo:  # a day begins at its first moment, whatever clocks show then
            return placed.astimezone(UTC)
        return _place(name, typed, placed).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        like = "give a time like 2026-03-02 13:00, 2026-03-02 or 13:00"
        raise QueryError(f"{name}={typed[:40]!r} is no time: {like}") from error
