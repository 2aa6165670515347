"""The containers of docker-compose.yml: started, inspected, killed and removed by its client."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from support.helpers import eventually

ROOT = Path(__file__).parents[2]
START_S = 300.0  # on two busy cores
_OVERRIDE = "tests/compose/override.yml"
_MOST = 0.95  # of its memory limit that a container may use


def docker(*words: str | Path) -> str:
    """Run Docker's client and return its output; fail with what it says."""
    done = subprocess.run(
        ["docker", *words],  # noqa: S607 - the one of tests/compose/engine
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"docker {words[0]}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


@dataclass(frozen=True)
class Containers:
    """The containers of a project.

    ``services`` are those to start, with what they depend on; by default all of the profiles.
    """

    env: Path
    profiles: Sequence[str]
    files: Sequence[str] = ("docker-compose.yml",)
    services: Sequence[str] = ()

    def compose(self, *words: str) -> str:
        """Run a command of `docker compose` and return its output."""
        options = [f"--file={file}" for file in (*self.files, _OVERRIDE)]
        options += [f"--profile={profile}" for profile in self.profiles]
        return docker("compose", f"--env-file={self.env}", *options, *words)

    def up(self, *options: str) -> None:
        """Start the containers, and wait until all are well."""
        self.compose("up", "--detach", *options, *self.services)
        self.wait_until_well()

    def down(self, *options: str) -> None:
        """Stop and remove all containers."""
        self.compose("down", *options)

    @contextmanager
    def running(self) -> Iterator["Containers"]:
        """Start the containers, and remove them at the end; fail if anything is left then."""
        self.down("--volumes")  # of a run that was killed
        self.up()
        try:
            yield self
        finally:
            self.down("--volumes")
        assert docker("volume", "ls", "--quiet") == ""
        assert docker("ps", "--all", "--quiet") == ""
        assert docker("images", "--quiet", "--filter", "dangling=true") == ""

    def run_in(self, service: str, *command: str) -> str:
        """Run a command in a service's container and return its output."""
        return self.compose("exec", "--no-TTY", service, *command)

    def inspect(self) -> dict[str, dict[str, Any]]:
        """Return what Docker knows about each container, by service."""
        names = self.compose("ps", "--all", "--quiet").split()
        found = json.loads(docker("inspect", *names)) if names else []
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in found}

    def list_servers(self) -> list[str]:
        """Return the services that run for ever."""
        return [service for service, found in self.inspect().items() if _is_server(found)]

    def wait_until_well(self) -> None:
        """Fail unless servers come to run and be healthy, and other containers to succeed."""

        def are_well() -> bool:
            unwell = {
                service: found["State"]
                for service, found in self.inspect().items()
                if not _is_well(found)
            }
            assert not unwell, unwell
            return True

        eventually(are_well, deadline=START_S, every=1.5)  # with two programs each time

    def kill(self, *services: str) -> None:
        """Kill the first process of each container, and wait until Docker has restarted it."""
        before = self.inspect()
        for service in services:
            os.kill(before[service]["State"]["Pid"], signal.SIGKILL)
        for service in services:
            count = before[service]["RestartCount"]
            eventually(partial(self._is_restarted, count, service), every=0.5)
        self.wait_until_well()

    def _is_restarted(self, count: int, service: str) -> bool:
        return bool(self.inspect()[service]["RestartCount"] > count)

    def check_memory(self) -> None:
        """Fail if a container nears its memory limit, or was killed at it."""
        lines = docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemPerc}}").splitlines()
        shares = {name: float(share.rstrip("%")) / 100 for name, share in map(str.split, lines)}
        assert shares
        assert max(shares.values()) < _MOST, shares
        assert not [name for name, each in self.inspect().items() if each["State"]["OOMKilled"]]

    def check_logs(self) -> None:
        """Fail if a log contains a password or token."""
        secrets = {
            name: value
            for line in self.env.read_text().splitlines()
            for name, _, value in [line.partition("=")]
            if name.endswith(("_PASSWORD", "_TOKEN")) and value
        }
        logs = self.compose("logs", "--no-color").splitlines()
        assert secrets
        assert logs
        for name, value in secrets.items():
            lines = [line.replace(value, "...") for line in logs if value in line]
            assert not lines, f"{name} is in a log: {lines[0]}"


def _is_server(found: dict[str, Any]) -> bool:
    return bool(found["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped")


def _is_well(found: dict[str, Any]) -> bool:
    state = found["State"]
    if not _is_server(found):
        return (state["Status"], state["ExitCode"]) == ("exited", 0)
    return bool(
        state["Running"] and state.get("Health", {"Status": "healthy"})["Status"] == "healthy"
    )
