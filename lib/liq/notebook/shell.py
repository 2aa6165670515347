"""What liq adds to IPython: completion of names in calls of queries, and notes below results.

`import liq` installs both in a notebook or an IPython terminal, and loads nothing for it yet.
"""

import contextlib
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleMatcherResult, context_matcher
from markupsafe import Markup

if TYPE_CHECKING:
    import pandas as pd

_FRAMES = ("pandas", "pandas.core.frame")  # modules of DataFrame, from pandas 3 on and before


def install(shell: Any) -> None:
    """Add completion and notes to an IPython shell, once."""
    if match_names not in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.append(match_names)
    formatters = shell.display_formatter.formatters
    for module in _FRAMES:
        formatters["text/html"].for_type_by_name(module, "DataFrame", render_html)
        formatters["text/plain"].for_type_by_name(module, "DataFrame", print_text)


def _match_names(context: CompletionContext) -> SimpleMatcherResult:
    from liq.notebook import completion  # noqa: PLC0415 - `import liq` stays quick

    return completion.complete(context)


match_names = context_matcher(identifier="liq")(_match_names)


def describe(frame: "pd.DataFrame") -> list[str]:
    """Return the units of a query's result and what limits it, as lines; none for other frames."""
    units, notes = frame.attrs.get("units"), frame.attrs.get("notes", [])
    # other libraries have attrs too
    if "query" not in frame.attrs or not (isinstance(units, dict) and isinstance(notes, list)):
        return []
    from liq.analysis.charts.base import list_limits  # noqa: PLC0415 - as above
    from liq.query.listing import describe_units  # noqa: PLC0415 - as above

    shown = {name: str(unit) for name, unit in units.items() if name in frame}
    limits: list[str] = []
    # columns that the user has changed
    with contextlib.suppress(TypeError, ValueError, AttributeError):
        limits = list_limits(frame) if _holds_counts(frame) else []
    return [*([describe_units(shown)] if shown else []), *map(str, notes), *limits]


def _holds_counts(frame: "pd.DataFrame") -> bool:
    """Whether columns are what their names say; those of ``describe()`` and ``isna()`` are not."""
    names = {"source", "completeness", "not_live", "partial"} & {*frame.columns}
    kinds = {frame[name].dtype.kind for name in names}
    is_of_texts = frame.index.dtype.kind not in "biufmM"
    return "b" not in kinds and not (is_of_texts and ("f" in kinds or "count" in frame.index))


def render_html(frame: "pd.DataFrame") -> str | None:
    """Return a frame as pandas shows it, with the lines of `describe` below.

    Texts of a query's result are left-aligned; Jupyter aligns all columns as numbers.
    """
    shown: str | None = frame._repr_html_()  # type: ignore[operator]
    lines = describe(frame)
    if not shown or not lines:
        return shown
    small = Markup("<small>{}</small>").format(Markup("<br>").join(lines))
    return f"{_align_texts(frame, shown)}{small}"  # pandas has escaped its part


def _align_texts(frame: "pd.DataFrame", shown: str) -> str:
    from pandas import get_option  # noqa: PLC0415 - as above

    from liq.analysis.tables import locate_text_columns  # noqa: PLC0415 - as above

    most = get_option("display.max_columns")
    if most and len(frame.columns) > most:
        return shown  # pandas leaves some out, so that numbers of columns say nothing
    if frame.index.nlevels > 1 or frame.columns.nlevels > 1:
        return shown  # cells span rows, so that a column has no number
    texts = locate_text_columns(frame)
    if not texts:
        return shown
    # the class says its rules: the same output for the same rows, and none for other tables
    name = f"liq-texts-{'-'.join(map(str, texts))}"
    cell = Markup(".{} tr > :nth-child({})")  # counts from 1, and the index is first
    cells = Markup(", ").join(cell.format(name, column + 2) for column in texts)
    style = Markup("<style>{} {{ text-align: left; }}</style>").format(cells)
    opening, closing = Markup('<div class="{}">{}').format(name, style), Markup("</div>")
    return f"{opening}{shown}{closing}"


def print_text(frame: "pd.DataFrame", printer: Any, _cycle: object) -> None:
    """Print a frame as pandas does, with the lines of `describe` below."""
    printer.text("\n".join([repr(frame), *describe(frame)]))
