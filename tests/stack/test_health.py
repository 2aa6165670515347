"""Probes against things that are not what they look for; the real ones are in test_control."""

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from liq.config import Settings
from liq.errors import StackError
from liq.ingest.simulator.server import Simulator
from liq.stack import health
from support.helpers import find_free_ports

HOST = "127.0.0.1"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(home=tmp_path, **find_free_ports())


class NotFound(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web_port() -> Iterator[int]:
    with ThreadingHTTPServer((HOST, 0), NotFound) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_nobody_there() -> None:
    port = find_free_ports()["kafka_port"]
    assert not health.is_listening(HOST, port)
    assert not health.answers_http(HOST, port, "/")
    assert not health.is_kafka_ready(HOST, port)
    assert not health.opens_websocket(f"ws://{HOST}:{port}/")
    assert not health.answers_url(f"http://{HOST}:{port}/")


def test_another_server_there(web_port: int) -> None:
    assert health.is_listening(HOST, web_port)
    assert not health.answers_http(HOST, web_port, "/health")
    assert not health.is_kafka_ready(HOST, web_port)
    assert not health.opens_websocket(f"ws://{HOST}:{web_port}/")
    assert not health.opens_websocket(f"wss://{HOST}:{web_port}/")
    assert not health.answers_url(f"http://{HOST}:{web_port}/")
    assert not health.answers_url(f"https://{HOST}:{web_port}/")


def _hang_up(server: socket.socket) -> None:
    server.accept()[0].close()


def test_one_that_hangs_up() -> None:
    with socket.create_server((HOST, 0)) as server:
        threading.Thread(target=_hang_up, args=[server], daemon=True).start()
        assert not health.is_kafka_ready(HOST, server.getsockname()[1])


@pytest.mark.usefixtures("patient_probes")
async def test_an_exchange_is_reported_by_its_websocket(settings: Settings) -> None:
    async with Simulator(settings=settings) as simulator:
        assert await asyncio.to_thread(health.opens_websocket, simulator.url)


def test_free_ports_pass() -> None:
    health.require_free("127.0.0.1", find_free_ports())


def test_a_taken_port_is_an_error_that_names_port_process_and_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(StackError) as caught:
            health.require_free("127.0.0.1", find_free_ports() | {"connect_port": port})
    assert f"port {port} is taken by" in str(caught.value)
    assert f"(pid {os.getpid()})" in str(caught.value)
    assert "LIQ_CONNECT_PORT" in str(caught.value)
    assert "LIQ_KAFKA_PORT" not in str(caught.value)


def test_one_port_for_two_is_an_error_that_names_both_settings() -> None:
    with pytest.raises(StackError, match=r"LIQ_KAFKA_PORT and LIQ_LAB_PORT are both 9092"):
        health.require_distinct([("kafka_port", 9092), ("x_port", 1), ("lab_port", 9092)])
