"""What is particular to Lighter."""

from liq.ingest.venues.lighter import LIGHTER


def test_requests_of_five_connections_are_within_the_limit_of_a_minute() -> None:
    assert LIGHTER.pace
    assert 5 * (LIGHTER.pace.burst + 60 / LIGHTER.pace.seconds) <= 200
