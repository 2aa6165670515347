"""Reports: figures and tables of one window in absolute time, each with a stamp.

The notebook ``report`` shows the pieces of a `Report`. `write` runs the notebook and writes its
outputs, without code, to one self-contained HTML file. The file includes plotly.js; its content
security policy allows plotly.js and ``report.js`` only.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from inspect import signature
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from liq.analysis import charts, links
from liq.analysis.links import Place
from liq.common.html import join, render_code, render_row, render_table
from liq.common.text import format_number
from liq.config import Settings, choose_settings
from liq.notebook import notebooks
from liq.query import coverage, exports, queries, questdb
from liq.query.coverage import Window
from liq.query.exports import Stamp, require_folder, write_export
from liq.query.parameters import Parameter, parse_duration

_NOTEBOOK = "report"
_PAGE, _SCRIPT = (Path(__file__).with_name(f"report.{kind}") for kind in ("html", "js"))
_FIGURE, _HTML = "application/vnd.plotly.v1+json", "text/html"
_WINDOW, _UNTIL = Parameter(type="duration"), Parameter(type="timestamp")
_MOST_BARS = 400
_MOST_GAPS = 20
_CLOCK = "%Y-%m-%d %H:%M:%S.%f"
_NOTHING = Markup()


class Piece:
    """A figure or a table with its stamp, for display in a notebook.

    ``figure`` is a plotly figure as data; ``html`` is the table.
    """

    def __init__(
        self, stamp: Stamp, *, figure: dict[str, Any] | None = None, html: Markup = _NOTHING
    ) -> None:
        self.figure = figure
        self.html = html
        self.stamp = stamp

    def _repr_html_(self) -> Markup:
        return Markup('<div class="liq-piece">{}{}</div>').format(
            self.html, _render_stamp(self.stamp)
        )

    def _ipython_display_(self) -> None:
        from IPython.display import display  # noqa: PLC0415

        if self.figure is not None:  # as data: our pages run no scripts in HTML
            display({_FIGURE: self.figure}, raw=True)  # type: ignore[no-untyped-call]
        display({_HTML: str(self._repr_html_())}, raw=True)  # type: ignore[no-untyped-call]


class Report:
    """The pieces of a report over one window.

    The same ``until`` gives the same row hashes, unless rows have arrived late.

    Args:
        window: How far back, e.g. ``"1d"``.
        until: End of the window, ISO 8601 in UTC; now by default.
        settings: Settings of the stack; the current ones by default.

    Raises:
        QueryError: The window is invalid.
        LiqError: A query fails, as in `liq.hit`.

    Example:
        report = Report("7d")
        report.heading()
        report.chart(charts.bars, "liquidations_by_bucket")
    """

    def __init__(
        self, window: str = "1d", until: str | None = None, settings: Settings | None = None
    ) -> None:
        self._settings = choose_settings(settings)
        end = _UNTIL.value("until", until) or datetime.now(UTC)
        self._given: dict[str, Any] = {"window": window, "until": end}
        self._gaps: pd.DataFrame | None = None
        self._sources, self._stamp = self._ask("sources")
        if self._stamp.since:
            with queries.show_query("coverage", self._settings):
                self._gaps = exports.fetch_coverage(Window(self._stamp.since, end), self._settings)
        self._badge = charts.source_badge(self._sources)

    def heading(self) -> Piece:
        """Return the window, the sources of its rows and the number of odd rows."""
        badge = Markup(' <b class="liq-badge">{}</b>').format(self._badge) if self._badge else ""
        html = Markup("<p>{}{} {}</p>{}{}{}{}").format(
            _describe_window(self._stamp),
            badge,
            self._link(Place(window=self._given["window"], until=self._given["until"])),
            self._render("feed_coverage", "which feeds were disconnected", _render_disconnections),
            self._note_missing("coverage", "when feeds were disconnected"),
            _render_table(self._sources),
            self._render("left_out", "how many odd rows are left out", _render_left_out),
        )
        return Piece(self._stamp, html=html)

    def chart(
        self, draw: "charts.Chart[Any]", key: str, /, *, bars: int = _MOST_BARS, **params: Any
    ) -> Piece:
        """Return a chart of a query's rows.

        Args:
            draw: The chart, e.g. `liq.charts.bars`.
            key: The query.
            bars: Maximum number of buckets, approximately.
            params: Further parameters of the query.
        """
        query = queries.find(key, self._settings)
        if "bucket" in query.params:
            params = {"bucket": self._bucket(query.params["bucket"], bars), **params}
        frame, stamp = self._ask(key, **params)
        options: dict[str, Any] = {
            "badge": self._badge,
            "gaps": self._gaps,
            "span": (stamp.since, stamp.until),
            "window": (stamp.since, stamp.known_until) if stamp.since else None,
            "bucket": params.get("bucket"),
        }
        accepted = signature(draw.draw).parameters.keys()
        options = {name: value for name, value in options.items() if name in accepted}
        figure = json.loads(draw(frame, "light", **options).to_json())
        return Piece(stamp, figure=figure)

    def table(self, key: str, /, **params: Any) -> Piece:
        """Return a query's rows as a table; ``params`` are further parameters of the query.

        Alerts and cascades link to their moment on the dashboard.
        """
        frame, stamp = self._ask(key, **params)
        by = params.get("by", "asset")
        places = [links.locate_row(key, row, by) for row in frame.itertuples(index=False)]
        return Piece(
            stamp, html=_render_table(frame, [self._link(each) for each in places if each])
        )

    def _ask(self, key: str, **params: Any) -> tuple[pd.DataFrame, Stamp]:
        given = {**self._given, **params}
        with queries.show_query(key, self._settings):
            return exports.fetch_stamped(key, gaps=self._gaps, settings=self._settings, **given)

    def _render(self, key: str, what: str, render: Callable[[pd.DataFrame], Markup]) -> Markup:
        """Return a query's rows as ``render`` formats them, or a note if it cannot be used."""
        if note := self._note_missing(key, what):
            return note
        with queries.show_query(key, self._settings):
            found = queries.hit(key, settings=self._settings, **self._given)
        return render(found)

    def _note_missing(self, key: str, what: str) -> Markup:
        """Return a note that ``what`` is unknown if the user's own entry of ``key`` is invalid."""
        if key in queries.load_catalogue(self._settings).queries:
            return _NOTHING
        template = Markup(
            "<p>the query <code>{}</code> cannot be used, see <code>liq queries check</code>:"
            " {} is not known</p>"
        )
        return template.format(key, what)

    def _link(self, place: Place) -> Markup:
        template = Markup('<a href="{}" target="_blank" rel="noopener noreferrer">dashboard</a>')
        return template.format(links.build_url(place, self._settings))

    def _bucket(self, param: Parameter, bars: int) -> str:
        span = parse_duration(self._given["window"])
        for choice in map(str, param.choices):
            if span / parse_duration(choice) <= bars:
                return choice
        return str(param.choices[-1])


