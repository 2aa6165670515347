"""The queue in front of the dashboard: who gets a place, who waits, and for how long."""

import pytest

from liq.web.voila_app.admission import LONGEST, PATIENCE_S, STARTING_S, Place, Queue


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def running() -> set[str]:
    """The kernels that run."""
    return set()


@pytest.fixture
def queue(clock: Clock, running: set[str]) -> Queue:
    return Queue(places=4, starts=2, is_running=running.__contains__, clock=clock)


def opened(queue: Queue, running: set[str], visitor: str) -> Place:
    """Admit a visitor whose page is then complete."""
    place = queue.admit(visitor)
    assert place
    place.kernel, place.is_starting = f"kernel of {visitor}", False
    running.add(place.kernel)
    return place


def test_no_more_pages_start_at_once_than_the_bound(queue: Queue) -> None:
    first, second = queue.admit("a"), queue.admit("b")
    assert first
    assert second
    assert queue.admit("c") is None
    first.is_starting = False
    assert queue.admit("c")


def test_no_more_pages_are_open_than_places(queue: Queue, running: set[str]) -> None:
    for visitor in "abcd":
        opened(queue, running, visitor)
    assert queue.admit("e") is None
    assert queue.taken == 4


def test_an_ended_kernel_frees_its_place(queue: Queue, running: set[str]) -> None:
    pages = [opened(queue, running, visitor) for visitor in "abcd"]
    assert queue.admit("e") is None
    running.discard(str(pages[2].kernel))
    assert queue.admit("e")
    assert queue.taken == 4


def test_a_page_without_a_kernel_gives_its_place_back(queue: Queue) -> None:
    place = queue.admit("a")
    assert place
    queue.release(place)
    assert queue.taken == 0


def test_the_first_to_come_is_the_first_served(queue: Queue) -> None:
    places = [queue.admit("a"), queue.admit("b")]
    for visitor in "cde":
        assert queue.admit(visitor) is None
    assert [queue.ahead_of(visitor) for visitor in "cde"] == [0, 1, 2]
    assert places[0]
    places[0].is_starting = False
    assert queue.admit("e") is None
    assert queue.admit("d") is None
    assert queue.admit("c")
    assert [queue.ahead_of(visitor) for visitor in "de"] == [0, 1]


def test_asking_again_changes_no_position(queue: Queue) -> None:
    places = [queue.admit("a"), queue.admit("b")]
    for visitor in "ccccd":
        queue.admit(visitor)
    assert [queue.ahead_of(visitor) for visitor in "cd"] == [0, 1]
    assert all(places)


def test_a_visitor_that_stops_asking_loses_the_position(queue: Queue, clock: Clock) -> None:
    for visitor in "abcd":
        queue.admit(visitor)
    clock.now = PATIENCE_S - 1
    queue.admit("d")
    clock.now = PATIENCE_S + 1
    queue.admit("d")
    assert queue.ahead_of("d") == 0
    queue.admit("c")
    assert queue.ahead_of("c") == 1


def test_a_page_that_hangs_as_it_starts_does_not_stop_the_others(
    queue: Queue, clock: Clock
) -> None:
    assert queue.admit("a")
    assert queue.admit("b")
    assert queue.admit("c") is None
    clock.now = STARTING_S + 1
    assert queue.admit("c")
    assert queue.admit("d")
    assert queue.admit("e") is None  # no place is left


def test_one_visitor_leaves_a_quarter_of_the_places_to_others(
    queue: Queue, running: set[str]
) -> None:
    for _ in range(3):
        opened(queue, running, "greedy")
    assert queue.admit("greedy") is None
    assert queue.has_share("greedy")
    assert not queue.has_share("other")
    assert queue.ahead_of("other") == 0
    assert queue.admit("other")


def test_with_few_places_one_visitor_may_have_all(clock: Clock, running: set[str]) -> None:
    queue = Queue(places=2, starts=2, is_running=running.__contains__, clock=clock)
    assert queue.admit("a")
    assert queue.admit("a")


def test_many_tabs_of_one_visitor_wait_as_one(queue: Queue) -> None:
    for visitor in ["a", "b", *["tabs"] * 30, "c"]:
        queue.admit(visitor)
    assert queue.ahead_of("c") == 1


def test_the_queue_has_an_end(queue: Queue) -> None:
    for number in range(LONGEST + 100):
        queue.admit(str(number))
    assert queue.ahead_of("another") == LONGEST
