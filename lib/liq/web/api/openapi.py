"""The OpenAPI 3.1 description of the API, made from its endpoints."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from liq.query.catalogue import Column
from liq.query.formats import MEDIA_TYPES, Format
from liq.query.parameters import Parameter
from liq.web.api import metadata
from liq.web.api.endpoint import PAGING, Endpoint

V1 = "/v1"
_DTYPES: dict[str, dict[str, Any]] = {
    "bool": {"type": "boolean"},
    "int64": {"type": "integer"},
    "Int64": {"type": ["integer", "null"]},
    "float64": {"type": ["number", "null"]},
    "str": {"type": ["string", "null"]},
    "datetime64[us, UTC]": {"type": ["string", "null"], "format": "date-time"},
}
NAMES = {"type": "string", "pattern": r"^[\u0001-\uffff]*$"}
_KINDS: dict[str, dict[str, Any]] = {
    "interval": {"type": "string"},
    "column": {"type": "string"},
    "duration": {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?[smhdw]?$"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "timestamp": {"type": "string", "format": "date-time"},
    "list": {"anyOf": [{"type": "array", "items": NAMES}, NAMES]},  # or one text with commas
    "string": NAMES,
}
_ERRORS = {
    "400": "a parameter is unknown or out of range; the error lists what is valid",
    "401": "the token is missing",
    "403": "the request comes from another site, or names another host",
    "404": "no such endpoint; the error lists all endpoints",
    "500": "the catalogue's entry was never valid; `liq queries check` says why",
    "502": "QuestDB refused the query",
    "503": "QuestDB cannot be reached, is short of memory or refuses the password, or too many"
    " queries wait; the error says what to do",
    "504": "the query took too long, or QuestDB does not answer",
}
_NOT_MODIFIED = {"description": "nothing has changed since the response with this ETag"}


def summarise(endpoint: Endpoint, folder: str = "") -> dict[str, Any]:
    """Return an endpoint's entry in the API's index; its path is in ``folder``."""
    return {
        "path": f"{folder}/{endpoint.key}",
        "description": endpoint.description,
        "parameters": {name: _list_facts(param) for name, param in endpoint.params.items()},
        "columns": {name: column.dtype for name, column in endpoint.columns.items()},
    }


def describe(endpoints: Iterable[Endpoint], *, token: bool, root: str = "") -> dict[str, Any]:
    """Return the OpenAPI document; with ``token``, requests need the token.

    All paths are below ``root``.
    """
    known = [*endpoints]
    components: dict[str, Any] = {
        "schemas": {
            "Metadata": _METADATA,
            "Error": {
                "type": "object",
                "properties": {"error": {"type": "string"}},
                "required": ["error"],
            },
        },
        "responses": {status: _describe_error(text) for status, text in _ERRORS.items()},
    }
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "liq",
            "version": version("liq"),
            "description": "Crypto liquidations. Sizes are USD notional, times UTC.",
        },
        "servers": [{"url": root or "/"}],
        "paths": {
            f"{folder}/{endpoint.key}": {"get": _describe_operation(endpoint, folder)}
            for folder in ("", V1)
            for endpoint in known
        }
        | _STATE,
        "components": components,
    }
    if token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _describe_operation(endpoint: Endpoint, folder: str) -> dict[str, Any]:
    row = {
        "type": "object",
        "properties": _describe_row(endpoint),
        "required": list(endpoint.columns),
    }
    schema: dict[str, Any] = {"type": "array", "items": row}
    if folder:
        properties = {"meta": {"$ref": "#/components/schemas/Metadata"}, "rows": schema}
        schema = {"type": "object", "properties": properties, "required": list(properties)}
    content: dict[str, Any] = {kind: {} for kind in MEDIA_TYPES.values()}
    content[MEDIA_TYPES[Format.JSON]] = {"schema": schema}
    content[MEDIA_TYPES[Format.CSV]] = {"schema": {"type": "string"}}
    rows = {"description": "the rows", "headers": _HEADERS, "content": content}
    errors = {status: {"$ref": f"#/components/responses/{status}"} for status in _ERRORS}
    return {
        "operationId": f"{endpoint.key}_v1" if folder else endpoint.key,
        "summary": endpoint.description,
        "parameters": [*map(_describe_parameter, {**endpoint.params, **PAGING}.items()), _FORMAT],
        "responses": {"200": rows, "304": _NOT_MODIFIED, **errors},
    }


_TEXT = {"type": "string"}
_HEADERS = {
    "ETag": {"schema": _TEXT, "description": "send it back as If-None-Match"},
    "Link": {
        "schema": _TEXT,
        "description": "address of the next rows (rel=next), if there are more",
    },
    "X-Notes": {
        "schema": _TEXT,
        "description": f"a JSON array of texts: {metadata.NOTES}",
    },
    "X-Truncated": {"schema": _TEXT, "description": "true if there are more rows"},
}
_METADATA = {
    "type": "object",
    "properties": {name: {"description": text} for name, text in metadata.FACTS.items()},
    "required": list(metadata.FACTS),
}
_HEALTH = {
    "type": "object",
    "properties": {
        "status": {"type": "string", "enum": ["ok", "degraded", "down"]},
        "version": {"type": "string"},
        "problems": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["status", "version", "problems"],
}
_OF_HEALTH = {"application/json": {"schema": _HEALTH}}
_BUSY = {"$ref": "#/components/responses/503"}
_STATE: dict[str, Any] = {
    "/health": {
        "get": {
            "operationId": "get_health",
            "summary": "Whether liquidations arrive, and the faults if not.",
            "responses": {
                "200": {"description": "ok, or degraded by the faults", "content": _OF_HEALTH},
                "503": {"description": "QuestDB does not answer queries", "content": _OF_HEALTH},
            },
        }
    },
    "/metrics": {
        "get": {
            "operationId": "get_metrics",
            "summary": "Rates, lags, dead letters and feeds as metrics of Prometheus.",
            "responses": {
                "200": {
                    "description": "text of Prometheus",
                    "content": {"text/plain": {"schema": {"type": "string"}}},
                },
                "503": _BUSY,
            },
        }
    },
}
_FORMAT = {
    "name": "format",
    "in": "query",
    "description": "format of the rows",
    "allowEmptyValue": True,
    "schema": {"type": "string", "enum": list(Format), "default": Format.JSON},
}


def _describe_row(endpoint: Endpoint) -> dict[str, Any]:
    return {name: _describe_column(column) for name, column in endpoint.columns.items()}


def _describe_column(column: Column) -> dict[str, Any]:
    text = ", ".join(filter(None, (column.unit, column.description)))
    return _DTYPES.get(column.dtype, {}) | ({"description": text} if text else {})


def _describe_parameter(item: tuple[str, Parameter]) -> dict[str, Any]:
    name, param = item
    schema = _KINDS[param.type] | param.list_constraints()
    facts = {"name": name, "in": "query", "description": param.description, "schema": schema}
    return facts | {"allowEmptyValue": True}  # an empty value counts as not given


def _list_facts(param: Parameter) -> dict[str, Any]:
    facts = {
        "type": param.type,
        "default": param.default,
        "choices": param.choices,
        "min": param.min,
        "max": param.max,
        "description": param.description,
    }
    return {name: fact for name, fact in facts.items() if fact not in (None, [], "")}


def _describe_error(text: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": text, "content": {"application/json": {"schema": schema}}}
