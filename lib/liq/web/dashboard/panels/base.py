"""What a board's widgets are, and the parts that all of them are made of."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import ipywidgets as widgets
import pandas as pd
from markupsafe import Markup

from liq.analysis.charts import Spec, ThemeName
from liq.common.html import with_code
from liq.web.dashboard.guard import Guard
from liq.web.dashboard.html import Html
from liq.web.dashboard.model import Frames
from liq.web.dashboard.plot import Plot
from liq.web.dashboard.table import Table


class Look(NamedTuple):
    """How to draw: the theme, and the times that charts shade because a feed was disconnected."""

    theme: ThemeName
    gaps: pd.DataFrame | None


class Panel(ABC):
    """The widgets of one board.

    A range drawn on one of ``brushes`` becomes the window; a row of ``tables`` is a print.
    """

    widget: widgets.Widget
    cards: "tuple[Card, ...]"
    brushes: tuple[Plot, ...] = ()
    tables: tuple[Table, ...] = ()

    @abstractmethod
    def draw(self, frames: Frames, look: Look) -> None:
        """Show ``frames``, which are those of this board, each card guarding what it shows."""

    @property
    def faults(self) -> list[str]:
        """The names of the cards that could not be drawn."""
        return [card.name for card in self.cards if card.fault]


class Card(Guard):
    """A framed part of a board: ``with card:`` shows over it what is raised meanwhile.

    ``title`` is its name unless a widget is given, ``note`` stands beside that in small print.
    """

    def __init__(
        self,
        css_class: str,
        name: str,
        content: widgets.Widget,
        *,
        title: widgets.Widget | None = None,
        note: str = "",
    ) -> None:
        super().__init__(name)
        parts = [self.place, title or heading(name, note), content]
        self.widget = widgets.VBox(parts).add_class("liq-card").add_class(css_class)


def timed(
    chart: Callable[..., Spec], frame: pd.DataFrame, frames: Frames, look: Look, **more: Any
) -> Spec:
    """Return ``chart`` of ``frame`` over the window; another window undoes the reader's zoom."""
    spec = chart(frame, look.theme, span=frames.span, gaps=look.gaps, badge=frames.badge, **more)
    spec["layout"]["uirevision"] = str(frames.controls.span)
    return spec


def heading(title: str, about: str = "") -> Html:
    """Return a card's title, and in small letters what it is about."""
    small = Markup("<small>{}</small>").format(with_code(about)) if about else ""
    return Html(Markup("<h3>{}{}</h3>").format(title, small), "liq-heading")


def board(css_class: str, cards: Sequence[Card]) -> widgets.Box:
    """Return cards side by side, as the style sheet places them."""
    return widgets.Box([card.widget for card in cards]).add_class("liq-board").add_class(css_class)
