"""The live dashboard: a model that reads QuestDB (`model`) and the widgets of the page (`view`)."""

from liq.web.dashboard.model import DashboardModel, Frames, State
from liq.web.dashboard.view import Dashboard

__all__ = ["Dashboard", "DashboardModel", "Frames", "State"]
