//! The journal alone: events appended, written by its thread, and the file closed.

use bt_bus::Journal;
use bt_core::{Level, LogEvent, Timestamp, topic};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::executor::block_on;

const EVENTS: u64 = 1 << 14;

fn journal(c: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("journal.jsonl");
    let mut group = c.benchmark_group("journal");
    group.throughput(Throughput::Elements(EVENTS)).sample_size(20);
    group.bench_function("append and write", |b| {
        b.iter(|| {
            let mut journal = Journal::create(&path).expect("a file");
            for seq in 1..=EVENTS {
                let event = LogEvent::new(Level::Warn, "source", "BENCH_GAP", "candles are missing")
                    .with_sim_time(Timestamp::from_nanos(seq as i64 * 60_000_000_000))
                    .with("missing", seq);
                block_on(std::future::poll_fn(|cx| journal.poll_ready(cx))).expect("room");
                journal.append(topic::LOG, seq, &event).expect("an open journal");
            }
            block_on(journal.close()).expect("all is written")
        });
    });
    group.finish();
}

criterion_group!(benches, journal);
criterion_main!(benches);
