//! `BarFeed` alone: candles of many series from memory to frames, the same number of candles in all.

use std::hint::black_box;
use std::sync::Arc;

use benches::{Prepared, minutes};
use bt_feeder::BarFeed;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::TryStreamExt;
use futures::executor::block_on;

const CANDLES: usize = 1 << 18;
const BATCH_ROWS: usize = 8192;

/// A feed of `series` series of `per_series` candles each, all closing together.
fn dense(series: usize, per_series: usize) -> BarFeed {
    let columns = Arc::new(minutes(per_series, 1));
    let mut feed = BarFeed::builder();
    for number in 0..series {
        let name = format!("bench.spot:S{number:04}@1m").parse().expect("a series");
        feed = feed.subscribe(Prepared::new(name, Arc::clone(&columns), BATCH_ROWS));
    }
    feed.build().expect("distinct series")
}

fn feeder(c: &mut Criterion) {
    let mut group = c.benchmark_group("feeder");
    group.throughput(Throughput::Elements(CANDLES as u64)).sample_size(20);
    for series in [1, 8, 64, 512] {
        group.bench_function(BenchmarkId::new("dense", series), |b| {
            b.iter_batched(
                || dense(series, CANDLES / series),
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
    group.finish();
}

criterion_group!(benches, feeder);
criterion_main!(benches);
