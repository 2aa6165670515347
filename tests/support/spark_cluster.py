"""docker-compose.yml's very master and worker of Spark, as processes of this machine.

These JVMs get the configuration of its containers, but all listen on ports of 127.0.0.1.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from support.helpers import eventually, find_free_ports, kill_tree

ROOT = Path(__file__).parents[2]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


class Cluster:
    """A master and a worker of one core."""

    def __init__(self, folder: Path) -> None:
        ports = find_free_ports().values()
        self._folder = folder
        self._port, self._pages, self._worker_pages, *_ = ports
        self.address = f"spark://127.0.0.1:{self._port}"
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the master and the worker, and wait until the one knows the other."""
        ports = ("--port", f"{self._port}", "--webui-port", f"{self._pages}")
        self._start("spark-master", *ports)
        options = ("--host", "127.0.0.1", "--webui-port", f"{self._worker_pages}")
        self._start("spark-worker", *options)
        eventually(lambda: self.state()["aliveworkers"] == 1, every=0.5)

    def stop(self) -> None:
        """Stop both, the worker first."""
        while self._processes:
            process = self._processes.pop()
            process.terminate()
            process.wait(60)

    def kill(self) -> None:
        """Kill both, and what the worker has started, as ``kill -9`` of their containers would."""
        while self._processes:
            kill_tree(self._processes.pop())

    def _start(self, name: str, *options: str) -> None:
        """Start a service of docker-compose.yml on this machine, its output in a log."""
        programs = Path(sys.executable).parent
        program, main, *words = SERVICES[name]["command"]
        command = [str(programs / program), main, *options]
        variables = {key: str(value) for key, value in SERVICES[name]["environment"].items()}
        variables |= {"PATH": f"{programs}:{os.environ['PATH']}", "SPARK_LOCAL_IP": "127.0.0.1"}
        with (self._folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*command, *map(self._localised, words)],
                env=os.environ | variables,
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)

    def state(self) -> dict[str, Any]:
        """Return the workers and jobs that the master reports."""
        url = f"http://127.0.0.1:{self._pages}/json/"
        try:
            return dict(httpx.get(url, timeout=10).raise_for_status().json())
        except (httpx.HTTPError, ValueError) as error:  # at first it has no such page, or another
            raise AssertionError("the master is not there yet") from error

    def _localised(self, word: str) -> str:
        word = word.replace("spark://spark-master:7077", self.address)
        return word.replace("spark-master", "127.0.0.1").replace("/tmp", str(self._folder))  # noqa: S108


@contextmanager
def spark_cluster(folder: Path) -> Iterator[Cluster]:
    """Run one, its logs and what it writes in ``folder``, until the block ends."""
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
