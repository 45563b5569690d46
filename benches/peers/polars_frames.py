"""The job of `bt frames` in polars, streaming on two threads: polars_frames.py ROOT.

Candles of one minute to bars of five, lined up and filled forward. It prints one line of JSON; the time is that of
the work, without what it takes to start Python and to load polars.
"""

import json
import os
import pathlib
import sys
import time

os.environ.setdefault("POLARS_MAX_THREADS", "2")
import polars as pl  # noqa: E402

MINUTES = 5
BAR = MINUTES * 60_000
COLUMNS = ["start_ms", "open", "high", "low", "close", "volume", "trades", "is_final"]


def month(path):
    """Year and month of `S-TF-YYYY-M.parquet`: names do not sort by time."""
    return tuple(int(word) for word in path.stem.rsplit("-", 2)[1:])


def bars(directory):
    files = sorted(directory.rglob("*.parquet"), key=month)
    candles = pl.scan_parquet(files, hive_partitioning=False).select(COLUMNS).filter(pl.col("is_final"))
    return (
        candles.set_sorted("start_ms")
        .group_by_dynamic("start_ms", every=f"{BAR}i")
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
            pl.col("trades").sum(),
            pl.len().alias("inputs"),
        )
        .select(pl.lit(directory.name.split("=")[1]).alias("symbol"), (pl.col("start_ms") + BAR).alias("close_ms"),
                "open", "high", "low", "close", "volume", "trades", "inputs")
    )


began = time.perf_counter()
symbols = sorted((pathlib.Path(sys.argv[1]) / "exchange=binance" / "market=spot").iterdir())
every = pl.concat([bars(directory) for directory in symbols])
grid = every.select("close_ms").unique().join(every.select("symbol").unique(), how="cross")
close = pl.col("close").forward_fill().over("symbol")
frames = (
    grid.join(every, on=["close_ms", "symbol"], how="left")
    .sort("symbol", "close_ms")
    .with_columns(close)
    .with_columns(
        pl.coalesce("open", "close"),
        pl.coalesce("high", "close"),
        pl.coalesce("low", "close"),
        pl.col("volume").fill_null(0.0),
        pl.col("trades").fill_null(0),
    )
    .sort("close_ms", "symbol")
    .collect(engine="streaming")
)
wall = time.perf_counter() - began
print(json.dumps({"wall_s": wall, "candles": int(frames["inputs"].sum()), "frames": frames["close_ms"].n_unique()}))
