"""A Connect worker of a test's own, on the session's Kafka and QuestDB."""

import dataclasses
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from liq.config import Settings
from liq.stack import control
from liq.stack.servers import CONNECT, define_servers
from support.helpers import find_free_ports


@contextmanager
def own_worker(
    stack: Settings, home: Path, *, policy: str = "Allowlist", **changes: object
) -> Iterator[Settings]:
    """Start a worker that shares no connector with the stack's, and return its settings.

    ``policy`` says which settings of clients a connector may override.
    """
    port = find_free_ports()["connect_port"]
    settings = stack.model_copy(update={"home": home, "connect_port": port, **changes})
    [worker] = [service for service in define_servers(settings) if service.name == CONNECT]
    [(file, text)] = worker.files.items()
    own = uuid.uuid4().hex[:8]
    for name in ("liq-connect", "connect-configs", "connect-offsets", "connect-status"):
        text = text.replace(f"={name}\n", f"={name}-{own}\n")
    text = text.replace(".policy=Allowlist\n", f".policy={policy}\n")
    worker = dataclasses.replace(worker, files={file: text})
    control.launch([worker], settings)
    try:
        control.wait_healthy(worker)
        yield settings
    finally:
        control.end([worker], settings)
