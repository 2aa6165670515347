"""Admission of visitors: the queue in front of Voila's notebook pages.

Each page has its own kernel: a process with about 90 MB of memory, which takes a few seconds of
processor time to start. A `Queue` limits the number of kernels and how many start at once. Other
visitors wait; first come, first served.
"""

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from tornado.web import authenticated
from voila.tornado.handler import TornadoVoilaHandler

from liq.common.compat import voila_pages

NEXT = 5  # the first visitors of the queue retry often, as their turn comes soon
SOON_S, LATER_S = 2, 5
PATIENCE_S = 15.0  # a visitor without a request for this long has left the queue
STARTING_S = 20.0  # a page that starts for longer no longer delays other pages
LONGEST = 500  # waiting visitors; further visitors see the length and have no position


@dataclass(eq=False, slots=True)
class Place:
    """The right to one kernel, from the start of a page to the end of its kernel."""

    visitor: str
    since: float
    kernel: str | None = None
    is_starting: bool = True


@dataclass(slots=True)
class Queue:
    """At most ``places`` pages, of which ``starts`` may be starting, and the waiting visitors.

    One visitor may take three quarters of the places, so that many tabs leave some to others.
    ``is_running`` returns whether a kernel still runs.
    """

    places: int
    starts: int
    is_running: Callable[[str], bool]
    clock: Callable[[], float] = time.monotonic
    _taken: set[Place] = field(default_factory=set)
    _waiting: dict[str, float] = field(default_factory=dict)  # visitor, in order: last asked at

    def admit(self, visitor: str) -> Place | None:
        """Return a place for a page of this visitor, or None if the visitor has to wait."""
        now = self.clock()
        self._forget(now)
        if visitor in self._waiting or len(self._waiting) < LONGEST:
            self._waiting[visitor] = now
        if self.has_share(visitor) or self.ahead_of(visitor) >= self._count_startable(now):
            return None
        self._waiting.pop(visitor, None)
        place = Place(visitor, now)
        self._taken.add(place)
        return place

    def release(self, place: Place) -> None:
        """Give back the place of a page that got no kernel."""
        self._taken.discard(place)

    def ahead_of(self, visitor: str) -> int:
        """Return the number of visitors who get their page before this one."""
        return sum(not self.has_share(each) for each in self._list_before(visitor))

    def has_share(self, visitor: str) -> bool:
        """Return whether the visitor has the maximum number of pages per visitor."""
        share = self.places - self.places // 4
        return sum(place.visitor == visitor for place in self._taken) >= share

    @property
    def taken(self) -> int:
        """The number of places in use."""
        return len(self._taken)

    @property
    def is_idle(self) -> bool:
        """Whether no visitor waits and no page starts."""
        return not self._waiting and not any(each.is_starting for each in self._taken)

    def _count_startable(self, now: float) -> int:
        starting = sum(each.is_starting and now - each.since < STARTING_S for each in self._taken)
        return min(self.places - self.taken, self.starts - starting)

    def _list_before(self, visitor: str) -> Iterator[str]:
        for each in self._waiting:
            if each == visitor:
                return
            yield each

    def _forget(self, now: float) -> None:
        """Remove pages whose kernel has ended, and visitors who have left."""
        self._taken = {one for one in self._taken if not one.kernel or self.is_running(one.kernel)}
        asking = self._waiting.items()
        self._waiting = {each: asked for each, asked in asking if now - asked < PATIENCE_S}


class Admission:
    """Admits pages in the order of the queue, and limits the number of kernels.

    At most ``places`` kernels run, including the ``preheated`` ones. The cookie named ``cookie``
    identifies a visitor.
    """

    def __init__(
        self, manager: Any, places: int, preheated: int, notebook: str, cookie: str
    ) -> None:
        self.manager = manager
        self.queue = Queue(places, os.cpu_count() or 1, manager.__contains__)
        self.preheated = min(preheated, places)
        self.notebook = notebook
        self.cookie = cookie

    def admit(self, visitor: str) -> "PageKernels | None":
        """Return the kernel manager for a page of this visitor; None if the visitor has to wait."""
        place = self.queue.admit(visitor)
        if place is None:
            return None
        self.size_pool()
        return PageKernels(self, place)

    @property
    def pool(self) -> list[asyncio.Task[Any]]:
        """Voila's preheated kernels, ready or not."""
        return voila_pages.find_pool(self.manager, self.notebook) if self.preheated else []

    def size_pool(self) -> None:
        """Preheat kernels if no page starts and there are free places."""
        if not self.preheated:
            return
        room = self.queue.places - self.queue.taken
        size = min(self.preheated, room) if self.queue.is_idle else 0
        self.manager.kernel_pools_config = {"default": {"pool_size": size}}
        self.manager.fill_if_needed(notebook_name=self.notebook)

    async def make_room(self) -> None:
        """Stop preheated kernels until there is a place for one more kernel."""
        while self.pool and self.queue.taken + len(self.pool) > self.queue.places:
            preheated = self.pool.pop()
            await asyncio.wait([preheated])
            if not preheated.exception():
                await self.manager.shutdown_kernel(preheated.result()["kernel_id"], now=True)


