"""`liq.hit`, with the shipped queries. `make docs` writes this file from queries.json."""

import collections.abc
import datetime
from typing import Any, Literal

from pandas import DataFrame

import liq.config

_Key = Literal["latest_timestamp", "liquidations_by_bucket", "cumulative_net", "totals", "top_symbols", "top_assets", "by_exchange", "venue_share", "by_symbol_bucket", "size_distribution", "size_classes", "largest_prints", "latest_prints", "print", "prints", "cascades", "cascade_prints", "heatmap", "hour_of_day", "price_by_bucket", "price_path", "print_reactions", "one_sided", "stored_cascades", "stored_sums", "alerts", "sources", "left_out", "odd_rows", "feed_health", "coverage", "feed_coverage", "covered"]

class Hit:
    """The queries of the catalogue: ``liq.hit.top_symbols(window="15m")`` returns its rows.

    Your own queries of ``LIQ_QUERIES`` are ``liq.hit("mine", …)``.
    """

    def __call__(
        self,
        key: _Key | str,
        /,
        *,
        settings: liq.config.Settings | None = None,
        **params: Any,
    ) -> DataFrame: ...
    def __getitem__(self, key: _Key | str) -> collections.abc.Callable[..., DataFrame]: ...
    def latest_timestamp(
        self,
        *,
        until: str | datetime.date | datetime.datetime | None = None,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Newest and oldest venue time and the number of rows up to now. It is cheap enough to
        poll many times a second. The number includes odd rows, which other queries leave out
        (left_out). A time is null if the nearest 1,000 rows are all odd.

        Args:
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            ts: datetime64[us, UTC]
            first_ts: datetime64[us, UTC]
            rows: int64, rows
        """
    def liquidations_by_bucket(
        self,
        *,
        bucket: Literal["1s", "5s", "10s", "30s", "1m", "5m", "15m", "30m", "1h", "4h", "1d"] = "1m",
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        symbols: collections.abc.Sequence[str] = (),
        assets: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        min_notional: float | None = None,
        max_notional: float | None = None,
        limit: int = 5000,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Liquidated longs and shorts per bucket, zero-filled from the window's start to the
        newest row. Rows before the window do not count, so the first bucket may be partial.

        Args:
            bucket: Width of a bar; one of 1s, 5s, 10s, 30s, 1m, 5m, 15m, 30m, 1h, 4h, 1d
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            symbols: Only these symbols, as the venues write them; empty: all
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            exchange: Only these exchanges; empty: all
            min_notional: Minimum size of a print in USD; unset: all; from 0
            max_notional: Maximum size of a print in USD (exclusive); unset: all; from 0.01
            limit: Maximum number of buckets, newest first; from 1 to 100,000
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            ts: datetime64[us, UTC]; start of the bucket
            long_usd: float64, USD
            short_usd: float64, USD
            long_count: int64, prints
            short_count: int64, prints
            not_live: int64, prints; simulated or replayed prints
            partial: int64, prints; prints of throttled or sampled feeds: sums are lower bounds
        """
    def cumulative_net(
        self,
        *,
        bucket: Literal["1s", "5s", "10s", "30s", "1m", "5m", "15m", "30m", "1h", "4h", "1d"] = "1m",
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        symbols: collections.abc.Sequence[str] = (),
        assets: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        min_notional: float | None = None,
        max_notional: float | None = None,
        limit: int = 5000,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Running sum of long minus short notional over the window, per bucket. The buckets are
        the same as in liquidations_by_bucket.

        Args:
            bucket: Width of a bar; one of 1s, 5s, 10s, 30s, 1m, 5m, 15m, 30m, 1h, 4h, 1d
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            symbols: Only these symbols, as the venues write them; empty: all
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            exchange: Only these exchanges; empty: all
            min_notional: Minimum size of a print in USD; unset: all; from 0
            max_notional: Maximum size of a print in USD (exclusive); unset: all; from 0.01
            limit: Maximum number of buckets, newest first; from 1 to 100,000
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            ts: datetime64[us, UTC]; start of the bucket
            net_usd: float64, USD; long minus short
            cumulative_usd: float64, USD; long minus short since the window's start
            not_live: int64, prints; simulated or replayed prints
            partial: int64, prints; prints of throttled or sampled feeds: sums are lower bounds
        """
    def totals(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        symbols: collections.abc.Sequence[str] = (),
        assets: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        min_notional: float | None = None,
        max_notional: float | None = None,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """One row: the totals of the window. A window without prints gives a row of zeros.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            symbols: Only these symbols, as the venues write them; empty: all
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            exchange: Only these exchanges; empty: all
            min_notional: Minimum size of a print in USD; unset: all; from 0
            max_notional: Maximum size of a print in USD (exclusive); unset: all; from 0.01
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            long_usd: float64, USD
            short_usd: float64, USD
            net_usd: float64, USD; long minus short
            long_count: int64, prints
            short_count: int64, prints
            prints: int64, prints
            largest_usd: float64, USD
            not_live: int64, prints; simulated or replayed prints
            partial: int64, prints; prints of throttled or sampled feeds: sums are lower bounds
        """
    def top_symbols(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        symbols: collections.abc.Sequence[str] = (),
        assets: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        min_notional: float | None = None,
        max_notional: float | None = None,
        limit: int = 10,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Symbols by liquidated notional, largest first.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            symbols: Only these symbols, as the venues write them; empty: all
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            exchange: Only these exchanges; empty: all
            min_notional: Minimum size of a print in USD; unset: all; from 0
            max_notional: Maximum size of a print in USD (exclusive); unset: all; from 0.01
            limit: Maximum number of rows; from 1 to 10,000
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            symbol: str
            asset: str; the coin; of several, the last by name
            long_usd: float64, USD
            short_usd: float64, USD
            total_usd: float64, USD
            prints: int64, prints
            largest_usd: float64, USD
            not_live: int64, prints; simulated or replayed prints
            partial: int64, prints; prints of throttled or sampled feeds: sums are lower bounds
        """
    def top_assets(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        symbols: collections.abc.Sequence[str] = (),
        assets: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        min_notional: float | None = None,
        max_notional: float | None = None,
        limit: int = 10,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Assets by liquidated notional over all their contracts, 1000PEPE with PEPE, largest
        first.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            symbols: Only these symbols, as the venues write them; empty: all
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            exchange: Only these exchanges; empty: all
            min_notional: Minimum size of a print in USD; unset: all; from 0
            max_notional: Maximum size of a print in USD (exclusive); unset: all; from 0.01
            limit: Maximum number of rows; from 1 to 10,000
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            asset: str; the coin, whatever the multiplier of its contracts
            long_usd: float64, USD
            short_usd: float64, USD
            total_usd: float64, USD
            prints: int64, prints
            largest_usd: float64, USD
            not_live: int64, prints; simulated or replayed prints
            partial: int64, prints; prints of throttled or sampled feeds: sums are lower bounds
        """
    def by_exchange(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        symbols: collections.abc.Sequence[str] = (),
        assets: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        min_notional: float | None = None,
        max_notional: float | None = None,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Exchanges by liquidated notional. Sums are lower bounds unless completeness is full.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            symbols: Only these symbols, as the venues write them; empty: all
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            exchange: Only these exchanges; empty: all
            min_notional: Minimum size of a print in USD; unset: all; from 0
            max_notional: Maximum size of a print in USD (exclusive); unset: all; from 0.01
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            exchange: str
            completeness: str
            long_usd: float64, USD
            short_usd: float64, USD
            total_usd: float64, USD
            prints: int64, prints
            largest_usd: float64, USD
            not_live: int64, prints; simulated or replayed prints
            partial: int64, prints; prints of throttled or sampled feeds: sums are lower bounds
        """
    def venue_share(
        self,
        *,
        bucket: Literal["1s", "5s", "10s", "30s", "1m", "5m", "15m", "30m", "1h", "4h", "1d"] = "1m",
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        symbols: collections.abc.Sequence[str] = (),
        assets: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        min_notional: float | None = None,
        max_notional: float | None = None,
        limit: int = 20000,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Each exchange's share of the liquidated notional per bucket. The share of a partial feed
        is too small. Buckets without a print of an exchange have no row. The first bucket
        includes only rows in the window.

        Args:
            bucket: Width of a bar; one of 1s, 5s, 10s, 30s, 1m, 5m, 15m, 30m, 1h, 4h, 1d
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            symbols: Only these symbols, as the venues write them; empty: all
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            exchange: Only these exchanges; empty: all
            min_notional: Minimum size of a print in USD; unset: all; from 0
            max_notional: Maximum size of a print in USD (exclusive); unset: all; from 0.01
            limit: Maximum number of rows, newest first; from 1 to 100,000
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            ts: datetime64[us, UTC]; start of the bucket
            exchange: str
            long_usd: float64, USD
            short_usd: float64, USD
            total_usd: float64, USD
            share: float64; share of the bucket's notional, 0 to 1
            prints: int64, prints
            not_live: int64, prints; simulated or replayed prints
            partial: int64, prints; prints of throttled or sampled feeds: sums are lower bounds
        """
    def by_symbol_bucket(
        self,
        *,
        bucket: Literal["1s", "5s", "10s", "30s", "1m", "5m", "15m", "30m", "1h", "4h", "1d"] = "1m",
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        symbols: collections.abc.Sequence[str] = (),
        assets: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        min_notional: float | None = None,
        max_notional: float | None = None,
        limit: int = 20000,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Liquidated longs and shorts per bucket, exchange and symbol. Buckets without prints have
        no row. The first bucket includes only rows in the window.

        Args:
            bucket: Width of a bar; one of 1s, 5s, 10s, 30s, 1m, 5m, 15m, 30m, 1h, 4h, 1d
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            symbols: Only these symbols, as the venues write them; empty: all
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            exchange: Only these exchanges; empty: all
            min_notional: Minimum size of a print in USD; unset: all; from 0
            max_notional: Maximum size of a print in USD (exclusive); unset: all; from 0.01
            limit: Maximum number of rows, newest first; from 1 to 100,000
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            ts: datetime64[us, UTC]; start of the bucket
            exchange: str
            symbol: str
            base: str
            asset: str; the coin, whatever the base's multiplier
            long_usd: float64, USD
            short_usd: float64, USD
            prints: int64, prints
            largest_usd: float64, USD
            not_live: int64, prints; simulated or replayed prints
            partial: int64, prints; prints of throttled or sampled feeds: sums are lower bounds
        """
    def size_distribution(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        symbols: collections.abc.Sequence[str] = (),
        assets: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        min_notional: float | None = None,
        max_notional: float | None = None,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Sizes of prints: quantiles of the notional by side, exact to one percent. At least the
        share q of the prints is not larger than quantile q.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            symbols: Only these symbols, as the venues write them; empty: all
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            exchange: Only these exchanges; empty: all
            min_notional: Minimum size of a print in USD; unset: all; from 0
            max_notional: Maximum size of a print in USD (exclusive); unset: all; from 0.01
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            side: str
            prints: int64, prints
            total_usd: float64, USD
            p10_usd: float64, USD
            p25_usd: float64, USD
            p50_usd: float64, USD; median
            p75_usd: float64, USD
            p90_usd: float64, USD
            p99_usd: float64, USD
            largest_usd: float64, USD
            not_live: int64, prints; simulated or replayed prints
            partial: int64, prints; prints of throttled or sampled feeds: sums are lower bounds
        """
    def size_classes(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        symbols: collections.abc.Sequence[str] = (),
        assets: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        min_notional: float | None = None,
        max_notional: float | None = None,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Liquidated longs and shorts by the size of a print: below 10,000 USD, below 100,000,
        below 1,000,000, and larger. A class without prints has no row.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            symbols: Only these symbols, as the venues write them; empty: all
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            exchange: Only these exchanges; empty: all
            min_notional: Minimum size of a print in USD; unset: all; from 0
            max_notional: Maximum size of a print in USD (exclusive); unset: all; from 0.01
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            from_usd: float64, USD; least size of a print of the class
            to_usd: float64, USD; sizes are below; null: no limit
            long_usd: float64, USD
            short_usd: float64, USD
            total_usd: float64, USD
            prints: int64, prints
            largest_usd: float64, USD
            not_live: int64, prints; simulated or replayed prints
            partial: int64, prints; prints of throttled or sampled feeds: sums are lower bounds
        """
    def largest_prints(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        symbols: collections.abc.Sequence[str] = (),
        assets: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        min_notional: float | None = None,
        max_notional: float | None = None,
        limit: int = 20,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Single liquidations by size, largest first; equal sizes newest first.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            symbols: Only these symbols, as the venues write them; empty: all
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            exchange: Only these exchanges; empty: all
            min_notional: Minimum size of a print in USD; unset: all; from 0
            max_notional: Maximum size of a print in USD (exclusive); unset: all; from 0.01
            limit: Maximum number of rows; from 1 to 10,000
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            ts: datetime64[us, UTC]
            exchange: str
            symbol: str
            side: str
            price: float64, quote per base
            quantity: float64, base
            notional: float64, USD
            completeness: str
            source: str
        """
    def latest_prints(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        symbols: collections.abc.Sequence[str] = (),
        assets: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        min_notional: float | None = None,
        max_notional: float | None = None,
        limit: int = 50,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Single liquidations, newest first: the tape.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            symbols: Only these symbols, as the venues write them; empty: all
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            exchange: Only these exchanges; empty: all
            min_notional: Minimum size of a print in USD; unset: all; from 0
            max_notional: Maximum size of a print in USD (exclusive); unset: all; from 0.01
            limit: Maximum number of rows; from 1 to 10,000
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            ts: datetime64[us, UTC]
            exchange: str
            symbol: str
            side: str
            price: float64, quote per base
            quantity: float64, base
            notional: float64, USD
            completeness: str
            source: str
            event_id: int64; unique key of a print, together with ts, exchange and symbol
        """
    def print(
        self,
        *,
        ts: str | datetime.date | datetime.datetime | None = None,
        exchange: str = "",
        symbol: str = "",
        event_id: int = 0,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Every field of one liquidation. The four parameters are columns of latest_prints.

        Args:
            ts: Venue time, to the microsecond
            exchange: Venue key
            symbol: The venue's own symbol
            event_id: Hash of the venue's raw fields
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            ts: datetime64[us, UTC]; venue time
            recv_ts: datetime64[us, UTC]; time of receipt
            exchange: str
            symbol: str
            base: str
            quote: str
            asset: str; the coin, whatever the base's multiplier
            side: str; the position that was liquidated
            raw_side: str; side as the venue sent it
            price: float64, quote per base
            price_kind: str; average, limit, bankruptcy or entry
            quantity: float64, base
            asset_quantity: float64, coins; quantity times the base's multiplier
            notional: float64, USD
            completeness: str
            source: str
            event_id: int64; hash of the venue's raw fields
        """
    def prints(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        symbols: collections.abc.Sequence[str] = (),
        assets: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        min_notional: float | None = None,
        max_notional: float | None = None,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Every liquidation of the window with every field, oldest first: for exports.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            symbols: Only these symbols, as the venues write them; empty: all
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            exchange: Only these exchanges; empty: all
            min_notional: Minimum size of a print in USD; unset: all; from 0
            max_notional: Maximum size of a print in USD (exclusive); unset: all; from 0.01
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            ts: datetime64[us, UTC]; time by the venue's clock
            recv_ts: datetime64[us, UTC]; time of receipt
            exchange: str
            symbol: str
            base: str
            quote: str
            asset: str; the coin, whatever the base's multiplier
            side: str; the position that was closed
            raw_side: str; as the venue sent it
            price: float64, quote per base
            price_kind: str
            quantity: float64, base
            asset_quantity: float64, coins; quantity times the base's multiplier
            notional: float64, USD
            event_id: int64
            completeness: str
            source: str
        """
    def cascades(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        symbols: collections.abc.Sequence[str] = (),
        assets: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        min_notional: float | None = None,
        max_notional: float | None = None,
        look_back: str | float | datetime.timedelta = "12h",
        by: Literal["asset", "symbol", "exchange"] = "asset",
        gap: str | float | datetime.timedelta = "5s",
        min_prints: int = 5,
        limit: int = 100,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Cascades: runs of prints of one asset, symbol or exchange that follow each other within
        a gap. Largest total_usd first; equal ones by time, then by name. The window's edges cut
        a run. The query reads every print of the window, about three million a second.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            symbols: Only these symbols, as the venues write them; empty: all
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            exchange: Only these exchanges; empty: all
            min_notional: Minimum size of a print in USD; unset: all; from 0
            max_notional: Maximum size of a print in USD (exclusive); unset: all; from 0.01
            look_back: A feed is expected if it reported in the window or this long before it,
                and was not stopped since; from 1s to 30d
            by: The common column of a cascade's prints; asset and symbol include all venues;
                one of asset, symbol, exchange
            gap: Maximum time between two prints; at least 1s, since feeds throttle and batch;
                from 1s to 1h
            min_prints: Minimum prints of a cascade; from 2 to 1,000,000
            limit: Maximum number of rows; from 1 to 100,000
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            name: str; the asset, symbol or exchange
            from_ts: datetime64[us, UTC]; first print
            to_ts: datetime64[us, UTC]; last print
            duration_s: float64, s
            prints: int64, prints
            exchanges: int64
            symbols: int64; different names
            first_exchange: str; venue of the first print, by the venues' clocks; the first by
                name if several share the microsecond
            long_usd: float64, USD
            short_usd: float64, USD
            total_usd: float64, USD
            peak_1s_usd: float64, USD; maximum within a second: the largest sum of a print and
                the cascade's prints less than 1 s before it
            burst_score: float64; USD per second of the cascade (at least 1 s), as a multiple of
                the name's mean USD per second over the covered time of the window; null if no
                time was covered
            covered: float64; covered share of the window, 0 to 1, as in covered; the same in
                every row
            not_live: int64, prints; simulated or replayed prints
            partial: int64, prints; prints of throttled or sampled feeds: sums are lower bounds
        """
    def cascade_prints(
        self,
        *,
        symbols: collections.abc.Sequence[str] = (),
        assets: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        min_notional: float | None = None,
        max_notional: float | None = None,
        from_ts: str | datetime.date | datetime.datetime | None = None,
        to_ts: str | datetime.date | datetime.datetime | None = None,
        limit: int = 10000,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """The prints of a cascade: from one time to another, both included, oldest first, with a
        running total.

        Args:
            symbols: Only these symbols, as the venues write them; empty: all
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            exchange: Only these exchanges; empty: all
            min_notional: Minimum size of a print in USD; unset: all; from 0
            max_notional: Maximum size of a print in USD (exclusive); unset: all; from 0.01
            from_ts: Time of the first print, e.g. a cascade's from_ts
            to_ts: Time of the last print, e.g. a cascade's to_ts
            limit: Maximum number of rows; from 1 to 100,000
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            ts: datetime64[us, UTC]
            exchange: str
            symbol: str
            base: str
            asset: str; the coin, whatever the base's multiplier
            side: str
            price: float64, quote per base
            price_kind: str
            quantity: float64, base
            notional: float64, USD
            cumulative_usd: float64, USD; notional of the prints so far
            completeness: str
            source: str
        """
    def heatmap(
        self,
        *,
        bucket: Literal["1s", "5s", "10s", "30s", "1m", "5m", "15m", "30m", "1h", "4h", "1d"] = "1m",
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        symbols: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        min_notional: float | None = None,
        max_notional: float | None = None,
        asset: str = "BTC",
        bps: float = 10,
        limit: int = 20000,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Realised liquidations of one asset by the price of a coin and time, not a model of
        future ones. Bin n has prices from f^n to f^(n+1) with f = 1 + bps/10000, so bin 0
        begins at a price of 1. The first bucket includes only rows in the window.

        Args:
            bucket: Width of a bar; one of 1s, 5s, 10s, 30s, 1m, 5m, 15m, 30m, 1h, 4h, 1d
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            symbols: Only these symbols, as the venues write them; empty: all
            exchange: Only these exchanges; empty: all
            min_notional: Minimum size of a print in USD; unset: all; from 0
            max_notional: Maximum size of a print in USD (exclusive); unset: all; from 0.01
            asset: Asset; symbols and exchange narrow it
            bps: Height of a price bin in basis points of the price; from 1 to 1,000
            limit: Maximum number of cells, newest first; from 1 to 100,000
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            ts: datetime64[us, UTC]; start of the bucket
            price_from: float64, quote per coin; lower edge of the bin
            price_to: float64, quote per coin; upper edge, exclusive
            long_usd: float64, USD
            short_usd: float64, USD
            prints: int64, prints
            not_live: int64, prints; simulated or replayed prints
            partial: int64, prints; prints of throttled or sampled feeds: sums are lower bounds
        """
    def hour_of_day(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        symbols: collections.abc.Sequence[str] = (),
        assets: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        min_notional: float | None = None,
        max_notional: float | None = None,
        look_back: str | float | datetime.timedelta = "12h",
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Liquidated longs and shorts by weekday and hour (UTC), and their mean per covered hour.
        An hour of the week has no row if it was neither covered nor had a print.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            symbols: Only these symbols, as the venues write them; empty: all
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            exchange: Only these exchanges; empty: all
            min_notional: Minimum size of a print in USD; unset: all; from 0
            max_notional: Maximum size of a print in USD (exclusive); unset: all; from 0.01
            look_back: A feed is expected if it reported in the window or this long before it,
                and was not stopped since; from 1s to 30d
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            weekday: int64; 1 is Monday, 7 Sunday
            hour: int64; 0 to 23, UTC
            hours: float64, h; covered hours of the window at this weekday and hour, as in
                covered
            covered: float64; covered share of these hours of the window, 0 to 1
            long_usd: float64, USD
            short_usd: float64, USD
            mean_usd: float64, USD; long_usd plus short_usd, divided by hours: per 60 covered
                minutes; null if none were covered
            prints: int64, prints
            not_live: int64, prints; simulated or replayed prints
            partial: int64, prints; prints of throttled or sampled feeds: sums are lower bounds
        """
    def price_by_bucket(
        self,
        *,
        bucket: Literal["1s", "5s", "10s", "30s", "1m", "5m", "15m", "30m", "1h", "4h", "1d"] = "1m",
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        asset: str = "BTC",
        limit: int = 5000,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Mark price of a coin per bucket: open, high, low, close; null if none was received.
        Buckets go from the window's start to the newest price. The first bucket includes only
        prices in the window.

        Args:
            bucket: Width of a bar; one of 1s, 5s, 10s, 30s, 1m, 5m, 15m, 30m, 1h, 4h, 1d
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            asset: Asset, e.g. ETH or PEPE
            limit: Maximum number of buckets, newest first; from 1 to 100,000
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            ts: datetime64[us, UTC]; start of the bucket
            open: float64, quote per coin
            high: float64, quote per coin
            low: float64, quote per coin
            close: float64, quote per coin
            not_live: int64, prices; simulated or replayed prints
        """
    def price_path(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        symbols: collections.abc.Sequence[str] = (),
        assets: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        max_notional: float | None = None,
        min_notional: float = 100000,
        limit: int = 5000,
        tolerance: str | float | datetime.timedelta = "5s",
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Path of the mark price from one minute before large prints to five minutes after, every
        10 s, in bps of the price at the print. The price at a time is the asset's newest price
        up to then. Above zero the price moved in the direction of the forced order: down for
        longs, up for shorts. Simulated prints are never compared with real prices, nor real
        prints with simulated prices.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            symbols: Only these symbols, as the venues write them; empty: all
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            exchange: Only these exchanges; empty: all
            max_notional: Maximum size of a print in USD (exclusive); unset: all; from 0.01
            min_notional: Minimum size of a print in USD; small prints do not move the price;
                from 0
            limit: Maximum number of prints, newest first; it includes prints without a price;
                from 1 to 10,000
            tolerance: Maximum age of a price; a print without a younger price does not count at
                that offset; from 1s to 1h
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            side: str; liquidated position
            offset_s: int64, s; since the print: -60, -50, … 300
            mean_bps: float64, bps
            q1_bps: float64, bps; lower quartile: of n sorted values, the one at floor((n - 1) /
                4) from 0
            median_bps: float64, bps; median, at floor((n - 1) / 2)
            q3_bps: float64, bps; upper quartile, at floor(3 (n - 1) / 4)
            prints: int64, prints; prints with a price at this offset and at the print
            not_live: int64, prints; simulated or replayed prints
        """
    def print_reactions(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        symbols: collections.abc.Sequence[str] = (),
        assets: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        min_notional: float | None = None,
        max_notional: float | None = None,
        limit: int = 1000,
        tolerance: str | float | datetime.timedelta = "5s",
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Single liquidations, newest first, with the mark price of the base at the print and its
        move in bps 10 s, 1 min and 5 min later. Above zero the price moved in the direction of
        the forced order. A move is null without a price. Prices are chosen as in price_path.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            symbols: Only these symbols, as the venues write them; empty: all
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            exchange: Only these exchanges; empty: all
            min_notional: Minimum size of a print in USD; unset: all; from 0
            max_notional: Maximum size of a print in USD (exclusive); unset: all; from 0.01
            limit: Maximum number of rows; from 1 to 10,000
            tolerance: Maximum age of a price; from 1s to 1h
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            ts: datetime64[us, UTC]
            exchange: str
            symbol: str
            base: str
            asset: str; asset of the mark price
            side: str; liquidated position
            price: float64, quote per base; price of the liquidation
            notional: float64, USD
            mark_price: float64, quote per base; mark price of the base at the print
            moved_10s_bps: float64, bps
            moved_1m_bps: float64, bps
            moved_5m_bps: float64, bps
            source: str
        """
    def one_sided(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        symbols: collections.abc.Sequence[str] = (),
        assets: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        min_notional: float | None = None,
        max_notional: float | None = None,
        least_usd: float = 1,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """One row: the side with the larger share of the window's notional; long if both are
        equal. No row if the total is below least_usd.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            symbols: Only these symbols, as the venues write them; empty: all
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            exchange: Only these exchanges; empty: all
            min_notional: Minimum size of a print in USD; unset: all; from 0
            max_notional: Maximum size of a print in USD (exclusive); unset: all; from 0.01
            least_usd: Minimum total in USD; from 0.01
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            side: str; the side with the larger notional
            share: float64; the side's share of the total, 0.5 to 1
            total_usd: float64, USD
            prints: int64, prints
            not_live: int64, prints; simulated or replayed prints
            partial: int64, prints; prints of throttled or sampled feeds: sums are lower bounds
        """
    def stored_cascades(
        self,
        *,
        until: str | datetime.date | datetime.datetime | None = None,
        assets: collections.abc.Sequence[str] = (),
        window: str | float | datetime.timedelta = "1d",
        since: str | datetime.date | datetime.datetime | None = None,
        limit: int = 100,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Cascades that `liq spark` found, newest first.

        Args:
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            limit: Maximum number of rows; from 1 to 100,000
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            ts: datetime64[us, UTC]; first print
            asset: str; the coin, whatever the multiplier of its contracts
            gap: int64, s; the gap in the job's settings
            to_ts: datetime64[us, UTC]; last print
            prints: int64, prints
            exchanges: int64
            symbols: int64; different names
            first_exchange: str; venue of the first print
            long_usd: float64, USD
            short_usd: float64, USD
            not_live: int64, prints; simulated or replayed prints
            partial: int64, prints; prints of throttled or sampled feeds: sums are lower bounds
        """
    def stored_sums(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        symbols: collections.abc.Sequence[str] = (),
        assets: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        width: int | None = None,
        limit: int = 20000,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Sums of `liq spark` by bucket, exchange and symbol. They equal by_symbol_bucket, without
        reading the prints again.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            symbols: Only these symbols, as the venues write them; empty: all
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            exchange: Only these exchanges; empty: all
            width: Only buckets of this many seconds, if jobs with different buckets wrote sums;
                from 1 to 86,400
            limit: Maximum number of rows, newest first; from 1 to 100,000
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            ts: datetime64[us, UTC]; start of the bucket
            exchange: str
            symbol: str
            base: str
            asset: str; the coin, whatever the base's multiplier
            bucket: int64, s; width of the bucket in the job's settings
            long_usd: float64, USD
            short_usd: float64, USD
            prints: int64, prints
            largest_usd: float64, USD
            not_live: int64, prints; simulated or replayed prints
            partial: int64, prints; prints of throttled or sampled feeds: sums are lower bounds
        """
    def alerts(
        self,
        *,
        until: str | datetime.date | datetime.datetime | None = None,
        window: str | float | datetime.timedelta = "1d",
        since: str | datetime.date | datetime.datetime | None = None,
        rules: collections.abc.Sequence[str] = (),
        limit: int = 50,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Alerts that rules of alerts.json raised, newest first.

        Args:
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            rules: Only these rules; empty: all
            limit: Maximum number of rows; from 1 to 10,000
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            ts: datetime64[us, UTC]; time of the evaluation
            rule: str
            severity: str; info, warning or critical
            message: str
            value: float64; measured value, in the unit of the measure; of a rule against the
                past its multiple or percentage
            threshold: float64
            query: str
            measure: str; measured column of the query
            live: bool; whether all counted prints are from exchanges
            subject: str; values of the rule's `by` columns for which it fired; null for a rule
                without `by`
        """
    def sources(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        symbols: collections.abc.Sequence[str] = (),
        assets: collections.abc.Sequence[str] = (),
        exchange: collections.abc.Sequence[str] = (),
        min_notional: float | None = None,
        max_notional: float | None = None,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Sources of the window's rows: venue, live or simulated, completeness, first and last
        row.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            symbols: Only these symbols, as the venues write them; empty: all
            assets: Only these assets, e.g. BTC or PEPE, in every venue's contracts; empty: all
            exchange: Only these exchanges; empty: all
            min_notional: Minimum size of a print in USD; unset: all; from 0
            max_notional: Maximum size of a print in USD (exclusive); unset: all; from 0.01
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            exchange: str
            source: str
            completeness: str
            prints: int64, prints
            first_ts: datetime64[us, UTC]
            last_ts: datetime64[us, UTC]
        """
    def left_out(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Number of odd rows of the window, which all other queries leave out because a field is
        missing, unknown or out of range. Odd rows did not pass through the sink, or are older
        than its checks. odd_rows lists them; liq odd shows how to remove them.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            kind: str; default name of the rows' table
            broken: str; names of the fields that are not as they must be
            rows: int64, rows
            first_ts: datetime64[us, UTC]
            last_ts: datetime64[us, UTC]
        """
    def odd_rows(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        limit: int = 100,
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """The odd rows of the window, which all other queries leave out, newest first, with all
        their fields.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            limit: Maximum number of rows, newest first; from 1 to 100,000
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            kind: str; default name of the row's table
            ts: datetime64[us, UTC]
            broken: str; names of the fields that are not as they must be
            fields: str; all other fields, as name=value
        """
    def feed_health(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        exchange: collections.abc.Sequence[str] = (),
        look_back: str | float | datetime.timedelta = "12h",
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """State of each recent feed: connected, messages, gaps, reconnects, lag, backlog. A feed
        reports once a second. A feed is listed if it reported in the window or look_back before
        it, unless its last report is a stop on purpose before the window. A listed feed is
        expected if liq knows its exchange: other programs may report other exchanges.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            exchange: Only these exchanges; empty: all
            look_back: A feed is expected if it reported in the window or this long before it,
                and was not stopped since; from 1s to 30d
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            exchange: str
            source: str
            known: bool; whether liq knows the exchange; a feed of an unknown exchange is never
                expected
            completeness: str; best completeness of the feed: full, throttled or sampled; null
                without a report in the window
            ts: datetime64[us, UTC]; time of the last report, by our clock
            connected: bool; whether the last report says connected; false if it is older than 5
                s at the window's end, or a stop
            connected_ts: datetime64[us, UTC]; time of the window's last report of an open
                connection
            stopped: bool; whether the last report says that it was stopped on purpose
            silent: bool; whether the feed is expected, but neither connected nor stopped on
                purpose: its liquidations are missing
            first_ts: datetime64[us, UTC]; time of the window's first report; null without a
                report
            messages: int64, frames; messages of any kind
            gaps: int64; disconnections that left no open connection
            reconnects: int64; reconnects, including planned ones without a gap
            lag_s: float64, s; mean time from venue time to receipt
            max_lag_s: float64, s
            max_queued: int64, messages; maximum number of records that waited for Kafka
            passed: int64; liquidations reported by the exchange and skipped on purpose; the log
                of `liq produce` gives the reasons
            too_old: int64; liquidations among `passed` that were too old at receipt; if this
                continues, the producer's clock is fast
            contracts: str; origin of the feed's contracts: REST, cache, stale cache, snapshot,
                names; null for reports of older versions
            contracts_age_s: float64, s; age of the contracts at the last report; null where the
                venue sends none
            contracts_fault: str; why newer contracts could not be loaded; null when they could
        """
    def coverage(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        exchange: collections.abc.Sequence[str] = (),
        look_back: str | float | datetime.timedelta = "12h",
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Coverage gaps: times in the window when an expected feed was disconnected. No prints in
        a gap does not mean no liquidations. feed_health defines which feeds are expected. A
        feed is disconnected after a report of a lost connection, after 5 s without a report,
        and from a stop on purpose to its next report. The gap begins at the last report with
        messages, or at the window's start. It ends at the next report with messages, or at the
        window's end. The report of a stop counts as a report with messages if the connection
        was open. After a final stop the feed is no longer expected.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            exchange: Only these exchanges; empty: all
            look_back: A feed is expected if it reported in the window or this long before it,
                and was not stopped since; from 1s to 30d
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            exchange: str
            source: str
            from_ts: datetime64[us, UTC]; last report with messages before, or window's start
            to_ts: datetime64[us, UTC]; first report with messages after, or window's end
            missing_s: float64, s
        """
    def feed_coverage(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        exchange: collections.abc.Sequence[str] = (),
        look_back: str | float | datetime.timedelta = "12h",
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Each feed that was expected in the window, and the time that it was disconnected: the
        sum of its gaps in coverage. feed_health defines which feeds are expected.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            exchange: Only these exchanges; empty: all
            look_back: A feed is expected if it reported in the window or this long before it,
                and was not stopped since; from 1s to 30d
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            exchange: str
            source: str
            ts: datetime64[us, UTC]; time of the last report, by our clock
            stopped: bool; whether the last report says that it was stopped on purpose
            connected: bool; whether it was connected at the window's end; false once it is
                stopped
            missing_s: float64, s
            missing: float64; share of the window, 0 to 1
        """
    def covered(
        self,
        *,
        window: str | float | datetime.timedelta = "1h",
        since: str | datetime.date | datetime.datetime | None = None,
        until: str | datetime.date | datetime.datetime | None = None,
        exchange: collections.abc.Sequence[str] = (),
        look_back: str | float | datetime.timedelta = "12h",
        settings: liq.config.Settings | None = None,
    ) -> DataFrame:
        """Covered time of each hour (UTC) of the window, by which scores and rates are divided. If
        a known exchange's feed reported in the hour, it is the hour's length times the
        connected share of the feeds' expected time. For four feeds, one of them disconnected
        for half the hour, the share is 7/8. The hour ends with the last expected feed. An hour
        without a report counts fully if a print of it in the window matches the exchange
        filter, otherwise not at all. Without a report, silence is unknown, not quiet. The
        window's ends cut an hour.

        Args:
            window: How far back, e.g. 15m, 4h, 7d or seconds; from 1s to 3660d
            since: Start of the window (inclusive), in place of its length; until may be its end
            until: End of the window (exclusive); unset: now, including rows dated up to a
                minute in the future
            exchange: Only these exchanges; empty: all
            look_back: A feed is expected if it reported in the window or this long before it,
                and was not stopped since; from 1s to 30d
            settings: The process's settings by default

        Returns:
            The rows, with the columns

            ts: datetime64[us, UTC]; start of the hour
            window_s: float64, s; seconds of the hour in the window
            covered_s: float64, s; covered seconds
        """

hit: Hit