def write(
    out: str | Path,
    window: str = "1d",
    until: str | None = None,
    *,
    settings: Settings | None = None,
    progress: bool = False,
) -> Path:
    """Run the notebook ``report`` and write its outputs to the HTML file ``out``.

    Args:
        out: The file.
        window: How far back, e.g. ``"1d"``.
        until: End of the window, ISO 8601 in UTC; now by default.
        settings: Settings of the stack; the current ones by default.
        progress: Whether to show a progress bar.

    Returns:
        The path of the file.

    Raises:
        QueryError: The window is invalid.
        QuestDBError: QuestDB does not answer.
        NotebookError: A cell fails.
        ExportError: The file cannot be written.
    """
    _WINDOW.value("window", window)
    out = Path(out)
    require_folder(out)
    questdb.require(settings)  # before a kernel starts
    from nbconvert import HTMLExporter  # noqa: PLC0415 - takes a second to import

    end = (_UNTIL.value("until", until) or datetime.now(UTC)).isoformat()
    given = {"window": window, "until": end}
    executed = notebooks.run(_NOTEBOOK, given, timeout=600, settings=settings, progress=progress)
    exporter: Any = HTMLExporter(  # type: ignore[no-untyped-call] # of nbconvert
        template_name="basic", exclude_input=True, exclude_anchor_links=True
    )
    for output in (output for cell in executed.cells for output in cell.get("outputs", ())):
        if figure := output.get("data", {}).get(_FIGURE):
            output.data = {_HTML: str(_embed(figure))}
    body, _ = exporter.from_notebook_node(executed)
    title = f"Liquidations, {window} to {end}"
    write_export(out, _render_page(title, body).encode())
    return out


