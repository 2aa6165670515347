"""Sentences that screen readers speak: names of charts with their numbers, and the state."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any

import pandas as pd

from liq.analysis.charts.base import has_bounds
from liq.common.text import format_usd
from liq.web.dashboard import times
from liq.web.dashboard.markup import describe_covered_hours, label_state, name_candles
from liq.web.dashboard.model import DashboardModel, Frames

_NOTHING = "no liquidations"
_NAMED = 3  # of a ranking


def describe_news(model: DashboardModel) -> str:
    """Return the state of the page, and the newest alert of the last minutes once it is read."""
    state = f"{label_state(model)}."
    frames = model.frames
    if frames is None or model.is_awaiting_rows:
        return state
    if not frames.common.has("alerts") or frames.alerts.empty:
        return state
    newest = frames.alerts.iloc[0]
    return f"{state} {newest['severity']} alert: {newest['message']}."


def describe_totals(model: DashboardModel) -> str:
    """Return the sums of the window."""
    frames = model.frames
    if frames is None or model.is_awaiting_rows or not frames.common.has("totals"):
        return ""
    totals: Any = next(frames.totals.itertuples())
    if not totals.prints:
        return f"{_NOTHING}.".capitalize() if model.has_reports else "Nothing was recorded."
    least = "at least " if has_bounds(frames.totals, model.gaps) else ""
    sums = _sum_sides(totals.long_usd, totals.short_usd, least)
    return (
        f"In {times.format_window(frames.controls.window)}: {sums} liquidated"
        f" in {least}{totals.prints:,} prints, the largest {least}{format_usd(totals.largest_usd)}."
        f"{_describe_sources(frames)}"
    )


def qualify(
    label: str,
    frames: Frames,
    sums: pd.DataFrame | None = None,
    gaps: pd.DataFrame | None = None,
) -> str:
    """Return a chart's sentence, with the kind of the rows if they are not live.

    It also says if ``sums``, the rows of the chart, are lower bounds: of partial feeds or of feeds
    with ``gaps``.
    """
    if frames.is_empty:
        return label
    is_bound = sums is not None and not sums.empty and has_bounds(sums, gaps)
    least = " Sums are at least these." if is_bound else ""
    return f"{label}{least}{_describe_sources(frames)}"


def describe_bars(frames: Frames, zone: tzinfo) -> str:
    """Return the sums of the bars, and the largest bar."""
    bars = frames.board["bars"]
    longs, shorts = bars["long_usd"].to_numpy(), bars["short_usd"].to_numpy()
    both = longs + shorts
    name = f"Liquidated per {frames.bucket}"
    if not both.sum():
        return f"{name}: {_NOTHING}."
    moment = bars["ts"].iloc[int(both.argmax())]
    return (
        f"{name}: {_sum_sides(longs.sum(), shorts.sum())};"
        f" most at {_format_time(moment, zone)}, {format_usd(both.max())}."
    )


def describe_net(frames: Frames) -> str:
    """Return the last value of the running sum, and its range."""
    net = frames.board["net"]["cumulative_usd"].dropna()
    name = "Cumulative long minus short"
    if net.empty:
        return f"{name}: {_NOTHING}."
    low, high = format_usd(net.min()), format_usd(net.max())
    return f"{name}: {format_usd(net.iloc[-1])} now, between {low} and {high}."


def describe_ranking(name: str, frame: pd.DataFrame) -> str:
    """Return the first names of ``top_symbols`` and the like, with their sums."""
    if frame.empty:
        return f"{name}: {_NOTHING}."
    column = next(name for name in ("symbol", "asset", "exchange") if name in frame)
    sums = Counter[str]()
    for each, usd in zip(frame[column].tolist(), frame["total_usd"].tolist(), strict=True):
        sums[each] += usd
    largest = (f"{each} {format_usd(usd)}" for each, usd in sums.most_common(_NAMED))
    return f"{name}: {', '.join(largest)}."


def describe_classes(name: str, frame: pd.DataFrame) -> str:
    """Return the sum of each class of ``size_classes``, greatest prints first."""
    if frame.empty:
        return f"{name}: {_NOTHING}."
    rows: Iterator[Any] = frame.sort_values("from_usd", ascending=False).itertuples()
    sums = (f"from {format_usd(row.from_usd)} {format_usd(row.total_usd)}" for row in rows)
    return f"{name}: {', '.join(sums)}."


def describe_candles(frames: Frames) -> str:
    """Return the newest price and its range, and the range of prices with most notional."""
    price = frames.board["price"].dropna(subset=["close"])
    name = name_candles(frames)
    if price.empty:
        return f"{name}: no mark price; {_describe_band(frames.board['cells'])}."
    last, low, high = price["close"].iloc[-1], price["low"].min(), price["high"].max()
    return (
        f"{name}: {last:,.6g}, between {low:,.6g} and {high:,.6g};"
        f" {_describe_band(frames.board['cells'])}."
    )


def _describe_band(cells: pd.DataFrame) -> str:
    both = cells["long_usd"] + cells["short_usd"]
    if not both.sum():
        return _NOTHING
    bands = both.groupby([cells["price_from"], cells["price_to"]]).sum()
    low, high = bands.index[int(bands.argmax())]
    return f"most liquidated from {low:,.6g} to {high:,.6g}, {format_usd(bands.max())}"


def describe_path(frames: Frames) -> str:
    """Return the mean move of the price at the end of each side's path."""
    path = frames.board["path"]
    name = "Price around large prints"
    if path.empty:
        return f"{name}: no prints with a price."
    ends: Iterator[Any] = path[path["offset_s"] == path["offset_s"].max()].itertuples()
    moves = (
        f"{end.side}s {end.mean_bps:+.1f} basis points after {end.offset_s:.0f} seconds"
        for end in ends
    )
    return f"{name}: {', '.join(moves)}."


