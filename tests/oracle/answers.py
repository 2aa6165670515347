"""The computation of each query, by its key."""

from collections.abc import Callable

from oracle import feeds, prices, prints, runs, series
from oracle.compare import Answer
from oracle.tables import Values
from oracle.world import World

ANSWERS: dict[str, Callable[[World, Values], Answer]] = {
    "latest_timestamp": prints.latest_timestamp,
    "liquidations_by_bucket": series.liquidations_by_bucket,
    "cumulative_net": series.cumulative_net,
    "totals": prints.totals,
    "top_symbols": prints.top_symbols,
    "top_assets": prints.top_assets,
    "by_exchange": prints.by_exchange,
    "venue_share": series.venue_share,
    "by_symbol_bucket": series.by_symbol_bucket,
    "size_distribution": prints.size_distribution,
    "size_classes": prints.size_classes,
    "largest_prints": prints.largest_prints,
    "latest_prints": prints.latest_prints,
    "print": prints.print_,
    "prints": prints.prints,
    "cascades": runs.cascades,
    "cascade_prints": runs.cascade_prints,
    "heatmap": series.heatmap,
    "hour_of_day": series.hour_of_day,
    "price_by_bucket": series.price_by_bucket,
    "price_path": prices.price_path,
    "print_reactions": prices.print_reactions,
    "one_sided": prints.one_sided,
    "stored_cascades": runs.stored_cascades,
    "stored_sums": series.stored_sums,
    "alerts": feeds.alerts,
    "sources": prints.sources,
    "left_out": prints.left_out,
    "feed_health": feeds.feed_health,
    "coverage": feeds.coverage,
    "feed_coverage": feeds.feed_coverage,
    "covered": feeds.covered,
}
