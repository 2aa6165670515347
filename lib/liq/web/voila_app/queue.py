"""The queue of visitors for whose pages the dashboard has no kernel yet.

Each page has a kernel of its own: a process, about 90 MB of memory, and a few seconds of a
processor to start. A `Queue` bounds how many there are and how many start at once. Everyone else
waits; first come, first served.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

PATIENCE_S = 15.0  # a visitor who does not ask for so long has left the queue
STARTING_S = 20.0  # a page that takes longer than this to start holds up nobody else's start
LONGEST = 500  # visitors who wait; others are told the length and keep no position


@dataclass(eq=False, slots=True)
class Place:
    """The right to one kernel: taken when a page starts, kept until its kernel has ended."""

    visitor: str
    since: float
    kernel: str | None = None
    is_starting: bool = True


@dataclass(slots=True)
class Queue:
    """At most ``places`` pages, at most ``starts`` of them starting, and the visitors who wait.

    A quarter of the places is never one visitor's: one with many tabs leaves some to others.
    ``is_running`` says whether a kernel still runs.
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
        if self.has_share(visitor) or self.ahead_of(visitor) >= self._startable(now):
            return None
        self._waiting.pop(visitor, None)
        place = Place(visitor, now)
        self._taken.add(place)
        return place

    def release(self, place: Place) -> None:
        """Give back the place of a page that got no kernel."""
        self._taken.discard(place)

    def ahead_of(self, visitor: str) -> int:
        """Return how many visitors get their page before this one."""
        return sum(not self.has_share(each) for each in self._before(visitor))

    def has_share(self, visitor: str) -> bool:
        """Whether the visitor has as many pages as one visitor may have."""
        share = self.places - self.places // 4
        return sum(place.visitor == visitor for place in self._taken) >= share

    @property
    def taken(self) -> int:
        """How many places are taken."""
        return len(self._taken)

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits and no page starts."""
        return not self._waiting and not any(each.is_starting for each in self._taken)

    def _startable(self, now: float) -> int:
        starting = sum(each.is_starting and now - each.since < STARTING_S for each in self._taken)
        return min(self.places - self.taken, self.starts - starting)

    def _before(self, visitor: str) -> Iterator[str]:
        for each in self._waiting:
            if each == visitor:
                return
            yield each

    def _forget(self, now: float) -> None:
        """Forget pages whose kernel has ended, and visitors who no longer ask."""
        self._taken = {one for one in self._taken if not one.kernel or self.is_running(one.kernel)}
        asking = self._waiting.items()
        self._waiting = {each: asked for each, asked in asking if now - asked < PATIENCE_S}
