import socket

import pytest

from liq.common.addresses import check_free, is_ip, is_loopback, name_local


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_these_hosts_are_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "liq.test", "a.localhost", ""])  # noqa: S104
def test_other_hosts_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_a_server_on_all_networks_is_reached_at_loopback() -> None:
    assert {name_local(host) for host in ("0.0.0.0", "::")} == {"127.0.0.1"}  # noqa: S104
    assert [name_local(host) for host in ("10.0.0.1", "liq.test")] == ["10.0.0.1", "liq.test"]


def test_a_name_is_no_ip_address() -> None:
    assert [is_ip(host) for host in ("::1", "10.0.0.1", "liq.test", "")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_port_on_which_a_server_listens_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            check_free("127.0.0.1", port)
    check_free("127.0.0.1", port)


def test_an_address_of_another_machine_is_not_free() -> None:
    with pytest.raises(OSError, match="assign"):
        check_free("192.0.2.1", 0)
