"""The boards' tables, from frames of the catalogue's queries."""

from typing import Any

import pandas as pd
from markupsafe import Markup

from liq.common.html import cells, row, table
from liq.query.coverage import share
from liq.web.dashboard import inspector
from liq.web.dashboard.markup.text import clock, dollars, nothing, seconds, source_mark


def tape(prints: pd.DataFrame) -> Markup:
    """The newest prints, newest first; a row's key is that of `liq.web.dashboard.inspector`."""
    if prints.empty:
        return nothing("no prints")
    names = ("time (UTC)", "side", "symbol", "size (USD)", "price", "exchange")
    return table(names, map(_print, prints.itertuples(index=False)))


def feeds(health: pd.DataFrame) -> Markup:
    """How each feed fares, from ``feed_health``."""
    if health.empty:
        return nothing("no feed has reported; start one: `liq run`")
    names = ("feed", "state", "shows", "last report (UTC)", "frames", "gaps", "reconnects",
             "lag, mean", "lag, worst", "waiting, most", "passed over", "too old")  # fmt: skip
    return table(names, map(_feed, health.itertuples(index=False)))


def _feed(feed: Any) -> Markup:
    state = "connected" if feed.connected else "stopped" if feed.stopped else "disconnected"
    values = (
        Markup("{}{}{}").format(feed.exchange, source_mark(feed.source), _unknown(feed.known)),
        state, feed.completeness, f"{feed.ts:%m-%d %H:%M:%S}",
        f"{feed.messages:,}", f"{feed.gaps:,}", f"{feed.reconnects:,}",
        seconds(feed.lag_s), seconds(feed.max_lag_s), f"{feed.max_queued:,}",
        f"{feed.passed:,}", f"{feed.too_old:,}",
    )  # fmt: skip
    kind = "unheard" if feed.silent else "heard"
    return Markup('<tr class="liq-{}">{}</tr>').format(kind, cells(values))


def _unknown(known: bool) -> Markup:  # noqa: FBT001 - a column's value
    return Markup() if known else Markup(" <mark>unknown exchange</mark>")


def cascades(found: pd.DataFrame) -> Markup:
    """The greatest cascades, from ``cascades``."""
    if found.empty:
        return nothing("no cascades in this window")
    covered = share(found["covered"].iloc[0])
    names = ("asset", "began (UTC)", "lasted", "prints", "venues", "first", "longs", "shorts",
             "peak in 1 s", f"burst score ({covered} covered)")  # fmt: skip
    return table(names, map(_cascade, found.itertuples(index=False)))


def sizes(quantiles: pd.DataFrame) -> Markup:
    """Quantiles of the notional of a print, a column a side, from ``size_distribution``."""
    if quantiles.empty:
        return nothing("no prints")
    names = {"prints": "prints", "total_usd": "all together", "p10_usd": "10 % are below",
             "p25_usd": "25 %", "p50_usd": "50 %", "p75_usd": "75 %", "p90_usd": "90 %",
             "p99_usd": "99 %", "largest_usd": "largest"}  # fmt: skip
    columns = quantiles.set_index("side")
    rows = (
        row([name, *(_size(column, value) for value in columns[column])])
        for column, name in names.items()
    )
    return table(("", *(f"{side}s" for side in columns.index)), rows)


def _size(column: str, value: float) -> str:
    return f"{value:,}" if column == "prints" else dollars(value)


def _cascade(run: Any) -> Markup:
    values = (
        f"{run.from_ts:%m-%d %H:%M:%S}", seconds(run.duration_s), f"{run.prints:,}",
        run.exchanges, run.first_exchange, dollars(run.long_usd), dollars(run.short_usd),
        dollars(run.peak_1s_usd), "-" if pd.isna(run.burst_score) else f"{run.burst_score:,.1f}",
    )  # fmt: skip
    side = "long" if run.long_usd >= run.short_usd else "short"
    template = Markup('<tr><td class="liq-{}">{}</td>{}</tr>')
    return template.format(side, run.name, cells(values))


def _print(one: Any) -> Markup:
    return Markup(
        '<tr{big} data-key="{key}" tabindex="0"><td>{time}</td><td class="liq-{side}">{side}</td>'
        "<td>{symbol}</td><td>{usd}</td><td>{price}</td><td>{exchange}{mark}</td></tr>"
    ).format(
        big=Markup(' class="liq-big"') if one.notional >= 100_000 else Markup(),
        key=inspector.key(one),
        time=clock(one.ts),
        side=one.side,
        symbol=one.symbol,
        usd=f"{one.notional:,.0f}",
        price=f"{one.price:,.6g}",
        exchange=one.exchange,
        mark=source_mark(one.source),
    )
