"""The dashboard's controls, linked to the traits of its model."""

import asyncio
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import ipywidgets as widgets

from liq.analysis import links
from liq.analysis.charts import ThemeName
from liq.analysis.links import ZONES
from liq.errors import QueryError
from liq.query import queries
from liq.query.exports import export_bytes
from liq.query.formats import Format
from liq.query.names import parse_names
from liq.query.parameters import parse_duration
from liq.web.dashboard import filters, times
from liq.web.dashboard.model import DashboardModel
from liq.web.dashboard.widgets import (
    AmountField,
    Chips,
    Download,
    ErrorBoundary,
    PageAddress,
    PageLayout,
    Picker,
    SpanForm,
    Tasks,
)

WINDOWS = ("5m", "15m", "1h", "4h", "12h", "1d", "7d", "30d")
_FIXED_START = "fixed start"  # in place of a length, which grows
_MAX_PRINTS = 1_000_000  # some hundred megabytes
_LEAST_SEARCHED = "1d"  # in which the last cascade is looked for, at least
_MOST_CASCADES = 10_000
_AROUND_CASCADE = timedelta(minutes=5)
_FILES = {"CSV": Format.CSV, "Spreadsheet": Format.SPREADSHEET, "Parquet": Format.PARQUET}


def create_filters(model: DashboardModel, boundary: ErrorBoundary) -> widgets.Widget:
    """Return the controls that select prints: bucket, window, asset, venues, symbols, minimum size.

    A field shows what is wrong with what was typed; ``boundary`` shows any other error.
    """
    bucket = widgets.Dropdown(options=model.buckets, description="Bucket")
    bind(model, "bucket", bucket, boundary)
    return _create_bar(
        bucket,
        _create_window(model, boundary),
        _create_asset(model, boundary),
        _create_names(model, "exchanges", "exchange", "Venues", boundary),
        _create_names(model, "symbols", "symbol", "Symbols", boundary),
        _create_least(model, boundary),
    )


def create_chips(model: DashboardModel, boundary: ErrorBoundary) -> Chips:
    """Return the filters in use, each of which can be removed; ``boundary`` shows an error."""
    chips = Chips()
    chips.add_class("liq-chips")

    def show(_change: object = None) -> None:
        chips.chips = [list(chip) for chip in filters.list_chips(model)]

    @boundary.wrap
    def remove(field: str, name: str) -> None:
        filters.remove(model, field, name)

    chips.on_remove(remove, boundary.wrap(lambda: filters.remove_all(model)))
    model.observe(show, [*filters.FIELDS])
    show()
    return chips


def create_actions(
    model: DashboardModel, address: PageAddress, boundary: ErrorBoundary
) -> widgets.Widget:
    """Return the buttons for Pause, the theme and the link; ``boundary`` shows their errors."""
    pause = widgets.ToggleButton(tooltip="pause or resume updates")
    bind(model, "paused", pause, boundary)
    widgets.dlink(
        (model, "paused"), (pause, "description"), lambda paused: "Resume" if paused else "Pause"
    )
    return _create_bar(
        pause, _create_theme_button(model, boundary), address.add_class("liq-address")
    )


def _create_theme_button(model: DashboardModel, boundary: ErrorBoundary) -> widgets.Button:
    """Return a button that has the name of the other theme.

    The toggle button of ipywidgets does not say to screen readers whether it is pressed.
    """
    button = widgets.Button()

    def find_other() -> ThemeName:
        return "dark" if model.theme == "light" else "light"

    def show(_change: object = None) -> None:
        button.description = find_other().capitalize()
        button.tooltip = f"show the page in the {find_other()} theme"

    def switch(_button: object) -> None:
        model.theme = find_other()

    button.on_click(boundary.wrap(switch))
    model.observe(show, "theme")
    show()
    return button


def create_layout() -> widgets.Widget:
    """Return the buttons that arrange the panels of a board."""
    return _create_bar(PageLayout().add_class("liq-layout"))


def create_download(model: DashboardModel) -> widgets.Widget:
    """Return the buttons that save the prints that match the controls."""
    download = Download(list(_FILES), lambda kind: _make_file(model, kind))
    bar = _create_bar(_create_label("Save prints"), download.add_class("liq-download"))
    return bar.add_class("liq-saving")


