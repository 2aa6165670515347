"""The tools for assistants, called by the client of MCP's SDK over stdio and HTTP."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent, TextResourceContents
from starlette.testclient import TestClient

import liq
from liq.config import Settings
from liq.query import queries, questdb
from liq.query.formats import Format, encode
from liq.records.model import Completeness, Source
from liq.records.streams import LIQUIDATIONS
from liq.stack import health as checks
from liq.web.assistants import answers, create_app, create_server
from support.helpers import PATIENCE_S, eventually, find_free_ports, finish, running, stopped
from support.rows import health, insert, liquidation, own_table, report

END = "2026-01-01T01:00:00"
SECONDS = range(0, 60, 4)
SHIPPED = queries.queries()
ROWS = [
    liquidation("2026-01-01T00:10:05", 1000, source=Source.SIMULATOR),
    liquidation("2026-01-01T00:11:00", 400.1, exchange="okx", completeness=Completeness.FULL),
    liquidation("2026-01-01T00:12:00", 250, exchange="bybit", completeness=Completeness.FULL),
]


@pytest.fixture(scope="module")
def own(stack: Settings) -> Settings:
    """Three prints, the connected feed of bybit, and the feed of okx, which is disconnected."""
    ports = {"mcp_port": find_free_ports()["mcp_port"]}
    settings = own_table(stack).model_copy(update=ports)
    insert(settings, ROWS)
    # a feed without a report for 5 s is disconnected
    times = [f"2026-01-01T00:{minute:02}:{second:02}" for minute in range(60) for second in SECONDS]
    report(settings, [health(ts) for ts in ["2025-12-31T23:59:58", *times, "2026-01-01T00:59:59"]])
    report(settings, [health(times[0], exchange="okx")])
    return settings


@pytest.fixture(scope="module")
def served(own: Settings) -> Iterator[Settings]:
    """The settings of a running ``liq mcp --http``."""
    with running(own, "-m", "liq", "mcp", "--http") as process:
        eventually(
            lambda: checks.is_listening("127.0.0.1", own.mcp_port) or process.poll() is not None
        )
        yield own


def over_stdio(settings: Settings, *, mode: str = "auto") -> Client:
    """Return a client that starts ``liq mcp``, as an assistant does."""
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "liq", "mcp"], env=settings.environ()
    )
    return Client(command, mode=mode)


@asynccontextmanager
async def over_http(
    settings: Settings, token: str | None = None, *, mode: str = "auto"
) -> AsyncIterator[Client]:
    """Yield a client of ``liq mcp --http``."""
    async with httpx2.AsyncClient(headers=authorise(settings, token), timeout=PATIENCE_S) as http:
        transport = streamable_http_client(settings.mcp_url, http_client=http)
        async with Client(transport, mode=mode) as client:
            yield client


def authorise(settings: Settings, token: str | None = None) -> dict[str, str]:
    """Return the header with the token, or with another one; no header for an empty one."""
    token = settings.token.get_secret_value() if token is None else token
    return {"Authorization": f"Bearer {token}"} if token else {}


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


async def read(client: Client, address: str) -> str:
    (content,) = (await client.read_resource(address)).contents
    assert isinstance(content, TextResourceContents)
    return content.text


def window(key: str) -> dict[str, Any]:
    return {"until": END} if "until" in SHIPPED[key].params else {}


@pytest.mark.stack
async def test_every_query_is_a_tool_with_the_rows_of_hit(own: Settings) -> None:
    async with over_stdio(own) as client:
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == [*SHIPPED]
        for tool in tools:
            result = await client.call_tool(tool.name, window(tool.name))
            assert not result.is_error, text_of(result)
            rows = [dict(row) for row in result.structured_content["rows"]]
            for row in rows:
                row.pop("sums", None)
            frame = queries.fetch(tool.name, own, **window(tool.name)).head(100)
            assert rows == json.loads(encode(frame, Format.JSON)), tool.name


@pytest.mark.stack
async def test_an_answer_since_a_time_names_its_window(own: Settings) -> None:
    async with Client(create_server(own)) as client:
        result = await client.call_tool("totals", {"since": "2026-01-01"})
    assert result.structured_content["since"] == "2026-01-01T00:00:00+00:00"
    assert result.structured_content["until"] > "2026-01-02"


async def test_a_tools_parameters_have_types_defaults_choices_and_bounds(offline: Settings) -> None:
    async with Client(create_server(offline)) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    bars = tools["liquidations_by_bucket"]
    properties = bars.input_schema["properties"]
    assert properties["bucket"] == {
        "description": "width of a bar",
        "type": "string",
        "enum": SHIPPED["liquidations_by_bucket"].params["bucket"].choices,
        "default": "1m",
    }
    assert properties["symbols"]["type"] == "array"
    assert properties["min_notional"]["minimum"] == 0
    assert properties["until"]["format"] == "date-time"
    assert properties["rows"]["maximum"] == 1000
    assert "long_usd (USD)" in (bars.description or "")
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools.values())


@pytest.mark.stack
async def test_an_answer_states_what_limits_it(own: Settings) -> None:
    sql = (
        "INSERT INTO {} (ts, exchange, symbol, side, notional)"
        " VALUES ('2026-01-01T00:20:00Z', 'okx', 'BTCUSDT', 'sideways', 5)"
    )
    questdb.execute(sql.format(LIQUIDATIONS.table(own)), None, own)
    eventually(lambda: len(liq.hit("odd_rows", settings=own, until=END)))
    async with Client(create_server(own)) as client:
        result = await client.call_tool("by_exchange", {"until": END, "assets": ["btc", "NOPE"]})
    text, data = text_of(result), result.structured_content
    head, *lines = text.splitlines()
    assert head == ("by_exchange: 3 row(s), 2026-01-01T00:00:00+00:00 to 2026-01-01T01:00:00+00:00")
    notes = [line.removeprefix("note: ") for line in lines if line.startswith("note: ")]
    assert data["notes"] == notes
    unknown, badge, partial, gaps, odd = notes
    assert "no row has the asset 'NOPE'" in unknown
    assert badge == "SIMULATED OR REPLAYED DATA: not_live counts its prints"
    assert partial.startswith("≥ sums are lower bounds")
    assert gaps == "≥ 1 of 2 feeds disconnected: okx: sums are lower bounds"
    assert odd == "1 odd row(s) left out: `liq odd` shows them"
    assert "units: long_usd USD, " in text
    assert [row["sums"] for row in data["rows"]] == ["≥", "≥", "≥"]


@pytest.mark.stack
async def test_gaps_of_other_exchanges_do_not_mark_the_sums_of_complete_feeds(
    own: Settings,
) -> None:
    async with Client(create_server(own)) as client:
        bybit = await client.call_tool("totals", {"until": END, "exchange": ["bybit"]})
        okx = await client.call_tool("totals", {"until": END, "exchange": ["okx"]})
        gate = await client.call_tool("totals", {"until": END, "exchange": ["gate"]})
    assert [row["sums"] for row in bybit.structured_content["rows"]] == ["="]
    assert [row["sums"] for row in okx.structured_content["rows"]] == ["≥"]
    assert "note: coverage is unknown: no feed reported in this window" in text_of(gate)


@pytest.mark.stack
async def test_an_answer_has_a_limit_of_rows_and_says_how_to_go_on(own: Settings) -> None:
    given = {"until": END, "rows": 2}
    async with Client(create_server(own)) as client:
        first = await client.call_tool("prints", given)
        second = await client.call_tool("prints", {**given, "offset": 2})
        too_many = await client.call_tool("prints", {**given, "rows": 1001})
    assert "note: rows 1 to 2 only; offset=2 continues" in text_of(first)
    assert "continues" not in text_of(second)
    rows = [*first.structured_content["rows"], *second.structured_content["rows"]]
    assert [row["notional"] for row in rows] == [1000, 400.1, 250]
    assert too_many.is_error
    assert text_of(too_many) == "rows=1001 is above the greatest, 1000"


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_errors_are_one_line(offline: Settings, mode: str) -> None:
    old = over_stdio(offline, mode=mode)
    async with old if mode == "legacy" else Client(create_server(offline), mode=mode) as client:
        calls: list[tuple[str, dict[str, Any], str]] = [
            ("totls", {}, "unknown query 'totls', did you mean 'totals'?"),
            ("totals", {"windw": "1h"}, "totals has no parameter 'windw', did you mean 'window'?"),
            (
                "cascades",
                {"by": "symbl"},
                "by='symbl' is not a choice, did you mean 'symbol'?",
            ),
            ("totals", {"window": "1hh"}, "window='1hh' is no duration"),
            ("totals", {"symbols": {"a": [1]}, "until": [1]}, "until=[1] is no timestamp"),
            ("totals", {}, f"cannot reach QuestDB at 127.0.0.1:{offline.questdb_pg_port}"),
        ]
        for name, given, reason in calls:
            result = await client.call_tool(name, given)
            assert result.is_error
            assert text_of(result).startswith(reason)
            assert "\n" not in text_of(result)
        for address in ("liq://venues/okxx", "liq://queries/totls", "liq://nothing"):
            with pytest.raises(MCPError, match=r"did you mean|valid are") as error:
                await client.read_resource(address)
            assert "\n" not in str(error.value)


@pytest.mark.stack
async def test_an_answer_has_a_limit_of_time(stack: Settings) -> None:
    settings = stack.model_copy(update={"query_timeout": 1.0})
    async with over_stdio(settings) as client:
        await client.call_tool("totals", {})
        with stopped(stack, "questdb"):
            result = await client.call_tool("totals", {})
        assert result.is_error
        assert "\n" not in text_of(result)
        async with asyncio.timeout(PATIENCE_S):  # one second may be too short for a busy machine
            while (await client.call_tool("totals", {})).is_error:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)


@pytest.mark.stack
async def test_resources_explain_words_coverage_venues_and_queries(own: Settings) -> None:
    async with Client(create_server(own)) as client:
        listed = (await client.list_resources()).resources
        assert [resource.uri for resource in listed] == [*answers.RESOURCES]
        assert "| **notional** | size in USD" in await read(client, "liq://glossary")
        coverage = await read(client, "liq://coverage")
        assert SHIPPED["coverage"].description in coverage
        assert "feed_coverage: " in coverage
        assert "okx,sampled,some of its liquidations" in await read(client, "liq://venues")
        assert "notional" in await read(client, "liq://venues/okx")
        assert "`burst_score`" in await read(client, "liq://queries/cascades")


@pytest.mark.stack
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_http_serves_requests_with_the_token(served: Settings, mode: str) -> None:
    """Assistants of 2025 begin with a handshake, later ones do not."""
    async with over_http(served, mode=mode) as client:
        result = await client.call_tool("totals", {"until": END})
    assert result.structured_content["rows"][0]["prints"] == 3


@pytest.mark.stack
@pytest.mark.parametrize("token", ["", "wrong"])
async def test_a_client_without_the_token_gets_nothing_over_http(
    served: Settings, token: str
) -> None:
    with pytest.raises((MCPError, ExceptionGroup)):
        async with over_http(served, token) as client:
            await client.list_tools()


@pytest.mark.stack
@pytest.mark.parametrize("token", ["", "wrong"])
def test_http_refuses_requests_without_the_token(served: Settings, token: str) -> None:
    headers = authorise(served, token)
    answer = httpx.post(served.mcp_url, json={}, headers=headers, timeout=PATIENCE_S)
    assert answer.status_code == 401
    assert answer.json() == {"error": "give the token: Authorization: Bearer TOKEN"}
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.stack
def test_http_refuses_pages_of_other_sites_even_with_the_token(served: Settings) -> None:
    for header in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        headers = authorise(served) | header
        answer = httpx.post(served.mcp_url, json={}, headers=headers, timeout=PATIENCE_S)
        assert answer.status_code == 403


def test_an_origin_that_is_no_url_is_another_site(offline: Settings) -> None:
    with TestClient(create_app(offline), base_url="http://localhost") as client:
        answer = client.post("/mcp", json={}, headers={"Origin": "http://[::1"})
    assert answer.status_code == 403


@pytest.mark.parametrize("base", ["/liq", "/", "/a%20b"])
def test_http_is_below_the_base_url(offline: Settings, base: str) -> None:
    behind = offline.model_copy(update={"base_url": base})
    path = "/mcp" if base == "/" else f"{base}/mcp"
    assert behind.mcp_url == f"http://127.0.0.1:{behind.mcp_port}{path}"
    request = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    headers = authorise(behind) | {"Accept": "application/json, text/event-stream"}
    with TestClient(create_app(behind), base_url="http://localhost") as client:
        assert client.post(path, json=request, headers=headers).json()["result"] == {}
        assert client.post("/other/mcp", json=request, headers=headers).status_code == 404


async def test_a_venue_is_found_whatever_its_case(offline: Settings) -> None:
    async with Client(create_server(offline)) as client:
        assert await read(client, "liq://venues/OKX") == await read(client, "liq://venues/okx")


async def test_a_null_is_no_value(offline: Settings) -> None:
    async with Client(create_server(offline)) as client:
        result = await client.call_tool("totals", {"rows": None, "window": None, "until": None})
    assert text_of(result).startswith("cannot reach QuestDB")


def test_ctrl_c_ends_a_server_that_waits_on_stdin(offline: Settings) -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    with subprocess.Popen(
        [sys.executable, "-m", "liq", "mcp"],
        env=os.environ | offline.environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        assert process.stdout.readline()  # it serves
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_S)
        assert process.stderr.read() == ""


def test_ctrl_c_ends_a_server_over_http(offline: Settings) -> None:
    with running(offline, "-m", "liq", "mcp", "--http") as process:
        eventually(lambda: checks.is_listening("127.0.0.1", offline.mcp_port))
        assert "Traceback" not in finish(process, signal.SIGINT)


def test_without_the_sdk_one_line_says_how_to_get_it(offline: Settings) -> None:
    hidden = "import sys; sys.modules['mcp'] = None; sys.argv = ['liq', 'mcp']; "
    done = subprocess.run(
        [sys.executable, "-c", hidden + "from liq.cli import main; main()"],
        env=os.environ | offline.environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    said = " ".join(done.stderr.split())
    assert said == (
        "error: MCP's SDK is not installed: run make setup in a checkout, else"
        " pip install 'mcp<3,>=2.3'"
    )
