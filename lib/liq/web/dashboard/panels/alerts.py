"""The board of alerts: what the rules raised, and what they are."""

from liq.analysis.alerts import rules
from liq.config import Settings
from liq.web.dashboard import markup
from liq.web.dashboard.html import Html
from liq.web.dashboard.model import Frames
from liq.web.dashboard.panels.base import Card, Look, Panel, board


class Alerts(Panel):
    """A list of the alerts, newest first, and a table of the rules."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._list, self._rules = Html(css_class="liq-list"), Html(css_class="liq-list")
        told = "of alerts.json; `liq alerts` evaluates them"
        self.cards = (
            Card("liq-raised", "Raised", self._list, note="a day at least"),
            Card("liq-rules", "Rules", self._rules, note=told),
        )
        self.widget = board("liq-alerting", self.cards)

    def draw(self, frames: Frames, look: Look) -> None:  # noqa: ARG002 - HTML takes it from CSS
        """Show the window; the rules are read anew, since they may be edited."""
        raised, known = self.cards
        with raised:
            listed = markup.alerts(frames.board["alerts"])
            self._list.value = listed or markup.nothing("no alerts")
        with known:
            self._rules.value = markup.rules(rules(self._settings))
