"""What every test can use: an environment without the developer's settings, and the real stack."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TypeVar

import pytest

from liq import config
from liq import stack as local
from liq.config import Settings

_T = TypeVar("_T")
_PORTS = [name for name in Settings.model_fields if name.endswith("_port")]


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> Iterator[None]:
    """Keep the developer's ``LIQ_*`` variables out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("LIQ_")]:
            patch.delenv(name)
        config.settings.cache_clear()
        yield
    config.settings.cache_clear()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, _clean_environment: None) -> Iterator[Settings]:
    """The running Kafka, Connect and QuestDB of this session, on free ports, with their own data.

    Tests share it: work on a topic, table and connector of your own, ``settings.model_copy(update=
    {...})``.
    """
    settings = Settings.load(home=tmp_path_factory.mktemp("liq"), **free_ports())
    try:
        local.up(settings)
        yield settings
    finally:
        local.down(settings)


def free_ports() -> dict[str, int]:
    """Return a port that is free now for each port setting."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in _PORTS]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return dict(zip(_PORTS, (each.getsockname()[1] for each in sockets), strict=True))


def eventually(attempt: Callable[[], _T], *, deadline: float = 30.0, every: float = 0.05) -> _T:
    """Call ``attempt`` until it returns something true, and return that; fail at the deadline.

    An `AssertionError` in ``attempt`` means "not yet"; the last one is the failure's cause.
    """
    end = time.monotonic() + deadline
    while True:
        cause: AssertionError | None = None
        try:
            if result := attempt():
                return result
        except AssertionError as error:
            cause = error
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline:.0f} s: {attempt}") from cause
        time.sleep(every)
