"""Charts of how the notional of a window divides: by asset, and by the size of a print."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd

from liq.analysis.charts import base
from liq.analysis.charts.base import THEMES, Chart, Spec, Theme, ThemeName
from liq.common.text import format_compact, format_usd

_MOST_ASSETS = 24  # more have no room for their names
_OTHERS = "others"
_WIDTH = 1.6  # of the map, as a multiple of its height
_SIDES = ("long", "short")
_PALE, _STRONG = 0.22, 0.28  # shares of a side's colour: texts can be read on their sum


class Tile(NamedTuple):
    """A rectangle of the map, from its lower left corner."""

    left: float
    bottom: float
    width: float
    height: float


@Chart
def assets(
    frame: pd.DataFrame,
    theme: ThemeName = "light",
    *,
    gaps: pd.DataFrame | None = None,
    badge: str | None = None,
) -> Spec:
    """A map of assets from ``top_assets``: area is notional, colour the side with more of it.

    The greatest asset is at the upper left. A colour is the stronger the more one-sided the asset
    is. With ``gaps``, from ``coverage``, the sums are lower bounds.

    Example:
        >>> frame = liq.hit("top_assets", window="1h", limit=200)
        >>> [trace.name for trace in liq.charts.assets(frame).data]
        ['mostly long', 'mostly short']
    """
    colours = THEMES[theme]
    frame = frame.assign(is_bound=base.find_bounds(frame, gaps))
    shown = _merge_others(frame[frame["total_usd"] > 0])
    tiles = place_tiles(shown["total_usd"].tolist(), _WIDTH, 1.0)
    rows: Iterator[Any] = shown.itertuples(index=False)
    placed = list(zip(rows, tiles, strict=True))
    traces = [
        _create_tiles(colours, [each for each in placed if _find_side(each[0]) == side], side)
        for side in _SIDES
    ]
    layout = base.create_layout(theme, frame, badge) | {"barmode": "overlay"}
    layout |= {"hovermode": "closest", "uniformtext": {"minsize": 9, "mode": "hide"}}
    layout["margin"] |= {"l": 4, "t": 42, "b": 4, "r": 4}  # a title makes the legend higher
    unit = base.format_usd_unit(frame, gaps)
    layout["legend"]["title"] = {"text": f"area: liquidated ({unit})", "font": {"size": 11}}
    hidden = {"visible": False, "fixedrange": True}
    layout["xaxis"] = {"range": [0, _WIDTH], **hidden}
    layout["yaxis"] = {"range": [0, 1], **hidden}
    return {"data": traces, "layout": layout}


@Chart
def size_classes(
    frame: pd.DataFrame,
    theme: ThemeName = "light",
    *,
    gaps: pd.DataFrame | None = None,
    badge: str | None = None,
) -> Spec:
    """Long and short notional by the size of a print, greatest on top, from ``size_classes``.

    With ``gaps``, from ``coverage``, the sums are lower bounds.

    Example:
        >>> frame = liq.hit("size_classes", window="1h")
        >>> [trace.name for trace in liq.charts.size_classes(frame).data]
        ['long', 'short']
    """
    colours = THEMES[theme]
    ordered = frame.sort_values("from_usd", ascending=False)
    names = [_name_class(low, high) for low, high in zip(ordered["from_usd"], ordered["to_usd"],
                                                         strict=True)]  # fmt: skip
    bands = [_format_band(low, high) for low, high in zip(ordered["from_usd"], ordered["to_usd"],
                                                          strict=True)]  # fmt: skip
    traces = [
        base.create_bars(
            side,
            getattr(colours, side),
            hover=f"{base.BOUND}%{{x:$,.0f}}, of {base.BOUND}%{{text}}",
            bounds=base.find_bounds(ordered, gaps),
            x=ordered[f"{side}_usd"],
            y=names,
            orientation="h",
        )
        | {
            "meta": {"filter": "notional"},
            "customdata": bands,
            "text": [f"{prints:,} prints" for prints in ordered["prints"]],
            "textposition": "none",
        }
        for side in _SIDES
    ]
    layout = base.create_layout(theme, frame, badge)
    layout |= {"barmode": "stack", "hovermode": "y unified"}
    layout["xaxis"] = base.create_usd_axis(colours, "liquidated", frame, gaps=gaps) | {"nticks": 5}
    layout["yaxis"] = base.create_lines_axis(len(names))
    return {"data": traces, "layout": layout}


def place_tiles(sizes: Sequence[float], width: float, height: float) -> list[Tile]:
    """Return a tile for each of ``sizes``, greatest first, as square as rows of them can be."""
    unit = width * height / total if (total := sum(sizes)) else 0.0
    areas = [size * unit for size in sizes]
    tiles: list[Tile] = []
    left, top = 0.0, height
    while len(tiles) < len(areas):
        rest = areas[len(tiles) :]
        free_width, free_height = width - left, top
        is_column = free_width >= free_height
        length = free_height if is_column else free_width
        row = _fill_row(rest, length)
        depth = sum(row) / length if length else 0.0
        start = 0.0
        for area in row:
            extent = area / depth if depth else 0.0
            if is_column:
                tiles.append(Tile(left, top - start - extent, depth, extent))
            else:
                tiles.append(Tile(left + start, top - depth, extent, depth))
            start += extent
        left, top = (left + depth, top) if is_column else (left, top - depth)
    return tiles


def _fill_row(areas: Sequence[float], length: float) -> Sequence[float]:
    """Return as many of ``areas`` as make the most square row of this length."""
    count = 1
    while count < len(areas) and _stretch(areas[: count + 1], length) <= _stretch(
        areas[:count], length
    ):
        count += 1
    return areas[:count]


def _stretch(row: Sequence[float], length: float) -> float:
    """Return the worst ratio of a tile's longer to its shorter edge."""
    total = sum(row)
    if not (total and min(row) and length):
        return float("inf")
    return max(length**2 * max(row) / total**2, total**2 / (length**2 * min(row)))