def _embed(figure: dict[str, Any]) -> Markup:
    """Return an element with the figure, which ``report.js`` draws."""
    data = json.dumps(figure).replace("<", "\\u003c")  # the data cannot end the script
    template = Markup('<div class="liq-figure"><script type="{}">{}</script></div>')
    return template.format(_FIGURE, Markup(data))  # noqa: S704 - JSON without a "<"


def _render_page(title: str, body: str) -> str:
    from plotly.offline import get_plotlyjs  # noqa: PLC0415 - only a file needs it

    scripts = (get_plotlyjs(), _SCRIPT.read_text())
    digests = (b64encode(sha256(text.encode()).digest()).decode() for text in scripts)
    return Template(_PAGE.read_text()).substitute(
        title=escape(title),
        allowed=" ".join(f"'sha256-{digest}'" for digest in digests),
        body=body,
        plotly=scripts[0],
        script=scripts[1],
    )


def _describe_window(stamp: Stamp) -> str:
    if not stamp.since or not stamp.until:
        return "no window"
    return f"{stamp.since:{_CLOCK}} to {stamp.until:{_CLOCK}} UTC"


def _render_table(frame: pd.DataFrame, row_links: Sequence[Markup] = ()) -> Markup:
    if frame.empty:
        return Markup("<p>no rows</p>")
    units = frame.attrs.get("units", {})
    named = {name: f"{name} ({unit})" for name, unit in units.items() if name != unit}
    texts = frame.copy()
    for name in frame.columns:
        if frame[name].dtype.kind == "M":
            texts[name] = frame[name].dt.strftime(_CLOCK)
        elif frame[name].dtype.kind == "f":
            write = partial(format_number, unit=units.get(name, ""))
            texts[name] = frame[name].map(write, na_action="ignore")
    texts = texts.astype(object).where(texts.notna(), "").rename(columns=named)
    if row_links:
        # as objects: pandas' own strings are no Markup
        texts["on the dashboard"] = pd.Series(row_links, texts.index, dtype=object)
    return render_table(texts.columns, map(render_row, texts.itertuples(index=False)))


def _render_disconnections(feeds: pd.DataFrame) -> Markup:
    line = coverage.summarise_feeds(feeds)
    return Markup("<p><b>≥</b> {}: sums are lower bounds</p>").format(line) if line else _NOTHING


def _render_left_out(left_out: pd.DataFrame) -> Markup:
    line = coverage.describe_left_out(int(left_out["rows"].sum()))
    return Markup("<p>{}</p>").format(render_code(line)) if line else _NOTHING


def _render_stamp(stamp: Stamp) -> Markup:
    fact = Markup("<dt>{}</dt><dd>{}</dd>")
    return Markup(
        '<details class="liq-stamp" data-query="{query}" data-hash="{hash}"><summary>{query}:'
        " {rows:,} row(s), row hash <code>{short}</code>, {gaps}</summary>"
        "<dl>{facts}</dl><pre>{sql}</pre></details>"
    ).format(
        query=stamp.query,
        hash=stamp.row_hash,
        rows=stamp.rows,
        short=stamp.row_hash[:12],
        gaps=_summarize_gaps(stamp),
        facts=join(fact.format(name, value) for name, value in _list_facts(stamp)),
        sql=stamp.sql,
    )


def _list_facts(stamp: Stamp) -> Iterator[tuple[str, str]]:
    given = {name: value for name, value in stamp.params.items() if value not in (None, [])}
    yield "window", _describe_window(stamp)
    yield "parameters", ", ".join(f"{name}={value}" for name, value in given.items())
    yield "row hash", Markup("<code>{}</code>").format(stamp.row_hash)
    yield "version", f"liq {stamp.version}"
    for gap in (stamp.coverage or [])[:_MOST_GAPS]:
        gone = f"{gap.exchange} ({gap.source}) {gap.from_ts:{_CLOCK}} to {gap.to_ts:{_CLOCK}}"
        yield "disconnected", gone


def _summarize_gaps(stamp: Stamp) -> str:
    if stamp.coverage is None:
        return "coverage unknown"
    gaps = exports.describe_stamped_gaps(stamp)
    return f"disconnected: {gaps} of the window" if gaps else "no gaps"
