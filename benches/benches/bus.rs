//! The bus in a loop with its consumers and its barrier, beside what one would write without it.

use std::time::Instant;

use benches::{BusLoop, ENVELOPES_A_ROUND};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const ROUNDS: u64 = 1 << 11;

fn bus(c: &mut Criterion) {
    let mut group = c.benchmark_group("bus");
    for subscribers in [1, 8, 64] {
        group.throughput(Throughput::Elements(ROUNDS * ENVELOPES_A_ROUND * subscribers as u64));
        for which in BusLoop::ALL {
            group.bench_function(BenchmarkId::new(which.name(), subscribers), |b| {
                b.iter_custom(|times| {
                    let begin = Instant::now();
                    for _ in 0..times {
                        which.run(ROUNDS, subscribers);
                    }
                    begin.elapsed()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, bus);
criterion_main!(benches);
