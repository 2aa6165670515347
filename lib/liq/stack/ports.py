"""Check whether ports are free, and name the process that uses one."""

import contextlib
import random
from collections.abc import Iterable, Mapping

import psutil

from liq.common import addresses
from liq.config import Settings
from liq.errors import StackError

_LOOPBACK = "127.0.0.1"
# below the range of outgoing connections: a client that retries a stopped server's port could
# otherwise get that port as its own, and occupy it
_CHOICE = range(15_000, 32_000)


def find_free_ports() -> dict[str, int]:
    """Return a free port for each port setting: what a second stack beside a running one needs."""
    candidates = iter(random.sample(_CHOICE, 1_000))
    names = (name for name in Settings.model_fields if name.endswith("_port"))
    return {name: next(port for port in candidates if _free(_LOOPBACK, port)) for name in names}


def require_free(host: str, ports: Mapping[str, int]) -> None:
    """Raise `StackError` if a port (setting's name to number) is in use, saying by whom."""
    taken = [(name, port) for name, port in ports.items() if not _free(host, port)]
    if taken:
        faults = (
            f"port {port} is taken{_owner(port)}: set LIQ_{name.upper()}" for name, port in taken
        )
        raise StackError(f"{'; '.join(faults)} to another port, or end what uses it")


def require_distinct(ports: Iterable[tuple[str, int]]) -> None:
    """Raise `StackError` if two settings choose the same port."""
    seen: dict[int, str] = {}
    for name, port in ports:
        if port in seen:
            both = f"LIQ_{seen[port].upper()} and LIQ_{name.upper()}"
            raise StackError(f"{both} are both {port}; give each a port of its own")
        seen[port] = name


def _free(host: str, port: int) -> bool:
    try:
        addresses.check_free(host, port)
    except OSError:
        return False
    return True


def _owner(port: int) -> str:
    with contextlib.suppress(psutil.Error):  # macOS shows the sockets of others to root only
        for socket_ in psutil.net_connections("tcp"):
            listens = socket_.status == psutil.CONN_LISTEN and socket_.laddr[1:] == (port,)
            if listens and socket_.pid:
                return f" by {psutil.Process(socket_.pid).name()} (pid {socket_.pid})"
    return ""
