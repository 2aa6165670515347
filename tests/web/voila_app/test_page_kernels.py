"""The kernel of one page, between its pool and the page."""

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

from liq.web.serve import IDLE_KERNEL
from liq.web.voila_app.admission import PageKernels, Place


class Pool(AsyncMappingKernelManager):
    """Jupyter's manager with one preheated kernel, which has waited for an hour."""

    ended: tuple[str, ...] = ()

    def preheat(self) -> None:
        """Add the kernel to those that run."""
        self._kernels["ready"] = SimpleNamespace(
            last_activity=datetime.now(UTC) - timedelta(hours=1),
            execution_state="idle",
            kernel_name="python3",
            kernel_spec=SimpleNamespace(metadata={}),
        )

    async def get_rendered_notebook(self, **_options: Any) -> tuple[Any, ...]:
        """Return the preheated kernel, as Voila's pool does."""
        return [], None, "ready"

    # Jupyter's two base classes differ in what it returns
    async def shutdown_kernel(self, *given: str, **_options: Any) -> None:  # type: ignore[override]
        """Note that the kernel was stopped."""
        self.ended += given


async def test_a_preheated_kernel_is_not_stopped_as_idle_before_its_page_connects() -> None:
    manager: Any = Pool(cull_idle_timeout=IDLE_KERNEL)  # type: ignore[no-untyped-call]
    manager.preheat()
    place = Place("visitor", time.monotonic())
    await PageKernels(SimpleNamespace(manager=manager), place).get_rendered_notebook()  # type: ignore[arg-type]
    await manager.cull_kernel_if_idle("ready")
    assert (place.kernel, manager.ended) == ("ready", ())
