"""Rows as a user of the published API reads them."""

from liq.errors import ApiError
from liq.web.client import ApiClient
from support.helpers import eventually

SHOW_ROWS = ("api", "simulated-producer")  # services that, with what they need, show new rows


def count_rows(api: ApiClient) -> int:
    """Return how many liquidations are stored, or 0 while the API cannot say."""
    try:
        [rows] = api.fetch("latest_timestamp").rows
    except ApiError:
        return 0
    return int(rows)


def await_new_rows(api: ApiClient) -> None:
    """Fail unless more rows come to be stored."""
    before = eventually(lambda: count_rows(api))
    eventually(lambda: count_rows(api) > before)
