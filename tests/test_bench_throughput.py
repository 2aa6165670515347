"""The figures of ``bench all-venues``."""

import pytest
from bench.throughput import Moments, compare_with_schedule


def test_feeds_that_begin_apart_are_compared_while_all_are_on() -> None:
    early = [Moments(due / 100, due / 100 + 0.005) for due in range(1_000)]
    late = [Moments(5 + due / 100, 5 + due / 100 + 0.005) for due in range(1_000)]
    figures = compare_with_schedule({"htx": early, "okx": late})
    assert figures["offered_per_s"] == pytest.approx(200, rel=0.01)
    assert figures["carried_per_s"] == pytest.approx(200, rel=0.01)
    assert figures["behind_s"] == pytest.approx(0.005)


def test_events_that_arrive_at_half_the_rate_are_behind() -> None:
    slow = [Moments(due / 100, due / 50) for due in range(1_000)]
    figures = compare_with_schedule({"htx": slow, "okx": slow})
    assert figures["offered_per_s"] == pytest.approx(200, rel=0.01)
    assert figures["carried_per_s"] == pytest.approx(100, rel=0.01)
    assert figures["behind_s"] == pytest.approx(10, rel=0.01)


def test_the_time_for_which_a_venue_gathers_is_no_delay() -> None:
    gathered = [Moments(due / 100, 0.02 + 2 * (1 + due // 200)) for due in range(1_000)]
    assert compare_with_schedule({"orderly": gathered})["behind_s"] == pytest.approx(0.02)


def test_feeds_that_are_never_on_together_are_refused() -> None:
    early, late = [Moments(0, 0), Moments(1, 1)], [Moments(2, 2), Moments(3, 3)]
    with pytest.raises(ValueError, match="at no time were all feeds on"):
        compare_with_schedule({"okx": early, "gate": late})
