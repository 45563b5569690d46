//! A source alone: rows in memory checked and cut into batches.

use std::hint::black_box;
use std::sync::Arc;

use benches::{Logs, minutes_with_gaps};
use bt_core::Series;
use bt_data_source::MemorySource;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::TryStreamExt;
use futures::executor::block_on;

const CANDLES: usize = 1 << 18;

fn source(c: &mut Criterion) {
    let series: Series = "bench.spot:A@1m".parse().expect("a series");
    let mut group = c.benchmark_group("source");
    group.throughput(Throughput::Elements(CANDLES as u64));
    for (name, gaps, logs) in [
        ("clean", 0.0, "nowhere"),
        ("gaps", 0.001, "nowhere"),
        ("gaps and logs", 0.001, "counted"),
        ("many gaps and logs", 0.1, "counted"),
    ] {
        let columns = Arc::new(minutes_with_gaps(CANDLES, 1, gaps));
        let logs: Logs = logs.parse().expect("a place for logs");
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                let mut source =
                    MemorySource::from_columns(series.clone(), Arc::clone(&columns)).row_logs(u64::MAX);
                if let Some(sink) = logs.sink("source").expect("a sink") {
                    source = source.log(sink);
                }
                let mut source = source.build().expect("a source");
                let mut rows = 0;
                while let Some(batch) = block_on(source.try_next()).expect("sound candles") {
                    rows += black_box(batch).len();
                }
                rows
            });
        });
    }
    group.finish();
}

criterion_group!(benches, source);
criterion_main!(benches);
