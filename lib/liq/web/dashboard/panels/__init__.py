"""The boards' widgets: a module a board draws the frames that `liq.web.dashboard.boards` names."""
