"""Addresses to listen on: which of them only this machine reaches, and which are taken."""

import ipaddress
import socket


def is_ip(host: str) -> bool:
    """Return whether ``host`` is an IP address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches ``host``."""
    return ipaddress.ip_address(host).is_loopback if is_ip(host) else host == "localhost"


def name_local(host: str) -> str:
    """Return the address at which this machine reaches a server that listens on ``host``.

    It is ``host`` itself, or loopback for all networks, 0.0.0.0.
    """
    everywhere = is_ip(host) and ipaddress.ip_address(host).is_unspecified
    return "127.0.0.1" if everywhere else host


def check_free(host: str, port: int) -> None:
    """Raise `OSError` if a server cannot listen there, e.g. as another one does."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # as the JVM does: a port is free though connections of an ended server linger on it
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
