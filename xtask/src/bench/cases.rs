//! What is measured, what it is held against, and the bars: one entry for each figure.

use super::case::Bar::{Least, Most, Never, Open};
use super::case::{Case, Value, count, figure, ratio};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "whole/snappy",
        programs: &[
            ("bare", "measure bare data={snappy-12}"),
            ("frames", "measure frames data={snappy-12}"),
            ("engine", "measure engine data={snappy-12} journal={scratch}/journal"),
        ],
        figures: &[
            figure("frames, cpu over bare decode", ratio("frames", "bare", "cpu_s"), Most(1.35)),
            figure("frames, wall over bare decode", ratio("frames", "bare", "wall_s"), Most(0.70)),
            figure("engine, cpu over bare decode", ratio("engine", "bare", "cpu_s"), Open),
            figure("engine, wall over bare decode", ratio("engine", "bare", "wall_s"), Open),
        ],
    },
    Case {
        name: "whole/zstd",
        programs: &[
            ("bare", "measure bare data={zstd-12}"),
            ("frames", "measure frames data={zstd-12}"),
            ("engine", "measure engine data={zstd-12} journal={scratch}/journal"),
        ],
        figures: &[
            figure("frames, cpu over bare decode", ratio("frames", "bare", "cpu_s"), Most(1.25)),
            figure("frames, wall over bare decode", ratio("frames", "bare", "wall_s"), Most(0.70)),
            figure("engine, cpu over bare decode", ratio("engine", "bare", "cpu_s"), Open),
            figure("engine, wall over bare decode", ratio("engine", "bare", "wall_s"), Open),
        ],
    },
    Case {
        name: "whole/pyarrow snappy",
        programs: &[
            ("bare", "measure bare data={pyarrow-snappy}"),
            ("frames", "measure frames data={pyarrow-snappy}"),
        ],
        figures: &[
            figure("frames, cpu over bare decode", ratio("frames", "bare", "cpu_s"), Most(1.35)),
            figure("frames, wall over bare decode", ratio("frames", "bare", "wall_s"), Most(0.70)),
        ],
    },
    Case {
        name: "whole/pyarrow zstd",
        programs: &[
            ("bare", "measure bare data={pyarrow-zstd}"),
            ("frames", "measure frames data={pyarrow-zstd}"),
        ],
        figures: &[
            figure("frames, cpu over bare decode", ratio("frames", "bare", "cpu_s"), Most(1.25)),
            figure("frames, wall over bare decode", ratio("frames", "bare", "wall_s"), Most(0.70)),
        ],
    },
    Case {
        name: "memory/8 series",
        programs: &[
            ("straight", "measure straight series=8 minutes=527040 gaps=0.001"),
            ("frames", "measure memory-frames series=8 minutes=527040 gaps=0.001"),
            ("logged", "measure memory-frames series=8 minutes=527040 gaps=0.001 logs=counted"),
        ],
        figures: &[
            figure("cpu over the straight-line loop", ratio("frames", "straight", "cpu_s"), Most(1.3)),
            figure("the same with logs counted", ratio("logged", "straight", "cpu_s"), Open),
        ],
    },
    Case {
        name: "memory/instructions",
        programs: &[],
        figures: &[
            figure(
                "straight-line loop, per candle",
                Value::Instructions {
                    of: "measure straight series=8 minutes={} gaps=0.001",
                    beyond: "measure prepare series=8 minutes={} gaps=0.001",
                    sizes: [14_400, 43_200],
                    per: "candles",
                },
                Open,
            ),
            figure(
                "source, resampler and feed, per candle",
                Value::Instructions {
                    of: "measure memory-frames series=8 minutes={} gaps=0.001",
                    beyond: "measure prepare series=8 minutes={} gaps=0.001",
                    sizes: [14_400, 43_200],
                    per: "candles",
                },
                Most(120.0),
            ),
            figure(
                "engine, strategy and journal beyond the feed, per frame",
                Value::Instructions {
                    of: "measure memory-engine series=8 minutes={} gaps=0.001 journal={scratch}/journal",
                    beyond: "measure memory-frames series=8 minutes={} gaps=0.001",
                    sizes: [14_400, 43_200],
                    per: "frames",
                },
                Most(8_000.0),
            ),
        ],
    },
    Case {
        name: "memory/many series",
        programs: &[
            ("8", "measure memory-frames series=8 minutes=524288"),
            ("512", "measure memory-frames series=512 minutes=8192"),
            ("4096", "measure memory-frames series=4096 minutes=1024"),
        ],
        figures: &[
            figure("512 over 8, cpu per candle", ratio("512", "8", "cpu_ns_per_candle"), Most(1.5)),
            figure("4096 over 8, cpu per candle", ratio("4096", "8", "cpu_ns_per_candle"), Most(2.5)),
        ],
    },
    Case {
        name: "merge",
        programs: &[
            ("1", "measure merge series=1 minutes=2097152"),
            ("8", "measure merge series=8 minutes=262144"),
            ("64", "measure merge series=64 minutes=32768"),
            ("512", "measure merge series=512 minutes=4096"),
            ("4096", "measure merge series=4096 minutes=512"),
            ("8 sparse", "measure merge series=8 minutes=1310720 gaps=0.8"),
            ("512 sparse", "measure merge series=512 minutes=20480 gaps=0.8"),
            ("4096 sparse", "measure merge series=4096 minutes=2560 gaps=0.8"),
            ("8 mixed", "measure merge series=8 minutes=786432 mixed=true"),
            ("512 mixed", "measure merge series=512 minutes=12288 mixed=true"),
            ("8 gaps", "measure merge series=8 minutes=262144 gaps=0.001"),
            ("8 gaps, logs", "measure merge series=8 minutes=262144 gaps=0.001 logs=counted"),
            ("512 gaps", "measure merge series=512 minutes=4096 gaps=0.001"),
            ("512 gaps, logs", "measure merge series=512 minutes=4096 gaps=0.001 logs=counted"),
        ],
        figures: &[
            figure("1 series over 8, per candle", ratio("1", "8", "cpu_ns_per_candle"), Open),
            figure("64 series over 8, per candle", ratio("64", "8", "cpu_ns_per_candle"), Open),
            figure("512 series over 8, per candle", ratio("512", "8", "cpu_ns_per_candle"), Open),
            figure("4096 series over 8, per candle", ratio("4096", "8", "cpu_ns_per_candle"), Open),
            figure("8 sparse over dense, per candle", ratio("8 sparse", "8", "cpu_ns_per_candle"), Open),
            figure(
                "512 sparse over 8 dense, per candle",
                ratio("512 sparse", "8", "cpu_ns_per_candle"),
                Open,
            ),
            figure(
                "4096 sparse over 8 dense, per candle",
                ratio("4096 sparse", "8", "cpu_ns_per_candle"),
                Open,
            ),
            figure(
                "8 of mixed timeframes over 8, per candle",
                ratio("8 mixed", "8", "cpu_ns_per_candle"),
                Open,
            ),
            figure(
                "512 of mixed timeframes over 8, per candle",
                ratio("512 mixed", "8", "cpu_ns_per_candle"),
                Open,
            ),
            figure("8 with gaps over 8, per candle", ratio("8 gaps", "8", "cpu_ns_per_candle"), Open),
            figure(
                "8 with gaps and logs over 8, per candle",
                ratio("8 gaps, logs", "8", "cpu_ns_per_candle"),
                Open,
            ),
            figure("512 with gaps over 8, per candle", ratio("512 gaps", "8", "cpu_ns_per_candle"), Open),
            figure(
                "512 with gaps and logs over 8, per candle",
                ratio("512 gaps, logs", "8", "cpu_ns_per_candle"),
                Open,
            ),
        ],
    },
    Case {
        name: "decode/pyarrow snappy",
        programs: &[
            ("bare", "measure bare data={pyarrow-snappy}"),
            ("parquet", "measure parquet-crate data={pyarrow-snappy}"),
        ],
        figures: &[figure("speed over the parquet crate", ratio("parquet", "bare", "cpu_s"), Least(1.2))],
    },
    Case {
        name: "decode/pyarrow zstd",
        programs: &[
            ("bare", "measure bare data={pyarrow-zstd}"),
            ("parquet", "measure parquet-crate data={pyarrow-zstd}"),
        ],
        figures: &[figure("speed over the parquet crate", ratio("parquet", "bare", "cpu_s"), Least(1.05))],
    },
    Case {
        name: "decode/polars zstd",
        programs: &[
            ("bare", "measure bare data={polars-zstd}"),
            ("parquet", "measure parquet-crate data={polars-zstd}"),
        ],
        figures: &[figure("speed over the parquet crate", ratio("parquet", "bare", "cpu_s"), Least(1.3))],
    },
    Case {
        name: "polars/snappy",
        programs: &[
            ("bt", "bt frames --config {pyarrow-snappy}.toml --format none --threads 2"),
            ("polars", "python polars_frames.py {pyarrow-snappy}"),
        ],
        figures: &[figure("speed over polars streaming", ratio("polars", "bt", "wall_s"), Least(4.0))],
    },
    Case {
        name: "polars/zstd",
        programs: &[
            ("bt", "bt frames --config {pyarrow-zstd}.toml --format none --threads 2"),
            ("polars", "python polars_frames.py {pyarrow-zstd}"),
        ],
        figures: &[figure("speed over polars streaming", ratio("polars", "bt", "wall_s"), Least(2.8))],
    },
    Case {
        name: "heartbeat",
        programs: &[
            ("idle", "measure heartbeat data={snappy-12} seconds=5 idle=true"),
            ("frames", "measure heartbeat data={snappy-12} seconds=5"),
            ("live", "measure live-heartbeat series=500 minutes=1000"),
            ("stirred", "measure heartbeat data={snappy-12} seconds=5 idle=true stirred=true"),
        ],
        figures: &[
            figure(
                "p50 beside an idle runtime",
                Value::Later { of: "frames", than: "idle", number: "p50_ms" },
                Open,
            ),
            figure(
                "p99 beside an idle runtime",
                Value::Later { of: "frames", than: "idle", number: "p99_ms" },
                Most(0.3),
            ),
            figure(
                "p99.9 beside an idle runtime",
                Value::Later { of: "frames", than: "idle", number: "p999_ms" },
                Most(1.0),
            ),
            figure(
                "live, p99 beside it",
                Value::Later { of: "live", than: "idle", number: "p99_ms" },
                Most(0.3),
            ),
            figure(
                "live, p99.9 beside it",
                Value::Later { of: "live", than: "idle", number: "p999_ms" },
                Most(1.0),
            ),
            // The runtime sleeps whole milliseconds: timers are late by one more where it fell asleep for another reason.
            figure(
                "p99 beside an idle one that is stirred",
                Value::Later { of: "frames", than: "stirred", number: "p99_ms" },
                Most(0.3),
            ),
            figure(
                "p99.9 beside an idle one that is stirred",
                Value::Later { of: "frames", than: "stirred", number: "p999_ms" },
                Most(1.0),
            ),
        ],
    },
    Case {
        name: "knocks",
        programs: &[
            ("idle", "measure heartbeat data={snappy-12} seconds=5 idle=true knock=true"),
            ("frames", "measure heartbeat data={snappy-12} seconds=5 knock=true"),
            ("live", "measure live-heartbeat series=500 minutes=1000 knock=true"),
        ],
        figures: &[
            figure(
                "p50 beside an idle runtime",
                Value::Later { of: "frames", than: "idle", number: "p50_ms" },
                Open,
            ),
            figure(
                "p99 beside an idle runtime",
                Value::Later { of: "frames", than: "idle", number: "p99_ms" },
                Most(0.3),
            ),
            figure(
                "p99.9 beside an idle runtime",
                Value::Later { of: "frames", than: "idle", number: "p999_ms" },
                Most(1.0),
            ),
            figure(
                "live, p99 beside it",
                Value::Later { of: "live", than: "idle", number: "p99_ms" },
                Most(0.3),
            ),
            figure(
                "live, p99.9 beside it",
                Value::Later { of: "live", than: "idle", number: "p999_ms" },
                Most(1.0),
            ),
        ],
    },
    Case {
        name: "live/instructions",
        programs: &[],
        figures: &[
            figure(
                "client that reads, per message",
                Value::Instructions {
                    of: "measure live-bare series=8 minutes={}",
                    beyond: "measure prepare series=1 minutes=10",
                    sizes: [1_000, 3_000],
                    per: "messages",
                },
                Open,
            ),
            figure(
                "from bytes to frames, per message",
                Value::Instructions {
                    of: "measure live-frames series=8 minutes={}",
                    beyond: "measure prepare series=1 minutes=10",
                    sizes: [1_000, 3_000],
                    per: "messages",
                },
                Open,
            ),
        ],
    },
    Case {
        name: "live/latency",
        programs: &[
            ("bare", "measure live-latency messages=5000 per_second=1000 bare=true"),
            ("frames", "measure live-latency messages=5000 per_second=1000"),
        ],
        figures: &[
            figure("bare client, p50", count("bare", "p50_ms", "ms"), Open),
            figure("bare client, p99", count("bare", "p99_ms", "ms"), Open),
            figure(
                "frames beside it, p50",
                Value::Later { of: "frames", than: "bare", number: "p50_ms" },
                Open,
            ),
            figure(
                "frames beside it, p99",
                Value::Later { of: "frames", than: "bare", number: "p99_ms" },
                Open,
            ),
        ],
    },
    Case {
        name: "first frame",
        programs: &[
            ("groups", "measure bare data={zstd-120} groups=1"),
            ("1 month", "measure first data={zstd-120} to=2024-02-01"),
            ("120 months", "measure first data={zstd-120} to=2034-01-01"),
        ],
        figures: &[
            figure("120 months over 1 month", ratio("120 months", "1 month", "wall_s"), Most(1.1)),
            figure("1 month over the first row groups", ratio("1 month", "groups", "wall_s"), Most(1.5)),
            figure(
                "120 months over the first row groups",
                ratio("120 months", "groups", "wall_s"),
                Most(1.5),
            ),
        ],
    },
    Case {
        name: "footprint/8 series",
        programs: &[
            ("12", "watched bt frames --config {zstd-120}.toml --to 2025-01-01 --format none --memory 48MiB"),
            ("120", "watched bt frames --config {zstd-120}.toml --format none --memory 48MiB"),
        ],
        figures: &[
            figure("12 months in 48 MiB, peak", count("12", "peak_mib", "MiB"), Most(72.0)),
            figure("120 months in 48 MiB, peak", count("120", "peak_mib", "MiB"), Most(72.0)),
        ],
    },
    Case {
        name: "footprint/4096 series",
        programs: &[("wide", "watched bt frames --config {wide}.toml --format none --memory 512MiB")],
        figures: &[
            figure("peak in 512 MiB", count("wide", "peak_mib", "MiB"), Most(640.0)),
            figure("open files", count("wide", "files", ""), Most(256.0)),
            figure("threads beyond the cores", count("wide", "threads_beyond_cores", ""), Most(4.0)),
        ],
    },
    Case {
        name: "dropped feed",
        programs: &[("dropped", "measure dropped data={many} to=2024-02-01 mib=64 times=20")],
        figures: &[
            figure("units of work started afterwards", count("dropped", "units_afterwards", ""), Never),
            figure("tasks left", count("dropped", "tasks_left", ""), Never),
            figure("sources left in the pool", count("dropped", "sources_left", ""), Never),
            figure("bytes left reserved", count("dropped", "bytes_left", ""), Never),
            figure("threads left", count("dropped", "threads_left", ""), Never),
            figure("open files left", count("dropped", "files_left", ""), Never),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::super::case::Figure;
    use super::*;

    #[test]
    fn figures_speak_of_programs_that_there_are() {
        for Case { name, programs, figures } in CASES {
            for Figure { value, .. } in *figures {
                let known = programs.iter().filter(|(program, _)| value.speaks_of(program)).count();
                let expected = match value {
                    Value::Ratio { .. } | Value::Later { .. } => 2,
                    Value::Count { .. } => 1,
                    Value::Instructions { .. } => 0,
                };
                assert_eq!(known, expected, "{name}: {value:?}");
            }
        }
    }

    #[test]
    fn names_are_given_once() {
        let mut names: Vec<_> =
            CASES.iter().flat_map(|case| case.figures.iter().map(move |f| (case.name, f.name))).collect();
        names.sort();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    }
}
