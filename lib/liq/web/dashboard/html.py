"""Widgets that show HTML. They accept `Markup`, which escapes its values, and no plain text."""

from pathlib import Path
from typing import Any

import ipywidgets as widgets
import traitlets
from markupsafe import Markup


class HtmlTrait(traitlets.TraitType[Markup, Markup]):
    """A trait for HTML. Raises `traitlets.TraitError` for text that is no `Markup`."""

    default_value = Markup()
    info_text = "markupsafe.Markup, as liq.common.html makes it: plain text could hold a script"

    def validate(self, obj: Any, value: Any) -> Markup:
        """Return the value if it is `Markup`."""
        if not isinstance(value, Markup):
            self.error(obj, value)
        return value


class Html(widgets.HTML):  # type: ignore[misc] # ipywidgets ships no types
    """A piece of HTML."""

    value = HtmlTrait().tag(sync=True)

    def __init__(self, value: Markup | None = None, css_class: str = "") -> None:
        super().__init__(value=value or Markup())
        if css_class:
            self.add_class(css_class)


def style_sheet(name: str) -> Html:
    """Return an element that adds a style sheet of this package to the page."""
    css = Path(__file__).with_name(name).read_text()
    return Html(Markup("<style>{}</style>").format(Markup(css)))  # noqa: S704 - a file of ours
