"""A client of the HTTP API: `liq.hit` for machines that cannot reach QuestDB itself."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

from liq.common import http
from liq.config import Settings
from liq.config import settings as current_settings
from liq.errors import ApiError
from liq.query import queries
from liq.query.formats import Format, decode_arrow

if TYPE_CHECKING:
    import pandas as pd

_GRACE_S = 10.0  # the API itself times out after the settings' time
_PAGE_ROWS = 100_000


class ApiClient:
    """Connections to the HTTP API; safe to use from many threads.

    Args:
        settings: Name the API's address and token; the current settings by default.

    Example:
        ApiClient().hit("totals", window="4h")
    """

    def __init__(self, settings: Settings | None = None) -> None:
        settings = settings or current_settings()
        self._http = http.Client(
            settings.query_timeout + _GRACE_S,
            base_url=settings.api_url,
            headers={"Authorization": f"Bearer {settings.token.get_secret_value()}"},
            trust_env=False,  # the API runs on this machine: no proxy
        )

    def hit(self, key: str, /, **params: Any) -> "pd.DataFrame":
        """Return all rows of an endpoint, with the dtypes and units of `liq.hit`.

        Like `liq.hit` it warns of names that no row has.

        Args:
            key: The endpoint, e.g. ``"totals"``.
            params: The query's parameters; None or an empty list means not given.

        Raises:
            ApiError: The API cannot be reached, or reports an error.
        """
        frame = self.fetch(key, **params)
        queries.warn(frame.attrs.get("notes", ()))
        return frame

    def fetch(self, key: str, /, **params: Any) -> "pd.DataFrame":
        """Return the rows as `hit` does, without warnings; notes are in ``attrs["notes"]``."""
        import pandas as pd  # noqa: PLC0415 - keeps the import of this module fast

        given = {name: value for name, value in params.items() if value is not None}
        given |= {"format": Format.ARROW.value, "rows": _PAGE_ROWS}
        first, *more = map(decode_arrow, self._fetch_pages("/" + quote(key, safe=""), given))
        if not more:
            return first
        frame = pd.concat([first, *more], ignore_index=True)
        frame.attrs = first.attrs
        return frame

    def _fetch_pages(self, path: str, params: dict[str, Any]) -> Iterator[bytes]:
        response = self._get(path, params)
        yield response.content
        while following := response.links.get("next"):
            response = self._get(str(response.url.join(following["url"])))
            yield response.content

    def _get(self, path: str, params: dict[str, Any] | None = None) -> httpx.Response:
        try:
            response = self._http.get(path, params=params)
        except httpx.ReadTimeout as error:
            raise ApiError(
                f"the API at {self._http.base_url} did not answer in time;"
                " `liq status` shows whether it runs, `liq logs api` what it does"
            ) from error
        except httpx.HTTPError as error:
            raise ApiError(
                f"cannot reach the API at {self._http.base_url}; start it with: liq api"
            ) from error
        if response.is_error:
            raise ApiError(_read_reason(response))
        return response

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _read_reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"{response.url.copy_with(query=None)} answered {response.status_code}; is it liq's?"
