import os
import socket

import pytest

from liq.errors import StackError
from liq.stack import ports
from support.helpers import find_free_ports


def test_free_ports_pass() -> None:
    ports.require_free("127.0.0.1", find_free_ports())


def test_a_taken_port_is_an_error_that_names_port_process_and_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(StackError) as caught:
            ports.require_free("127.0.0.1", find_free_ports() | {"connect_port": port})
    assert f"port {port} is taken by" in str(caught.value)
    assert f"(pid {os.getpid()})" in str(caught.value)
    assert "LIQ_CONNECT_PORT" in str(caught.value)
    assert "LIQ_KAFKA_PORT" not in str(caught.value)


def test_one_port_for_two_is_an_error_that_names_both_settings() -> None:
    with pytest.raises(StackError, match=r"LIQ_KAFKA_PORT and LIQ_LAB_PORT are both 9092"):
        ports.require_distinct([("kafka_port", 9092), ("x_port", 1), ("lab_port", 9092)])
