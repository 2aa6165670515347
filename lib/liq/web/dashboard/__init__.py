"""The live dashboard: a model that reads (`model`), widgets that show it (`view`)."""

from liq.web.dashboard.model import DashboardModel, Frames, State
from liq.web.dashboard.view import Dashboard

__all__ = ["Dashboard", "DashboardModel", "Frames", "State"]
