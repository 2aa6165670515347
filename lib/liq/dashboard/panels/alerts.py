"""The board of alerts: what the rules raised, and what they are."""

from liq.alerts import rules
from liq.config import Settings
from liq.dashboard import markup
from liq.dashboard.html import Html
from liq.dashboard.model import Frames
from liq.dashboard.panels.base import Look, Panel, board, card, heading
from liq.errors import LiqError


class Alerts(Panel):
    """A list of the alerts, newest first, and a table of the rules."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._list, self._rules = Html(css_class="liq-list"), Html(css_class="liq-list")
        self.widget = board(
            "liq-alerting",
            card("liq-raised", heading("Raised", "a day at least"), self._list),
            card(
                "liq-rules",
                heading("Rules", "of alerts.json; `liq alerts` evaluates them"),
                self._rules,
            ),
        )

    def draw(self, frames: Frames, look: Look) -> None:  # noqa: ARG002 - HTML takes it from CSS
        """Show the window; the rules are read anew, since they may be edited."""
        raised = markup.alerts(frames.board["alerts"])
        self._list.value = raised or markup.nothing("no alerts")
        try:
            self._rules.value = markup.rules(rules(self._settings))
        except LiqError as error:
            self._rules.value = markup.alert(str(error))
