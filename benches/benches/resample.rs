//! `Resample` alone: one-minute candles from memory to larger bars.

use std::hint::black_box;
use std::sync::Arc;

use benches::{Prepared, minutes};
use bt_core::Series;
use bt_resample::Resample;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::TryStreamExt;
use futures::executor::block_on;

const CANDLES: usize = 1 << 17;

fn resample(c: &mut Criterion) {
    let series: Series = "bench.spot:A@1m".parse().expect("a series");
    let columns = Arc::new(minutes(CANDLES, 1));
    let mut group = c.benchmark_group("resample");
    group.throughput(Throughput::Elements(CANDLES as u64));
    for (target, batch_rows) in [("5m", 8192), ("5m", 64), ("1h", 8192)] {
        group.bench_function(BenchmarkId::new(format!("to_{target}"), batch_rows), |b| {
            b.iter(|| {
                let source = Prepared::new(series.clone(), Arc::clone(&columns), batch_rows);
                let mut bars =
                    Resample::new(source, target.parse().expect("a timeframe")).expect("a multiple");
                let mut rows = 0;
                while let Some(batch) = block_on(bars.try_next()).expect("sound candles") {
                    rows += black_box(batch).len();
                }
                rows
            });
        });
    }
    group.finish();
}

criterion_group!(benches, resample);
criterion_main!(benches);
