"""Cascades and sums of prints in Spark, for a stream as well as for a batch.

A frame of prints has the columns of `liq.records.model.Liquidation`, ``ts`` as a timestamp.
"""

from enum import Enum
from typing import get_type_hints

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f
from pyspark.sql.types import DataType, DoubleType, LongType, StringType, StructField, StructType

from liq.records import coins, rules
from liq.records.model import EARLIEST, LIVE_SOURCES, Cascade, Completeness, Liquidation, Side, Sums
from liq.records.streams import LIQUIDATIONS

# sums of decimals do not depend on their order, so each run of a job gives equal numbers
_EXACT = "decimal(38,6)"


def parse(messages: DataFrame) -> DataFrame:
    """Return the prints in Kafka messages; messages that are no `Liquidation` are dropped.

    Messages of an earlier version get their asset. A print dated more than ten minutes after its
    receipt is dropped too, since it would make all others late.
    """
    fields = f.from_json(f.col("value").cast("string"), _build_schema()).alias("print")
    prints = (
        messages.select(fields)
        .select("print.*")
        .where(rules.render_valid_condition(Liquidation, moment=str))
    )
    sane = f.col("ts").between(EARLIEST, f.col("recv_ts") + 600_000_000)
    return _add_asset(prints.where(sane)).withColumn("ts", f.timestamp_micros("ts"))


def keep_valid(stored: DataFrame) -> DataFrame:
    """Return the exported prints that break no rule, with their assets.

    An earlier version exported others too, and no assets.
    """
    valid = rules.render_valid_condition(Liquidation, moment="timestamp_micros({})".format)
    return _add_asset(stored.where(valid))


def deduplicate(prints: DataFrame, lateness: float) -> DataFrame:
    """Return each print once; of a stream those that are at most ``lateness`` seconds late."""
    return prints.withWatermark("ts", f"{lateness:g} seconds").dropDuplicates(
        list(LIQUIDATIONS.keys)
    )


def find_cascades(prints: DataFrame, gap: int, min_prints: int) -> DataFrame:
    """Return the cascades in deduplicated prints, columns as in `Cascade`, times in microseconds.

    A stream emits a cascade once no print within the lateness can extend it.
    """
    first = f.min(f.struct("ts", "exchange"))
    runs = prints.groupBy(f.session_window("ts", f"{gap} seconds"), "asset").agg(
        f.unix_micros(first["ts"]).alias("ts"),
        f.lit(None).cast("string").alias("base"),
        f.lit(gap).cast("long").alias("gap"),
        f.unix_micros(f.max("ts")).alias("to_ts"),
        f.count("*").alias("prints"),
        f.size(f.collect_set("exchange")).cast("long").alias("exchanges"),
        f.size(f.collect_set("symbol")).cast("long").alias("symbols"),
        first["exchange"].alias("first_exchange"),
        *_sum_sides(),
    )
    return runs.where(f.col("prints") >= min_prints).select(*get_type_hints(Cascade))


def sum_buckets(prints: DataFrame, bucket: int) -> DataFrame:
    """Return sums of deduplicated prints by contract and ``bucket`` seconds, as in `Sums`.

    A stream emits a bucket once no print within the lateness can belong to it.
    """
    # not by asset too, which follows from the base: checkpoints of earlier versions stay valid
    sums = prints.groupBy(f.window("ts", f"{bucket} seconds"), "exchange", "symbol", "base").agg(
        f.lit(bucket).cast("long").alias("bucket"),
        f.count("*").alias("prints"),
        f.max("notional").alias("largest_usd"),
        *_sum_sides(),
    )
    named = _add_asset(sums.withColumn("ts", f.unix_micros("window.start")))
    return named.select(*get_type_hints(Sums))


def encode_messages(records: DataFrame, *key: str) -> DataFrame:
    """Return the Kafka messages of records: the columns ``key`` as ``one:other``, JSON as value."""
    return records.select(
        f.concat_ws(":", *key).alias("key"), f.to_json(f.struct(*records.columns)).alias("value")
    )


def _add_asset(prints: DataFrame) -> DataFrame:
    """Return the prints with assets; where one is missing, `liq.records.coins` derives it."""
    named = f.create_map(
        *(f.lit(text) for base, coin in coins.NAMED.items() for text in (base, coin.asset))
    )
    coin = f.regexp_extract("base", rf"\A(?:{coins.PATTERN})\z", 2)  # "" for another form
    given = [f.col("asset")] if "asset" in prints.columns else []
    asset = f.coalesce(
        *given, f.try_element_at(named, f.col("base")), f.nullif(coin, f.lit("")), f.col("base")
    )
    return prints.withColumn("asset", asset)


def _sum_sides() -> list[Column]:
    return [
        _sum_usd(Side.LONG).alias("long_usd"),
        _sum_usd(Side.SHORT).alias("short_usd"),
        f.count_if(~f.col("source").isin(*map(str, LIVE_SOURCES))).alias("not_live"),
        f.count_if(f.col("completeness") != str(Completeness.FULL)).alias("partial"),
    ]


def _sum_usd(side: Side) -> Column:
    exact = f.when(f.col("side") == str(side), f.col("notional").try_cast(_EXACT))
    return f.coalesce(f.sum(exact).cast("double"), f.lit(0.0))


def _build_schema() -> StructType:
    hints = get_type_hints(Liquidation, include_extras=False)
    return StructType([StructField(name, _convert_type(hint)) for name, hint in hints.items()])


def _convert_type(hint: type) -> DataType:
    if issubclass(hint, (str, Enum)):
        return StringType()
    return DoubleType() if issubclass(hint, float) else LongType()
