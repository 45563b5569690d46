//! `BarFeed` alone: candles of many series from memory to frames, about the same number of candles in all.

use std::hint::black_box;

use benches::{Logs, MemoryData};
use bt_feeder::BarFeed;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::TryStreamExt;
use futures::executor::block_on;

const CANDLES: usize = 1 << 18;

/// How candles lie in time: the share of minutes that are missing, and whether timeframes differ.
const KINDS: [(&str, f64, bool, &str); 5] = [
    ("dense", 0.0, false, "nowhere"),
    ("sparse", 0.8, false, "nowhere"),
    ("mixed", 0.0, true, "nowhere"),
    ("gaps", 0.001, false, "nowhere"),
    ("gaps and logs", 0.001, false, "counted"),
];

fn feed(data: &MemoryData, mixed: bool, logs: &Logs) -> BarFeed {
    let feed = data.merge(mixed).expect("distinct series");
    match logs.sink("feed").expect("a sink") {
        Some(sink) => feed.log(sink),
        None => feed,
    }
    .build()
    .expect("distinct series")
}

fn feeder(c: &mut Criterion) {
    let mut group = c.benchmark_group("feeder");
    group.throughput(Throughput::Elements(CANDLES as u64)).sample_size(10);
    for (kind, gaps, mixed, logs) in KINDS {
        let logs: Logs = logs.parse().expect("a place for logs");
        for series in [1, 8, 64, 512, 4096] {
            // Of mixed timeframes, every four series have about a third of the candles that they would have.
            let share = if mixed { 1.0 / 3.0 } else { 1.0 - gaps };
            let minutes = ((CANDLES / series) as f64 / share) as usize;
            let data = MemoryData::new(series, minutes, gaps);
            group.bench_function(BenchmarkId::new(kind, series), |b| {
                b.iter_batched(
                    || feed(&data, mixed, &logs),
                    |mut feed| {
                        let mut frames = 0;
                        while let Some(frame) = block_on(feed.try_next()).expect("sound candles") {
                            black_box(frame);
                            frames += 1;
                        }
                        frames
                    },
                    BatchSize::PerIteration,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(benches, feeder);
criterion_main!(benches);
