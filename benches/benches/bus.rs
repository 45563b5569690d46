//! `Bus` alone: publish, deliver to every subscriber, acknowledge, and pass the barrier.

use std::hint::black_box;

use bt_bus::Bus;
use bt_core::{Message, Timestamp};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::executor::block_on;

const ENVELOPES: u64 = 1 << 14;

fn bus(c: &mut Criterion) {
    let mut group = c.benchmark_group("bus");
    group.throughput(Throughput::Elements(ENVELOPES));
    for subscribers in [1, 8] {
        group.bench_function(BenchmarkId::new("barrier", subscribers), |b| {
            let bus = Bus::new(["frame"]).expect("a topic");
            let mut publisher = bus.publisher("frame").expect("a known topic");
            let mut subscriptions: Vec<_> = (0..subscribers)
                .map(|n| bus.subscribe(&format!("s{n}"), &["frame"], 1).expect("distinct names"))
                .collect();
            b.iter(|| {
                block_on(async {
                    for payload in 0..ENVELOPES {
                        let instant = Timestamp::from_nanos(payload as i64);
                        publisher.publish(Message { instant, payload }).await.expect("an open bus");
                        for subscription in &mut subscriptions {
                            drop(black_box(subscription.recv().await.expect("an envelope")));
                        }
                        bus.idle().await;
                    }
                });
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bus);
criterion_main!(benches);
