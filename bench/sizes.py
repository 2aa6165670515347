"""How much of everything a comparison does."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of events, unless said otherwise; ``by_script`` where one by one would take long."""

    repeat: int = 5  # rounds
    rate: float = 50  # a second, of latencies
    warm_up: int = 100
    watched: int = 400
    drained: int = 1_000_000
    drained_by_script: int = 50_000
    produced: int = 50_000
    produced_one_by_one: int = 1_000
    decoded: int = 20_000
    stored: int = 100_000  # rows, of queries
    asked: int = 20  # times that a query is
    opened_s: float = 5  # seconds that a page is open before it is watched
    painted_s: float = 30  # seconds that a page is watched for
    changes: int = 20  # of a control in that page
    visitors: int = 10
    apart_s: float = 3  # seconds from one visitor to the next
    points: int = 5_000  # of a chart
    away: float = 60  # seconds that QuestDB is
    after: float = 10  # seconds, about, that events go on for when it is back
    away_rate: float = 1_000  # events a second, all the time
