import inspect
import json
import re
from pathlib import Path
from types import SimpleNamespace

import anywidget
import pandas as pd
import pytest
from markupsafe import Markup

import liq.web.voila_app
from liq.analysis import links
from liq.web.dashboard import widgets

PAGE = Path(liq.web.voila_app.__file__).with_name("static") / "page.js"
STYLE = Path(widgets.__file__).with_name("style.css")


def test_the_page_finds_the_module_of_each_widget() -> None:
    """The page loads a widget's module from the server by the name of the widget's class."""
    (listed,) = re.findall(
        r"^const MODULES = (\{.*?\});$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    modules = json.loads(re.sub(r"(\w+):", r'"\1":', listed).replace(",\n}", "}"))
    kinds = [
        kind
        for _, kind in inspect.getmembers(widgets, inspect.isclass)
        if issubclass(kind, anywidget.AnyWidget) and kind.__module__ == widgets.__name__
    ]
    folder = Path(widgets.__file__).parent
    assert {kind.__name__ for kind in kinds} == modules.keys()
    for kind in kinds:
        assert str(kind._esm) == (folder / f"{modules[kind.__name__]}.js").read_text()


def test_the_alarm_links_to_the_moment_of_each_alert_with_the_filters_of_the_page() -> None:
    moment = pd.Timestamp("2026-03-02T13:00Z")
    row = {
        "ts": moment, "rule": "great", "severity": "critical",
        "message": "m", "subject": "", "query": "cascades", "live": False,
    }  # fmt: skip
    alarm = widgets.Alarm()
    here = links.Place(window="4h", asset="BTC", min_notional=1e4, theme="light")
    alarm.show(pd.DataFrame([row]), here)
    (alert,) = alarm.alerts
    place = links.decode(alert["link"].removeprefix("?")).place
    assert (place.asset, place.min_notional) == ("BTC", 1e4)
    assert place._replace(asset="", min_notional=0.0) == links.locate_alert(moment, "cascades")
    assert alert["mark"] == "simulated or replayed"


def test_a_piece_of_html_has_a_class_while_it_has_any(monkeypatch: pytest.MonkeyPatch) -> None:
    piece = widgets.Html(css_class="liq-fault")
    assert "liq-filled" not in piece._dom_classes
    ignore = lambda *_args, **_options: None  # noqa: E731 - a channel to no page
    piece.comm = SimpleNamespace(comm_id="own", on_msg=ignore, send=ignore, close=ignore)
    sent: list[set[str]] = []
    monkeypatch.setattr(widgets.Html, "send_state", lambda _piece, names: sent.append({*names}))
    piece.value = Markup("<p>no rows</p>")
    assert piece._dom_classes[-1] == "liq-filled"
    piece.value = Markup()
    assert "liq-filled" not in piece._dom_classes
    assert sent == 2 * [{"value", "_dom_classes"}]  # the page must not see one without the other


@pytest.mark.parametrize("sheet", [STYLE, PAGE.with_name("page.css")], ids=lambda sheet: sheet.name)
def test_no_style_depends_on_what_an_element_has(sheet: Path) -> None:
    """With such a rule a browser styles most of the page again for each element that is drawn."""
    rules = re.sub(r"/\*.*?\*/", "", sheet.read_text(), flags=re.DOTALL)
    assert ":has(" not in rules
