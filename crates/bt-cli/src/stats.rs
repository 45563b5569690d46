//! Where a run stands, told on stderr now and then.

use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use bt_core::SubscriptionStats;
use bt_engine::Snapshot;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::progress::Aside;

/// Tells at intervals where a run stands, or never.
pub(crate) struct Stats {
    every: Option<Interval>,
    out: Box<dyn Write>,
    began: Instant,
    /// When it was last told, and of how many frames.
    before: (Instant, u64),
}

impl Stats {
    /// Told on stderr, beside the progress.
    pub(crate) fn new(every: Option<Duration>) -> Self {
        Stats::to(Box::new(Aside), every)
    }

    /// Told to `out`.
    pub(crate) fn to(out: Box<dyn Write>, every: Option<Duration>) -> Self {
        let began = Instant::now();
        // What lies beyond all instants never comes.
        let first = every.and_then(|every| Some((began.checked_add(every)?, every)));
        let every = first.map(|(first, every)| {
            let mut ticks = interval_at(first, every);
            // After a long silence it is told once.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        Stats { every, out, began, before: (began, 0) }
    }

    /// Ready when it is time to tell.
    pub(crate) async fn due(&mut self) {
        match &mut self.every {
            Some(ticks) => {
                ticks.tick().await;
            }
            None => std::future::pending().await,
        }
    }

    /// Tells where the run stands. `output` is how long it has been waiting for whoever reads its output.
    pub(crate) fn tell(&mut self, snapshot: &Snapshot, output: Option<Duration>) {
        let now = Instant::now();
        let (then, frames) = std::mem::replace(&mut self.before, (now, snapshot.frames));
        let rate = (snapshot.frames - frames) as f64 / (now - then).as_secs_f64().max(1e-9);
        // Statistics that nobody can read are no failure.
        let _ = self.out.write_all(text(snapshot, now - self.began, rate, output).as_bytes());
    }
}

fn text(snapshot: &Snapshot, elapsed: Duration, rate: f64, output: Option<Duration>) -> String {
    let Snapshot { state, frames, last_close, bus, waits, waiting, .. } = snapshot;
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write!(text, "stats after {elapsed:.1?}: {state}, {frames} frames, {rate:.0} frames/s");
    if let Some(close) = last_close {
        let _ = write!(text, ", at {close}");
    }
    if let Some(waited) = output {
        let _ = write!(text, ", waiting for the output to be read for {waited:.1?}");
    }
    let topics: Vec<_> = bus.topics.iter().map(|t| format!("{} {}", t.topic, t.published)).collect();
    let _ = writeln!(text, "\n  published: {}", topics.join(", "));
    let [p50, p99] = [0.5, 0.99].map(|share| waits.quantile(share));
    let (count, longest) = (waits.count, waits.longest);
    let _ = write!(text, "  barrier waits: {count}, p50 {p50:.1?}, p99 {p99:.1?}, max {longest:.1?}");
    if let Some(waiting) = waiting {
        let _ = write!(text, ", now for {waiting:.1?}");
    }
    text.push('\n');
    let width = bus.subscriptions.iter().map(|s| s.name.chars().count()).fold(12, usize::max);
    let mut row = |name: &str, cells: [&str; 7]| {
        let [depth, high, delivered, dropped, undelivered, unacknowledged, lag] = cells;
        let _ = writeln!(
            text,
            "  {name:width$} {depth:>6} {high:>10} {delivered:>10} {dropped:>8} {undelivered:>11} {unacknowledged:>14} {lag:>8}"
        );
    };
    row(
        "subscription",
        ["depth", "high-water", "delivered", "dropped", "undelivered", "unacknowledged", "lag"],
    );
    for s in &bus.subscriptions {
        let SubscriptionStats { name, delivered, undelivered, queued, high_water, unacknowledged, .. } = s;
        let counts = [*queued as u64, *high_water as u64, *delivered, s.dropped(), *undelivered];
        let [depth, high, delivered, dropped, undelivered] = counts.map(|count| count.to_string());
        let lag = s.lag.map_or_else(|| "-".to_owned(), |lag| humantime::format_duration(lag).to_string());
        let cells = [depth, high, delivered, dropped, undelivered, unacknowledged.to_string(), lag];
        row(name, cells.each_ref().map(String::as_str));
    }
    text
}
