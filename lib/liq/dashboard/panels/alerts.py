"""The board of alerts: what the rules raised, and what they are."""

from liq.alerts import rules
from liq.config import Settings
from liq.dashboard import markup
from liq.dashboard.model import Frames
from liq.dashboard.panels.base import Look, Panel, board, card, heading, html
from liq.errors import LiqError


class Alerts(Panel):
    """A list of the alerts, newest first, and a table of the rules."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._list, self._rules = html("liq-list"), html("liq-list")
        told = "<small>of alerts.json; <code>liq alerts</code> evaluates them</small>"
        self.widget = board(
            "liq-alerting",
            card("liq-raised", heading("Raised<small>a day at least</small>"), self._list),
            card(
                "liq-rules",
                heading("Rules" + told),
                self._rules,
            ),
        )

    def draw(self, frames: Frames, look: Look) -> None:  # noqa: ARG002 - HTML takes it from CSS
        """Show the window; the rules are read anew, since they may be edited."""
        raised = markup.alerts(frames.board["alerts"])
        self._list.value = raised or '<p class="liq-none">no alerts</p>'
        try:
            self._rules.value = markup.rules(rules(self._settings))
        except LiqError as error:
            self._rules.value = markup.alert(str(error))
