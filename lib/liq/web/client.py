"""A client of the HTTP API: `liq.hit` for machines that cannot reach QuestDB itself."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

from liq.common import http
from liq.common.text import shorten
from liq.common.waiting import pause_s, show_wait
from liq.config import Settings, choose_settings
from liq.errors import (
    ApiAwayError,
    ApiBusyError,
    ApiError,
    ApiLoginError,
    ApiRequestError,
    ApiTimeoutError,
    ConfigError,
)
from liq.query import queries
from liq.query.catalogue import RESERVED
from liq.query.coverage import LACKS_UNKNOWN, UNKNOWN, describe_left_out
from liq.query.formats import UNREADABLE, Format, decode_arrow

if TYPE_CHECKING:
    import pandas as pd

RETRIES = 3
_GRACE_S = 10.0  # the API itself times out after the settings' time
_FIRST_S = 0.25  # the pause after a first failure; it doubles
_PAGE_ROWS = 100_000
_BUSY = (429, 503)
_PAGING = ("offset", "rows")
_LONGEST = 10**18  # of a number that is sent in all its digits
_VALUES = "give a text, a number, a span of time, a moment, a day, or a list of texts"
_ERRORS: dict[int, type[ApiError]] = {
    400: ApiRequestError,
    401: ApiLoginError,
    403: ApiLoginError,
    404: ApiRequestError,
    504: ApiTimeoutError,
}


class ApiClient:
    """Connections to the HTTP API; safe to use from many threads.

    A request is sent again while the API is busy (status 429 or 503) or cannot be reached, and
    after a lost connection. The pauses double, and last at least as long as the API asks for
    (``Retry-After``).

    Args:
        settings: Name the API's address and token; the current settings by default.
        retries: How often a request is sent again at most.
        timeout: Seconds for a request in all, its retries included; by default 10 more than the
            setting ``query_timeout``.

    Example:
        ApiClient().hit("totals", window="4h")
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        retries: int = RETRIES,
        timeout: float | None = None,
    ) -> None:
        if settings is not None and not isinstance(settings, Settings):  # as others take a URL
            raise ConfigError(
                "ApiClient takes settings in place of a URL: LIQ_HOST, LIQ_API_PORT and LIQ_TOKEN"
                " name the API, as in ApiClient(Settings.load(host=..., api_port=..., token=...))"
            )
        settings = choose_settings(settings)
        self._progress_after = settings.progress_after
        self._retries = retries
        self._seconds = timeout or settings.query_timeout + _GRACE_S
        self._http = http.Client(
            self._seconds,
            base_url=settings.api_url,
            headers={"Authorization": f"Bearer {settings.token.get_secret_value()}"},
            trust_env=False,  # the API runs on this machine: no proxy
        )

    def hit(self, key: str = "", /, *unnamed: Any, **params: Any) -> "pd.DataFrame":
        """Return all rows of an endpoint, with the dtypes, units and notes of `liq.hit`.

        Like `liq.hit` it warns of names that no row has. The notes on feeds and odd rows come from
        `describe`, by a second request; `fetch` sends one only.

        Args:
            key: The endpoint, e.g. ``"totals"``.
            params: The query's parameters; None or an empty list means not given.

        Raises:
            ApiAwayError: The API cannot be reached.
            ApiBusyError: The API is busy, or QuestDB is away.
            ApiTimeoutError: The API did not answer in time.
            ApiLoginError: The token is wrong.
            ApiRequestError: The endpoint or a parameter is unknown, a value is out of range, or
                `liq.hit` takes no such value. Or a parameter is not given by its name.
            ApiError: The API reports another error.
        """
        frame = self.fetch(key, *unnamed, **params)
        warnings = frame.attrs.get("notes", [])
        lacks = self._list_lacks(key, params)
        if notes := [*dict.fromkeys([*warnings, *lacks])]:
            frame.attrs["notes"] = notes
        queries.warn(warnings)
        return frame

    def fetch(self, key: str = "", /, *unnamed: Any, **params: Any) -> "pd.DataFrame":
        """Return the rows as `hit` does, without warnings.

        ``attrs["notes"]`` report names that no row has, a limit that is reached, and a window in
        the future, but neither feeds nor odd rows.
        """
        import pandas as pd  # noqa: PLC0415 - keeps the import of this module fast

        _check_call(key, unnamed)
        given = _encode_params(key, params) | {"format": Format.ARROW.value, "rows": _PAGE_ROWS}
        with show_wait(f"asking the API: {key}", self._progress_after):
            first, *more = map(_decode_rows, self._fetch_pages(_find_path(key), given))
        if not more:
            return first
        frame = pd.concat([first, *more], ignore_index=True)
        frame.attrs = first.attrs
        return frame

    def describe(self, key: str = "", /, *unnamed: Any, **params: Any) -> dict[str, Any]:
        """Return the facts about the rows of `hit`: units, sources, coverage and so on.

        They are the ``meta`` of the API's JSON, see docs/http-api.md. Raises as `hit`.
        """
        _check_call(key, unnamed)
        given = _encode_params(key, params) | {"rows": 1}
        with show_wait(f"asking the API: {key}", self._progress_after):
            answer = self._get(_find_path(key), given)
        try:
            meta = {**answer.json()["meta"]}
        except (ValueError, LookupError, TypeError) as error:
            raise ApiError(f"{_name(answer)} answered without facts; is it liq's?") from error
        return {name: fact for name, fact in meta.items() if name not in ("rows", "offset", "next")}

    def _list_lacks(self, key: str, params: dict[str, Any]) -> list[str]:
        """Return all notes but warnings: what cannot be known, disconnected feeds, odd rows.

        The API's own notes are among them, so warnings may be too.
        """
        try:
            facts = self.describe(key, **params)
            feeds, odd = facts.get("coverage"), facts.get("left_out")
            known = "" if feeds is None else feeds["summary"] if feeds["feeds"] else UNKNOWN
            texts = [*facts.get("notes", ()), known, describe_left_out(odd or 0)]
        except (ApiError, LookupError, TypeError, ValueError) as error:
            return [f"{LACKS_UNKNOWN}: {error}"]
        return [text for text in texts if text]

    def _fetch_pages(self, path: str, params: dict[str, Any]) -> Iterator[httpx.Response]:
        response = self._get(path, params)
        yield response
        while following := response.links.get("next"):
            response = self._get(_find_next(response, following["url"]))
            yield response

    def _get(self, path: str, params: dict[str, Any] | None = None) -> httpx.Response:
        failures = 0
        with http.within(self._seconds):
            while True:
                try:
                    return self._send(path, params)
                except (ApiAwayError, ApiBusyError) as error:
                    failures += 1
                    asked = error.retry_after_s if isinstance(error, ApiBusyError) else 0.0
                    pause = max(pause_s(failures, _FIRST_S), asked)
                    if failures > self._retries or pause >= http.time_left():
                        raise
                time.sleep(pause)

    def _send(self, path: str, params: dict[str, Any] | None) -> httpx.Response:
        try:
            response = self._http.get(path, params=params)
        except httpx.TimeoutException as error:
            raise ApiTimeoutError(
                f"the API at {self._http.base_url} did not answer in time;"
                " `liq status` shows whether it runs, `liq logs api` what it does"
            ) from error
        except httpx.HTTPError as error:
            raise ApiAwayError(
                f"cannot reach the API at {self._http.base_url}; start it with: liq api"
            ) from error
        if response.status_code in _BUSY:
            raise ApiBusyError(_read_reason(response), _read_pause(response))
        if not response.is_success:
            raise _ERRORS.get(response.status_code, ApiError)(_read_reason(response))
        return response

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _check_call(key: object, unnamed: Sequence[Any]) -> None:
    """Raise `ApiRequestError` unless a query is named, and each parameter is given by its name."""
    if not isinstance(key, str) or not key:
        raise ApiRequestError('the client takes the name of a query first, e.g. hit("totals")')
    if unnamed:
        raise ApiRequestError(
            f'parameters are given by name, e.g. hit("{key}", window="1h");'
            " the API's /docs list them"
        )