class PageKernels:
    """The kernel manager of one page, which assigns the page's kernel to its place."""

    def __init__(self, admission: Admission, place: Place) -> None:
        self._admission = admission
        self._manager = admission.manager
        self.place = place

    def __getattr__(self, name: str) -> Any:
        return getattr(self._manager, name)

    def get_pool_size(self, notebook: str) -> int:
        """Return the number of preheated kernels; 0 while the first one is still starting."""
        pool = self._admission.pool if notebook == self._admission.notebook else []
        return len(pool) if pool and pool[0].done() else 0

    async def get_rendered_notebook(self, **options: Any) -> Any:
        """Return a preheated kernel with its rendered cells."""
        rendered = await self._manager.get_rendered_notebook(**options)
        self.place.kernel = rendered[-1]
        # it has waited for minutes, and would be stopped as idle before its page connects
        self._manager.get_kernel(rendered[-1]).last_activity = datetime.now(UTC)
        return rendered

    async def start_kernel(self, **options: Any) -> str:
        """Start a kernel and return its id."""
        await self._admission.make_room()
        self.place.kernel = await self._manager.start_kernel(**options)
        return self.place.kernel

    async def finish(self, *, is_left: bool) -> None:
        """Mark the page as complete; stop its kernel if ``is_left`` by the visitor."""
        self.place.is_starting = False
        if self.place.kernel is None:
            self._admission.queue.release(self.place)
        elif is_left and self.place.kernel in self._manager:
            await self._manager.shutdown_kernel(self.place.kernel)
        self._admission.size_pool()


class QueuedPage(TornadoVoilaHandler):  # type: ignore[misc] # Voila ships no types
    """A notebook as a page; until it is the visitor's turn, the queue's page."""

    _kernels: PageKernels | None = None
    _is_left = False

    def initialize(self, admission: Admission, assets_url: str, **options: Any) -> None:
        """Set the queue and the address of the pages' files."""
        super().initialize(**options)
        self._admission = admission
        self._assets_url = assets_url

    @property
    def kernel_manager(self) -> Any:
        """The kernel manager for Voila, with the page's place while the page is made."""
        return self._kernels or self._admission.manager

    def on_connection_close(self) -> None:
        """Remember that the visitor has left."""
        self._is_left = True
        super().on_connection_close()

    @authenticated
    async def get(self) -> None:
        """Send the page, or the visitor's place in the queue."""
        visitor = self._visitor()
        self._kernels = self._admission.admit(visitor)
        if self._kernels is None:
            self._show_queue(visitor)
            return
        is_made = False
        try:
            await super().get()
            is_made = True
        finally:
            await self._kernels.finish(is_left=self._is_left or not is_made)

    def _visitor(self) -> str:
        """Return the visitor's identity, from a cookie that this server has signed."""
        if known := self.get_signed_cookie(self._admission.cookie):
            return str(known.decode())
        visitor = secrets.token_urlsafe(16)
        self.set_signed_cookie(
            self._admission.cookie, visitor, expires_days=None, path=self.base_url
        )
        return visitor

    def _show_queue(self, visitor: str) -> None:
        queue = self._admission.queue
        ahead = queue.ahead_of(visitor)
        seconds = SOON_S if ahead < NEXT else LATER_S
        self.set_status(HTTPStatus.SERVICE_UNAVAILABLE)
        self.set_header("Retry-After", str(seconds))
        self.set_header("Cache-Control", "no-store")
        self.finish(
            self.render_template(
                "queue.html",
                dark=self.notebook_path == self._admission.notebook,
                ahead=ahead,
                has_share=queue.has_share(visitor),
                places=queue.places,
                taken=queue.taken,
                seconds=seconds,
                assets=self._assets_url,
            )
        )
