//! The engine over a feed from memory: bare, with a strategy, and with a journal beside it.

use benches::{MemoryData, drive};
use bt_bus::Bus;
use bt_core::Timeframe;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Builder;

const SERIES: usize = 8;
const FRAMES: usize = 1 << 12;

fn engine(c: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let minute: Timeframe = "1m".parse().expect("a timeframe");
    let data = MemoryData::new(SERIES, FRAMES, 0.0);
    let mut group = c.benchmark_group("engine");
    group.throughput(Throughput::Elements(FRAMES as u64)).sample_size(20);
    let journal = directory.path().join("journal.jsonl");
    for (name, strategy, journal) in
        [("alone", false, None), ("strategy", true, None), ("strategy and journal", true, Some(journal))]
    {
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter_batched(
                || {
                    let feed = data.feed(minute, &benches::Logs::Nowhere).expect("distinct series");
                    feed.build().expect("distinct series")
                },
                |feed| {
                    let run = drive(feed, Bus::for_engine(), data.range().from(), strategy, journal.clone());
                    runtime.block_on(run).expect("a run that ends with its data").frames
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, engine);
criterion_main!(benches);
