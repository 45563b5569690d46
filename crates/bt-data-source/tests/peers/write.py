"""Writes files of candles with pyarrow, polars and DuckDB into a directory.

Prints a line per file: its name, the name of the table in it, what must become of it, and how it was written. What
must become of it is `read`, `checksums` (read, also if checksums are required), or the column that cannot be used.

The rows of a table are in TABLE.csv: the start in nanoseconds, open, high, low, close and volume as the bits of a
double in hexadecimal, trades, is_final. What is null is empty.
"""

import itertools
import random
import struct
import sys
from pathlib import Path

import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq

PRICES = ["open", "high", "low", "close"]
NANOS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
FIRST = 1_704_067_200  # 2024-01-01


def table(seed, rows, start=pa.int64(), price=pa.float64(), volume=pa.float64(), trades=pa.int64(), nulls="none", ticks=False):
    """Candles of one minute, some of them missing; values of few kinds (`ticks`) or any."""
    rng = random.Random(seed)
    whole = pa.types.is_integer(price)
    columns = {name: [] for name in ["start_ms", *PRICES, "volume", "trades", "is_final"]}
    minute = 0
    for row in range(rows):
        minute += 1 + (rng.random() < 0.01) * rng.randrange(50)
        if ticks or whole:
            four = [100 + rng.randrange(40) for _ in range(4)]
        else:
            four = [100 + rng.random() * 40 for _ in range(4)]
        low, open_, close, high = sorted(four)
        amount = rng.randrange(5_000) if ticks or pa.types.is_integer(volume) else rng.random() * 5_000
        values = [FIRST + 60 * minute, open_, high, low, close, amount, rng.randrange(2_000), True]
        if nulls == "trades" and (row // 100) % 3 > 0:
            values[6] = None
        if nulls == "some" and rng.random() < 0.2:
            values[rng.randrange(8)] = None
        if nulls == "some" and rng.random() < 0.05:
            values[7] = False
        if nulls == "runs" and (row // 333) % 4 == 1:
            values[1 + (row // 333) % 5] = None
        if nulls == "all":
            values[6] = None
        for name, value in zip(columns, values):
            columns[name].append(value)
    unit = start.unit if pa.types.is_timestamp(start) else "ms"
    starts = [None if s is None else s * 10**9 // NANOS[unit] for s in columns["start_ms"]]
    arrays = {"start_ms": pa.array(starts, pa.int64()).cast(start)}
    for name in PRICES:
        arrays[name] = pa.array(columns[name], price)
    arrays["volume"] = pa.array(columns["volume"], volume)
    arrays["trades"] = pa.array(columns["trades"], trades)
    arrays["is_final"] = pa.array(columns["is_final"], pa.bool_())
    return pa.table(arrays)


def expected(table):
    """The rows of a table as lines."""
    start = table["start_ms"]
    unit = start.type.unit if pa.types.is_timestamp(start.type) else "ms"
    starts = [None if s is None else s * NANOS[unit] for s in start.cast(pa.int64()).to_pylist()]
    floats = [[None if v is None else struct.pack(">d", float(v)).hex() for v in table[name].to_pylist()]
              for name in [*PRICES, "volume"]]
    finals = [None if f is None else int(f) for f in table["is_final"].to_pylist()]
    for row in zip(starts, *floats, table["trades"].to_pylist(), finals):
        yield ",".join("" if value is None else str(value) for value in row)


TABLES = {
    "plain": table(1, 3_000),
    "ticks": table(2, 3_000, ticks=True),
    "seconds": table(3, 700, start=pa.timestamp("s")),
    "millis": table(4, 3_000, start=pa.timestamp("ms"), trades=pa.int32(), nulls="some"),
    "micros": table(5, 3_000, start=pa.timestamp("us", "UTC"), price=pa.float32(), nulls="runs"),
    "nanos": table(6, 3_000, start=pa.timestamp("ns", "UTC"), volume=pa.uint32(), trades=pa.uint64(), nulls="trades"),
    "whole": table(7, 3_000, start=pa.timestamp("ns"), price=pa.int64(), volume=pa.uint64(), trades=pa.uint32(), nulls="some"),
    "small": table(8, 3_000, price=pa.int32(), volume=pa.float32(), nulls="all", ticks=True),
    "large": table(9, 150_000, start=pa.timestamp("ms"), ticks=True, nulls="trades"),
    "one": table(10, 1),
    "empty": table(11, 0),
}


class Files:
    def __init__(self, directory):
        self.directory = Path(directory)
        self.number = 0

    def add(self, table, how, fate, write):
        self.number += 1
        name = f"{self.number:03}.parquet"
        write(self.directory / name)
        print(name, table, fate, how, sep="\t")


def split_columns(table):
    """Encodings that are not a writer's default."""
    return {
        field.name: "DELTA_BINARY_PACKED" if pa.types.is_integer(field.type) or pa.types.is_timestamp(field.type)
        else "RLE" if pa.types.is_boolean(field.type) else "BYTE_STREAM_SPLIT"
        for field in table.schema
    }


def by_pyarrow(files):
    def add(name, fate="read", data=None, **options):
        data = TABLES[name] if data is None else data
        shown = " ".join(f"{key}={value}" for key, value in options.items() if key != "column_encoding")
        encoded = " encoded" if "column_encoding" in options else ""
        files.add(name, f"pyarrow {shown}{encoded}", fate, lambda path: pq.write_table(data, path, **options))

    codecs = ["none", "snappy", "gzip", "lz4", "zstd"]
    layouts = itertools.cycle([(100_000, 1 << 20), (1_000, 2_000), (333, 1 << 20), (2_900, 500)])
    names = itertools.cycle(["plain", "millis", "ticks", "micros", "nanos", "small", "whole"])
    for codec, version, encoding in itertools.product(codecs, ["1.0", "2.0"], ["dictionary", "plain", "encoded"]):
        for name in itertools.islice(names, 2):
            rows, page = next(layouts)
            options = {"compression": codec, "data_page_version": version, "row_group_size": rows, "data_page_size": page}
            if encoding == "encoded":
                options["column_encoding"] = split_columns(TABLES[name])
            add(name, use_dictionary=encoding == "dictionary", **options)
    for name in TABLES:
        add(name, "checksums", write_page_checksum=True, data_page_size=3_000)
    for version in ["1.0", "2.4", "2.6"]:
        add("millis", version=version)
    add("seconds", write_statistics=False)
    add("plain", write_page_index=True, store_schema=False)
    add("ticks", dictionary_pagesize_limit=200, data_page_size=1_000)
    add("nanos", "start_ms", use_deprecated_int96_timestamps=True)
    add("plain", "start_ms", compression="brotli")
    required = pa.schema([field.with_nullable(False) for field in TABLES["plain"].schema])
    add("plain", data=TABLES["plain"].cast(required), use_dictionary=False)
    more = TABLES["ticks"]
    extra = {
        "note": pa.array([None if i % 3 else f"n{i}" for i in range(len(more))]),
        "levels": pa.array([[float(i)] * (i % 4) for i in range(len(more))]),
        "quote": pa.array([{"close": i, "bid": None} for i in range(len(more))]),
    }
    for place, (name, values) in enumerate(extra.items()):
        more = more.add_column(3 * place, name, values)
    add("ticks", data=more, row_group_size=700)

    def with_empty_groups(path):
        data = TABLES["micros"]
        with pq.ParquetWriter(path, data.schema) as writer:
            for part in [data[:0], data[:500], data[:0], data[500:], data[:0]]:
                writer.write_table(part)

    files.add("micros", "pyarrow row groups without rows", "read", with_empty_groups)


def by_polars(files):
    codecs = ["uncompressed", "snappy", "gzip", "lz4", "zstd"]
    layouts = itertools.cycle([(None, None), (1_000, 2_000), (333, None), (None, 600)])
    for codec, name in itertools.product(codecs, [name for name in TABLES if name != "seconds"]):
        rows, page = next(layouts)
        frame = polars.from_arrow(TABLES[name])
        files.add(
            name, f"polars {codec} row_group_size={rows} data_page_size={page}", "read",
            lambda path: frame.write_parquet(path, compression=codec, row_group_size=rows, data_page_size=page),
        )


def by_duckdb(files):
    codecs = ["uncompressed", "snappy", "gzip", "lz4", "lz4_raw", "zstd"]
    sizes = itertools.cycle([122_880, 2_048])
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for codec, version, name in itertools.product(codecs, ["V1", "V2"], TABLES):
        if name == "large" and codec != "zstd":
            continue
        size = next(sizes)
        connection.register("candles", TABLES[name])
        files.add(
            name, f"duckdb {codec} {version} row_group_size={size}", "read",
            lambda path: connection.execute(
                f"COPY candles TO '{path}' (FORMAT parquet, COMPRESSION {codec}, PARQUET_VERSION {version}, "
                f"ROW_GROUP_SIZE {size})"
            ),
        )
        connection.unregister("candles")


def main():
    directory = Path(sys.argv[1])
    for name, data in TABLES.items():
        (directory / f"{name}.csv").write_text("".join(f"{line}\n" for line in expected(data)))
    files = Files(directory)
    for write in [by_pyarrow, by_polars, by_duckdb]:
        write(files)


main()
