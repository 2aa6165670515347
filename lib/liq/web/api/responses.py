"""A request's parameters, checked once, and the rows as its response."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from flask import Response, request

from liq.common.text import suggest
from liq.config import Settings
from liq.errors import QueryError
from liq.query import queries
from liq.query.catalogue import RESERVED
from liq.query.formats import MEDIA_TYPES, Format, encode
from liq.query.parameters import restore_plus
from liq.web.api import metadata
from liq.web.api.endpoint import PAGING, Endpoint, Endpoints, ResultPage, hash_parts
from liq.web.api.metadata import Metadata


def respond(
    endpoint: Endpoint, endpoints: Endpoints, settings: Settings, *, described: bool
) -> Response:
    """Return the rows that this request asks for; 304 if the client has them already.

    JSON that is ``described`` is an object with ``meta`` and ``rows``, else the array of rows.
    Queries of ``endpoints`` find the ``meta``.
    """
    out, paging = _parse_format(), _parse_paging()
    values = endpoint.validate(_parse_arguments(endpoint))
    if described and out is Format.JSON:
        page = endpoint.fetch_page(values, **paging, settings=settings)
        meta = metadata.describe(endpoint, page.frame, values, endpoints, settings)
        rows = encode(page.frame, out)
        body = _encode_described(page, rows, meta, paging["offset"])
        # the rows are read anyway, as feeds disconnect without a new row: so the tag changes with
        # the answer alone, except that the window of an answer without `until` moves on
        lasting = [fact for name, fact in meta.items() if name not in ("since", "until")]
        tag: str | None = hash_parts(rows, lasting, paging, bool(page.next))
    else:
        version = endpoint.read_version(values, settings)
        tag = version and hash_parts(version, endpoint.key, out, paging)
        if tag and request.if_none_match.contains_weak(tag):
            return _tag(Response(status=304), tag)
        page = endpoint.fetch_page(values, **paging, settings=settings)
        body = encode(page.frame, out)
    response = Response(body, mimetype=MEDIA_TYPES[out])
    _tag(response, tag or hash_parts(body)).make_conditional(request.environ)
    if notes := page.frame.attrs.get("notes"):
        response.headers["X-Notes"] = json.dumps(notes)  # ASCII, whatever the names are
    if page.next:
        response.headers["X-Truncated"] = "true"
        response.headers["Link"] = f'<{_build_address(page.next)}>; rel="next"'
    return response


def _encode_described(page: ResultPage, rows: bytes, meta: Metadata, offset: int) -> bytes:
    following = _build_address(page.next) if page.next else None
    paged = meta | {"rows": len(page.frame), "offset": offset, "next": following}
    return msgspec.json.encode({"meta": paged, "rows": msgspec.Raw(rows)})


def _build_address(changes: Mapping[str, str]) -> str:
    """Return this request's address with other arguments."""
    given = {**request.args.to_dict(flat=False), **changes}
    return f"{quote(request.script_root + request.path)}?{urlencode(given, doseq=True)}"


def _parse_paging() -> dict[str, int]:
    given = {name: text for name in PAGING if (text := _parse_single(name))}
    return queries.validate("paging", PAGING, given)


def _parse_single(name: str) -> str:
    """Return a parameter of the API itself, "" for none. Raises `QueryError` for several."""
    values = [text for text in request.args.getlist(name) if text]
    _require_single(name, values)
    return values[0] if values else ""


def _require_single(name: str, values: Sequence[str]) -> None:
    if len(values) > 1:
        raise QueryError(f"{name} is given {len(values)} times; it takes one value")


def _tag(response: Response, tag: str) -> Response:
    response.set_etag(tag, weak=True)
    return response


def _parse_format() -> Format:
    given = _parse_single("format") or Format.JSON
    name = given.lower()
    if name not in list(Format):
        raise QueryError(f"format={given!r} is not a choice{suggest(given, [*Format])}")
    return Format(name)


def _parse_arguments(endpoint: Endpoint) -> dict[str, Any]:
    """Return the request's parameters without empty ones, which forms send for unset fields."""
    given: dict[str, Any] = {}
    for name, texts in request.args.lists():
        values = [text for text in texts if text]
        if name in RESERVED or not values:
            continue
        is_list = name in endpoint.params and endpoint.params[name].type == "list"
        if not is_list:
            _require_single(name, values)
        if name in endpoint.params and endpoint.params[name].type == "timestamp":
            values = [*map(restore_plus, values)]
        given[name] = values if len(values) > 1 else values[0]
    return given