def create_times(model: DashboardModel, boundary: ErrorBoundary) -> widgets.Widget:
    """Return what chooses the window: steps, Live, Back, a typed span, days, the time zone.

    The fields show what is wrong with a typed time; ``boundary`` shows any other error.
    """
    return _create_bar(
        *_create_time_buttons(model, boundary),
        _create_span_form(model, boundary),
        *_create_presets(model, boundary),
        _create_zone(model, boundary).add_class("liq-zone"),
    )


def bind(
    model: DashboardModel,
    trait: str,
    control: widgets.Widget,
    boundary: ErrorBoundary,
    transform: tuple[Callable[[Any], Any], Callable[[Any], Any]] | None = None,
) -> None:
    """Link a control's value and a trait of the model; ``boundary`` shows an invalid choice.

    ``transform`` makes the control's value of the trait's, and the trait's of the control's.
    """
    to_control, to_trait = transform or (_keep, _keep)

    @boundary.wrap
    def choose(change: Any) -> None:
        model.set_trait(trait, to_trait(change["new"]))

    def show(change: Any) -> None:
        control.value = to_control(change["new"])

    control.value = to_control(getattr(model, trait))
    control.observe(choose, "value")
    model.observe(show, trait)


def _keep(value: Any) -> Any:
    return value


def _create_window(model: DashboardModel, boundary: ErrorBoundary) -> widgets.Widget:
    """Return a drop-down of lengths. A fixed start is a choice of its own, whatever its length."""

    def options() -> list[tuple[str, str]]:
        chosen = model.chosen.window
        lengths = {parse_duration(each): each for each in (*WINDOWS, chosen) if each}
        named = [(times.format_window(each), each) for _, each in sorted(lengths.items())]
        return named if chosen else [(_FIXED_START, chosen), *named]

    choice = _Choice(options, lambda: model.chosen.window, model.choose_window)
    control = _create_choice(model, "Window", choice, ["window", "since"], boundary=boundary)
    return control.add_class("liq-window")


class _Choice(NamedTuple):
    """The options of a drop-down, names with values; how the chosen value is read and set."""

    options: Callable[[], Sequence[tuple[str, str]]]
    read: Callable[[], str]
    choose: Callable[[str], object]


def _create_choice(
    model: DashboardModel,
    name: str,
    choice: _Choice,
    changes: list[str],
    *,
    boundary: ErrorBoundary,
) -> widgets.Dropdown:
    """Return a drop-down; a change of one of the traits ``changes`` updates it."""
    control = widgets.Dropdown(description=name)

    @boundary.wrap
    def choose(change: Any) -> None:
        choice.choose(change["new"])

    def show(_change: object = None) -> None:
        control.unobserve(choose, "value")  # setting options selects the first of them
        control.options = choice.options()
        control.value = choice.read()
        control.observe(choose, "value")

    control.observe(choose, "value")
    model.observe(show, changes)
    show()
    return control


def _create_time_buttons(
    model: DashboardModel, boundary: ErrorBoundary
) -> tuple[widgets.Widget, ...]:
    def create(name: str, tooltip: str, act: Callable[[], None]) -> widgets.Button:
        button = widgets.Button(description=name, tooltip=tooltip)
        button.on_click(boundary.wrap(lambda _: act()))
        return button

    # the style sheet draws the arrows: screen readers would speak them as "black pointer"
    earlier = create("Earlier", "one window back", lambda: model.step(-1)).add_class("liq-earlier")
    live = create("Live", "return to now, with the window of before", model.go_live)
    later = create("Later", "one window forward", lambda: model.step(1)).add_class("liq-later")
    back = create("Back", "undo the last change of time", model.go_back)
    widgets.dlink((model, "until"), (later, "disabled"), lambda until: until is None)
    widgets.dlink((model, "is_usual"), (live, "disabled"))
    widgets.dlink((model, "trail"), (back, "disabled"), lambda trail: not trail)
    return earlier, live, later, back


