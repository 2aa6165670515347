from liq.common.backoff import pause_s


def test_pauses_double_up_to_the_longest() -> None:
    assert [pause_s(failures, 0.25, 2.0) for failures in range(7)] == [0, 0.25, 0.5, 1, 2, 2, 2]


def test_pauses_without_a_limit_go_on_doubling() -> None:
    assert [pause_s(failures, 1.0) for failures in range(1, 7)] == [1, 2, 4, 8, 16, 32]


def test_failures_for_weeks_do_not_overflow() -> None:
    assert pause_s(1_000_000, 1.0, 60.0) == 60
