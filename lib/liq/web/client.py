"""Ask the HTTP API from Python: what `liq.hit` gives, where QuestDB itself is out of reach."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

from liq.common import http
from liq.config import Settings
from liq.config import settings as current_settings
from liq.errors import ApiError
from liq.query import queries
from liq.query.formats import Format, from_arrow

if TYPE_CHECKING:
    import pandas as pd

_GRACE_S = 10.0  # the API itself gives up after the settings' time
_PAGE_ROWS = 100_000


class Client:
    """Connections to the API of ``settings``; safe to use from many threads."""

    def __init__(self, settings: Settings | None = None) -> None:
        settings = settings or current_settings()
        self._http = http.Client(
            settings.query_timeout + _GRACE_S,
            base_url=settings.api_url,
            headers={"Authorization": f"Bearer {settings.token.get_secret_value()}"},
            trust_env=False,  # no proxy stands between this machine and itself
        )

    def hit(self, key: str, /, **params: Any) -> "pd.DataFrame":
        """Return the rows of the endpoint ``key``, with dtypes and units as `liq.hit` gives them.

        Parameters are those of the query, as text or numbers; None and an empty list: not given.
        All pages are read, however many there are. It warns as `liq.hit` of names that no row has.
        Raises `ApiError`, whose text is the API's own where it answered.
        """
        frame = self.asked(key, **params)
        queries.warn(frame.attrs.get("notes", ()))
        return frame

    def asked(self, key: str, /, **params: Any) -> "pd.DataFrame":
        """Return what `hit` does, for callers that show ``attrs["notes"]`` themselves."""
        import pandas as pd  # noqa: PLC0415 - importing this module stays quick

        given = {name: value for name, value in params.items() if value is not None}
        given |= {"format": Format.ARROW.value, "rows": _PAGE_ROWS}
        first, *more = map(from_arrow, self._pages("/" + quote(key, safe=""), given))
        if not more:
            return first
        frame = pd.concat([first, *more], ignore_index=True)
        frame.attrs = first.attrs
        return frame

    def _pages(self, path: str, params: dict[str, Any]) -> Iterator[bytes]:
        answer = self._get(path, params)
        yield answer.content
        while following := answer.links.get("next"):
            answer = self._get(following["url"])
            yield answer.content

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
            raise ApiError(_reason(response))
        return response

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"{response.url.copy_with(query=None)} answered {response.status_code}; is it liq's?"