def _create_span_form(model: DashboardModel, boundary: ErrorBoundary) -> SpanForm:
    form = SpanForm()
    form.add_class("liq-span")

    def travel(start: str, end: str) -> None:
        model.travel(*times.parse_span(start, end, model.window, model.timezone))
        form.show(*describe())

    def report(error: str) -> None:
        form.errors = dict.fromkeys(_find_fields(error), error)

    def describe() -> tuple[str, str]:
        """Return the texts of the fields: a live window has no end, and a start if it is fixed."""
        start, end = map(times.format_typed, model.span)
        return start if model.until or model.since else "", end if model.until else ""

    def show(_change: object = None) -> None:
        span = describe()
        if span != (form.start, form.end):  # else it would wipe what somebody types
            form.errors = {}
            form.show(*span)

    form.on_submit(_report_to_field(travel, report, boundary))
    model.observe(show, ["until", "window", "since", "zone", "local_zone"])
    return form


def _find_fields(error: str) -> list[str]:
    """Return the field whose text an error of `times.parse_span` begins with, both for others."""
    named = re.match(r"(from|to)=", error)
    return [{"from": "start", "to": "end"}[named[1]]] if named else ["start", "end"]


def _report_to_field(
    act: Callable[..., object], report: Callable[[str], object], boundary: ErrorBoundary
) -> Callable[..., None]:
    """Return ``act`` for what is typed into a field.

    ``report`` gets the text of an invalid choice, and "" before. ``boundary`` shows other errors.
    """

    def run(*typed: str) -> None:
        report("")
        try:
            act(*typed)
        except QueryError as error:
            report(str(error))

    return boundary.wrap(run)


def _create_presets(model: DashboardModel, boundary: ErrorBoundary) -> tuple[widgets.Button, ...]:
    tasks = Tasks()

    async def show_cascade() -> None:
        with boundary:  # in a thread: a slow QuestDB must not block the page
            before = model.chosen
            span = await asyncio.to_thread(_find_last_cascade, model)
            if model.chosen == before:  # else the visitor chose another time meanwhile
                model.travel(*span)

    def travel_to_day(days_ago: int) -> None:
        model.travel(*times.find_day(days_ago, model.timezone))

    presets: dict[str, tuple[str, Callable[[], None]]] = {
        "Today": ("from midnight to now", lambda: travel_to_day(0)),
        "Yesterday": ("from midnight to midnight", lambda: travel_to_day(1)),
        "Last cascade": (
            "the newest cascade that matches the controls",
            lambda: tasks.spawn(show_cascade()),
        ),
    }
    buttons = []
    for name, (tooltip, act) in presets.items():
        button = widgets.Button(description=name, tooltip=tooltip)
        button.on_click(boundary.wrap(lambda _, act=act: act()))
        buttons.append(button)
    return tuple(buttons)


def _create_zone(model: DashboardModel, boundary: ErrorBoundary) -> widgets.Dropdown:
    def options() -> list[tuple[str, str]]:
        utc, local = ZONES
        return [(utc, utc), (f"local: {model.local_zone}", local)]

    choice = _Choice(options, lambda: model.zone, lambda zone: model.set_trait("zone", zone))
    return _create_choice(model, "Time zone", choice, ["zone", "local_zone"], boundary=boundary)


def _find_last_cascade(model: DashboardModel) -> times.Span:
    """Return the time around the newest cascade. Raises `QueryError` if there is none."""
    asked = model.controls
    window = max(asked.window, _LEAST_SEARCHED, key=parse_duration)
    wide = {"window": window, "since": None, "until": None}
    searched = asked.filters | wide | {"limit": _MOST_CASCADES}
    given = {name: value for name, value in searched.items() if value is not None}
    found = queries.fetch("cascades", model.settings, **given)
    if found.empty:
        raise QueryError(
            f"no cascade matches the controls in the last {times.format_window(window)}"
        )
    last: Any = next(found.nlargest(1, "from_ts").itertuples())
    start, end = last.from_ts.to_pydatetime(), last.to_ts.to_pydatetime()
    return start - _AROUND_CASCADE, end + _AROUND_CASCADE


