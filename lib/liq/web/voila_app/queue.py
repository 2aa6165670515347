"""The queue of visitors whose pages have no kernel yet.

Each page has its own kernel: a process with about 90 MB of memory, which takes a few seconds of
processor time to start. A `Queue` limits the number of kernels and how many start at once. Other
visitors wait; first come, first served.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

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
