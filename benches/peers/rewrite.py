"""Writes the candles of a data set anew, with another library's writer: rewrite.py FROM TO pyarrow|polars CODEC."""

import pathlib
import sys

source, target, library, codec = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), *sys.argv[3:]
if library == "pyarrow":
    import pyarrow.parquet as parquet

    def rewrite(path, to):
        # A file and not a path: a directory called `symbol=…` would become a column.
        table = parquet.ParquetFile(path).read()
        parquet.write_table(table, to, compression=codec)
else:
    import polars

    def rewrite(path, to):
        polars.read_parquet(path, hive_partitioning=False).write_parquet(to, compression=codec)


for path in sorted(source.rglob("*.parquet")):
    to = target / path.relative_to(source)
    to.parent.mkdir(parents=True, exist_ok=True)
    rewrite(path, to)