def _create_asset(model: DashboardModel, boundary: ErrorBoundary) -> widgets.Widget:
    """Return a field that chooses one asset, or all; the largest assets are offered first."""
    picker = Picker(label="Asset", plural="assets", single=True)
    as_list = (lambda asset: [asset] if asset else []), (lambda names: "".join(names[-1:]))
    bind(model, "asset", picker, boundary, as_list)

    def choose(names: list[str]) -> None:
        if len(names) > 1:
            raise QueryError(f"choose one asset, not {len(names)}; several symbols can be chosen")
        model.asset = "".join(names)

    widgets.dlink(
        (model, "known_assets"), (picker, "options"), lambda known: [[each, ""] for each in known]
    )
    return _create_picker(model, picker, "asset", choose, boundary)


def _create_names(
    model: DashboardModel, trait: str, column: str, label: str, boundary: ErrorBoundary
) -> widgets.Widget:
    """Return a field that adds and removes names of ``trait``; ``column`` has them in the rows."""
    picker = Picker(label=label, plural=label.lower())
    bind(model, trait, picker, boundary)

    def add(names: list[str]) -> None:
        model.set_trait(trait, list(dict.fromkeys([*getattr(model, trait), *names])))

    def offer(_change: Any = None) -> None:
        known = getattr(model, f"known_{trait}")
        if trait == "symbols" and model.asset:  # those of other assets have no prints of it
            known = [each for each in known if each[1] == model.asset]
        picker.options = _list_options(known)

    model.observe(offer, [f"known_{trait}", "asset"])
    offer()
    return _create_picker(model, picker, column, add, boundary)


def _create_least(model: DashboardModel, boundary: ErrorBoundary) -> widgets.Widget:
    """Return a field for the minimum size, which reports a text that is no size."""
    field = AmountField(label="Min size (USD)")

    def show(_change: object = None) -> None:
        field.show(f"{model.min_notional:.15g}")

    def choose(typed: str) -> None:
        model.min_notional = filters.parse_size(typed) if typed.strip() else 0.0
        show()  # an unchanged minimum, too

    def report(error: str) -> None:
        field.error = error

    field.on_type(_report_to_field(choose, report, boundary))
    model.observe(show, "min_notional")
    show()
    return _create_field(field.label, field.add_class("liq-amount")).add_class("liq-narrow")


def _create_picker(
    model: DashboardModel,
    picker: Picker,
    column: str,
    choose: Callable[[list[str]], object],
    boundary: ErrorBoundary,
) -> widgets.Widget:
    """Return ``picker`` with its label; it calls ``choose`` with the names that are typed into it.

    A typed name is accepted in any unambiguous case; the field reports a name that no row has.
    """
    picker.add_class("liq-picker")

    def add(typed: str) -> None:
        choose(parse_names(typed, column, model.settings))

    def report(error: str) -> None:
        picker.error = error

    picker.on_type(_report_to_field(add, report, boundary))
    return _create_field(picker.label, picker)


def _list_options(known: Sequence[str | tuple[str, str]]) -> list[list[str]]:
    """Return names with their groups; names without groups are sorted."""
    pairs = [[each, ""] for each in known if isinstance(each, str)]
    return sorted(pairs) or [list(each) for each in known]


def _make_file(model: DashboardModel, kind: str) -> tuple[str, bytes]:
    """Return the prints that match the controls, as a file's name and content.

    Raises `QueryError` if there are too many prints for a page, or they are not counted yet.
    """
    if model.frames is None or model.is_awaiting_rows:
        raise QueryError("the prints of this choice are being read: try again")
    asked, out = model.controls, _FILES[kind]
    prints = int(model.frames.totals["prints"].sum())
    if prints > _MAX_PRINTS:
        raise QueryError(
            f"{prints:,} prints are too many for a page: shorten the window, or write them from a"
            f' notebook: liq.export("prints", "prints{out.suffix}", window="{asked.window}")'
        )
    end = asked.until or datetime.now(UTC)
    filters = asked.filters | {"until": end}
    content, _stamp = export_bytes("prints", out, settings=model.settings, **filters)
    return links.name_file(model.place, end, out.suffix), content


def _create_field(name: str, control: widgets.Widget) -> widgets.Widget:
    return widgets.Box([_create_label(name), control]).add_class("liq-field")


def _create_label(text: str) -> widgets.Widget:
    return widgets.Label(text).add_class("liq-label")


def _create_bar(*parts: widgets.Widget) -> widgets.Widget:
    return widgets.Box(list(parts)).add_class("liq-controls")
