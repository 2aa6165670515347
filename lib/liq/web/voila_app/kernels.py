"""The kernel provisioner that forks kernels, see `liq.web.voila_app.forking`.

Jupyter finds `Forked` by an entry point of this package. Every command imports `forking`; only
Jupyter's servers import this module, since jupyter_client would slow all commands.
"""

import asyncio
import os
import sys
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from liq.web.voila_app import forking

_LAUNCHER = ["-m", "liq.common.kernels.program"]


class Forked(LocalProvisioner):
    """Forks kernels of the running Python; starts other kernels as Jupyter does."""

    process: Any

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel of ``cmd`` in its own session."""
        python, *arguments = cmd
        if python != sys.executable or arguments[:2] != _LAUNCHER:
            return await super().launch_kernel(cmd, **kwargs)
        environ, folder = dict(kwargs.get("env") or os.environ), str(kwargs.get("cwd") or ".")
        try:
            # in a thread: the first fork takes seconds and must not block the server
            self.process = await asyncio.to_thread(forking.fork, arguments[2:], environ, folder)
        except (OSError, EOFError) as error:
            self.log.warning("No kernel can be forked, so one is started: %r", error)
            return await super().launch_kernel(cmd, **kwargs)
        self.pid = self.pgid = self.process.pid
        self.cwd = folder
        return self.connection_info