def describe_cascades(frames: Frames, zone: tzinfo) -> str:
    """Return the number of cascades, and the largest."""
    found = frames.board["cascades"]
    name = "Cascades by asset"
    if found.empty:
        return f"{name}: none."
    largest: Any = next(found.nlargest(1, "total_usd").itertuples())
    return (
        f"{name}: {len(found):,}; the largest {largest.name}"
        f" at {_format_time(largest.from_ts, zone)}, {format_usd(largest.total_usd)}"
        f" in {largest.prints:,} prints."
    )


def describe_share(frames: Frames) -> str:
    """Return the venues with most notional, and their shares of the window."""
    share = frames.board["share"]
    name = "Share by venue"
    sums = share.groupby("exchange")["total_usd"].sum().sort_values(ascending=False)
    if not sums.sum():
        return f"{name}: {_NOTHING}."
    shares = (f"{venue} {usd / sums.sum():.0%}" for venue, usd in sums.head(_NAMED).items())
    return f"{name}: {', '.join(shares)}."


def describe_hours(frames: Frames) -> str:
    """Return the hour of the day with the greatest mean of its covered time."""
    hours = frames.board["hours"]
    name = "Hour of the day"
    both = hours.assign(usd=hours["long_usd"] + hours["short_usd"])
    sums = both.groupby("hour")[["usd", "hours"]].sum()
    means = (sums["usd"] / sums["hours"].where(sums["hours"] > 0)).dropna()
    if not means.sum():
        return f"{name}: {_NOTHING}."
    covered = describe_covered_hours(frames)
    least = "at least " if has_bounds(hours) else ""
    return (
        f"{name}: most from {means.idxmax()}:00 UTC, a mean of {least}{format_usd(means.max())}"
        f" an hour{covered and f', {covered}'}."
    )


def describe_coverage(frames: Frames, gaps: pd.DataFrame | None) -> str:
    """Return how many feeds have reported, and which were disconnected."""
    feeds = frames.board["health"]
    name = "Feed coverage"
    if feeds.empty:
        return f"{name}: no feed has reported."
    if gaps is None:
        return f"{name}: when feeds were connected is not known yet."
    lost = ", ".join(sorted(set(gaps["exchange"])))
    return f"{name}: {len(feeds):,} feeds; disconnected for a time: {lost or 'none'}."


def _describe_sources(frames: Frames) -> str:
    """Return the badge of the header as a sentence; "" for live rows."""
    badge = "source unknown" if frames.badge is None else frames.badge
    return f" {badge.capitalize()}." if badge else ""


def _format_time(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%H:%M:%S} {zone}"


def _sum_sides(long_usd: float, short_usd: float, least: str = "") -> str:
    return f"longs {least}{format_usd(long_usd)}, shorts {least}{format_usd(short_usd)}"
