"""Ask the HTTP API from Python: what `liq.hit` gives, where QuestDB itself is out of reach."""

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

from liq.config import Settings
from liq.config import settings as current_settings
from liq.errors import ApiError
from liq.formats import Format, from_arrow

if TYPE_CHECKING:
    import pandas as pd

_TIMEOUT_S = 40.0  # QuestDB gives up after 30


class Client:
    """Connections to the API of ``settings``; safe to use from many threads."""

    def __init__(self, settings: Settings | None = None) -> None:
        settings = settings or current_settings()
        self._http = httpx.Client(
            base_url=settings.api_url,
            headers={"Authorization": f"Bearer {settings.token.get_secret_value()}"},
            timeout=_TIMEOUT_S,
            trust_env=False,  # no proxy stands between this machine and itself
        )

    def hit(self, key: str, /, **params: Any) -> "pd.DataFrame":
        """Return the rows of the endpoint ``key``, with dtypes and units as `liq.hit` gives them.

        Parameters are those of the query, as text or numbers; None and an empty list: not given.
        Raises `ApiError`, whose text is the API's own where it answered.
        """
        given = {name: value for name, value in params.items() if value is not None}
        try:
            response = self._http.get(
                "/" + quote(key, safe=""), params={**given, "format": Format.ARROW.value}
            )
        except httpx.HTTPError as error:
            raise ApiError(
                f"cannot reach the API at {self._http.base_url}; start it with: liq api"
            ) from error
        if response.is_error:
            raise ApiError(_reason(response))
        return from_arrow(response.content)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"{response.url.copy_with(query=None)} answered {response.status_code}; is it liq's?"
