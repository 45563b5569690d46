//! What is for whoever operates the program.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bt_core::topic;
use support::*;
use tokio::time::sleep;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Notes what is said, and in how many spans.
#[derive(Default)]
struct Listener {
    seen: Seen,
    entered: AtomicUsize,
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("bt_engine")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = Text(span.metadata().name().to_owned());
        span.record(&mut text);
        self.seen.push(text.0);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text =
            Text(format!("{} in {}:", event.metadata().level(), self.entered.load(Ordering::SeqCst)));
        event.record(&mut text);
        self.seen.push(text.0);
    }

    fn enter(&self, _: &Id) {
        self.entered.fetch_add(1, Ordering::SeqCst);
    }

    fn exit(&self, _: &Id) {
        self.entered.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_is_a_span_and_a_slow_barrier_names_who_is_slow() {
    let seen = Seen::default();
    let listener = Listener { seen: seen.clone(), ..Listener::default() };
    let _listening = tracing::subscriber::set_default(listener);
    let bus = bus();
    let engine = builder(&bus, ScriptedFeed::new(&bus, frames(2)))
        .barrier_limit(Duration::from_secs(10))
        .service("slow", [topic::FRAME], |mut cx| async move {
            while let Some(delivery) = cx.next().await {
                if delivery.seq == 2 {
                    sleep(Duration::from_secs(6)).await;
                }
            }
            Ok(())
        })
        .build()
        .unwrap();
    engine.run().await.unwrap();
    let expected = [
        "run series=1",
        "INFO in 1: message=the run begins",
        "WARN in 1: message=the bus is slow to become idle: subscription `slow` on topic `frame` at sequence \
         number 2 (0 queued, 1 unacknowledged) waited=5s limit=10s",
        "INFO in 1: message=the run ends frames=2 ended=\"data\" drained=true",
    ];
    assert_eq!(seen.all(), expected);
}