def _merge_others(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the greatest assets, and the sum of the others in a row of their own."""
    shown = base.select(frame, "asset", "long_usd", "short_usd", "total_usd", "prints", "is_bound")
    own, rest = base.split_greatest(shown, _MOST_ASSETS)
    if rest.empty:
        return own.reset_index(drop=True)
    others = pd.DataFrame([{"asset": _OTHERS, **rest.drop(columns="asset").sum()}])
    both = pd.concat([own, others]).astype({"prints": "int64", "is_bound": bool})
    return both.sort_values("total_usd", ascending=False, ignore_index=True)


def _find_side(row: Any) -> str:
    return "long" if row.long_usd >= row.short_usd else "short"


def _create_tiles(colours: Theme, placed: Sequence[tuple[Any, Tile]], side: str) -> Spec:
    rows, tiles = [row for row, _ in placed], [tile for _, tile in placed]
    return {
        "type": "bar",
        "name": f"mostly {side}",
        "x": [tile.left + tile.width / 2 for tile in tiles],
        "width": [tile.width for tile in tiles],
        "base": [tile.bottom for tile in tiles],
        "y": [tile.height for tile in tiles],
        "marker": {
            "color": [_choose_fill(colours, row, side) for row in rows],
            "line": {"width": 2, "color": colours.card},
        },
        "text": [f"{row.asset}<br>{_format_sum(row, row.total_usd)}" for row in rows],
        "textposition": "inside",
        "insidetextanchor": "middle",
        "textangle": 0,
        "insidetextfont": {"color": colours.text},
        # a click filters by it; the others have no name to filter by
        "meta": {"filter": "asset"},
        "customdata": ["" if row.asset == _OTHERS else row.asset for row in rows],
        "hovertext": [_describe_asset(row) for row in rows],
        "hovertemplate": "%{hovertext}<extra></extra>",
    }


def _choose_fill(colours: Theme, row: Any, side: str) -> str:
    imbalance = abs(row.long_usd - row.short_usd) / row.total_usd
    return base.blend(colours.card, getattr(colours, side), _PALE + _STRONG * imbalance)


def _describe_asset(row: Any) -> str:
    total, long, short = (
        _format_sum(row, usd) for usd in (row.total_usd, row.long_usd, row.short_usd)
    )
    prints = f"{_mark(row)}{row.prints:,} prints"
    return f"<b>{row.asset}</b> {total} in {prints}<br>long {long}, short {short}"


def _format_sum(row: Any, usd: float) -> str:
    return _mark(row) + base.escape_literal(format_usd(usd))


def _mark(row: Any) -> str:
    return base.BOUND if row.is_bound else ""


def _format_band(low: float, high: float) -> str:
    """Return the sizes of a class, as `liq.web.dashboard.filters` reads them: ``10000,100000``."""
    return f"{low:.15g}," if pd.isna(high) else f"{low:.15g},{high:.15g}"


def _name_class(low: float, high: float) -> str:
    lower, upper = (base.escape_literal(f"${format_compact(edge)}") for edge in (low, high))
    if not low:
        return f"below {upper}"
    return f"{lower} and more" if pd.isna(high) else f"{lower} to {upper}"