def _encode_params(key: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters that have a value, as texts; `liq.hit` takes the same values."""
    for name in sorted(params.keys() & set(RESERVED)):
        reason = "the client asks for all rows" if name in _PAGING else "the name is reserved"
        raise ApiRequestError(f"{key} has no parameter {name!r}: {reason}")
    return {name: _encode_value(name, value) for name, value in params.items() if value is not None}


def _encode_value(name: str, value: Any) -> str | list[str]:
    if isinstance(value, str):
        return str.__str__(value)  # of an Enum its value, not its name
    if isinstance(value, timedelta):
        return str(value.total_seconds())
    if isinstance(value, date):  # a datetime too
        return value.isoformat()
    is_span = getattr(getattr(value, "dtype", None), "kind", "") == "m"  # numpy's is a number
    is_number = isinstance(value, (Real, Decimal)) and not is_span
    if is_number and not isinstance(value, bool):
        return _encode_number(name, value)
    if isinstance(value, (Mapping, bytes)) or not isinstance(value, Iterable):
        raise ApiRequestError(f"{name} is of type {type(value).__name__}; {_VALUES}")
    return [_encode_item(name, item) for item in value]


def _encode_number(name: str, value: Real | Decimal) -> str:
    """Return a number as text; a whole one of any type as an integer, as parameters want it."""
    try:
        if isinstance(value, Integral):
            return str(int(value))
        is_whole = abs(float(value)) < _LONGEST and float(value).is_integer()
        return str(math.floor(value) if is_whole else value)
    except (ValueError, ArithmeticError) as error:
        raise ApiRequestError(f"{name} is no number that the API takes: {error}") from error


def _encode_item(name: str, item: object) -> str:
    """Return an item of a list; others would be sent as texts of Python, which match no row."""
    if not isinstance(item, str):
        raise ApiRequestError(f"{name} holds {shorten(repr(item))}, which is not text; {_VALUES}")
    return str.__str__(item)


def _find_path(key: str) -> str:
    return f"/v1/{quote(key, safe='')}"


def _find_next(response: httpx.Response, link: str) -> str:
    """Return the address of the next page; only the same server gets the token."""
    here = response.url
    try:
        url = here.join(link)
    except httpx.InvalidURL:
        url = here
    if url == here or (url.scheme, url.netloc) != (here.scheme, here.netloc):
        raise ApiError(f"{_name(response)} names a next page that is none; is it liq's?")
    return str(url)


def _decode_rows(response: httpx.Response) -> "pd.DataFrame":
    try:
        return decode_arrow(response.content)
    except UNREADABLE as error:
        raise ApiError(f"{_name(response)} answered without rows; is it liq's?") from error


def _name(response: httpx.Response) -> str:
    return str(response.url.copy_with(query=None))


def _read_pause(response: httpx.Response) -> float:
    """Return the seconds of ``Retry-After``; 0 if it has none, or a date."""
    try:
        seconds = float(response.headers.get("Retry-After", 0))
    except ValueError:
        return 0.0
    return max(seconds, 0.0) if math.isfinite(seconds) else 0.0


def _read_reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"{_name(response)} answered {response.status_code}; is it liq's?"
