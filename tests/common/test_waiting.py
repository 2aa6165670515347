import time

import pytest

from liq.common.waiting import pause_s, poll_until


def test_pauses_double_up_to_the_longest() -> None:
    assert [pause_s(failures, 0.25, 2.0) for failures in range(7)] == [0, 0.25, 0.5, 1, 2, 2, 2]


def test_pauses_without_a_limit_go_on_doubling() -> None:
    assert [pause_s(failures, 1.0) for failures in range(1, 7)] == [1, 2, 4, 8, 16, 32]


def test_failures_for_weeks_do_not_overflow() -> None:
    assert pause_s(1_000_000, 1.0, 60.0) == 60


def test_polling_ends_as_soon_as_the_condition_is_true() -> None:
    answers = iter([False, 0, "yes"])
    assert poll_until(lambda: next(answers), 60, every_s=0.001)
    assert next(answers, None) is None


def test_polling_gives_up_at_the_deadline_but_asks_once() -> None:
    answers = iter([False] * 1000)
    assert not poll_until(lambda: next(answers), 0, every_s=0.001)
    assert len([*answers]) < 1000


def test_polling_pauses_no_longer_than_until_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    assert not poll_until(lambda: False, 0.01, every_s=3600)
    assert max(pauses) <= 0.01
