//! A bounded, ordered in-process bus with acknowledgements, a barrier and a journal.
//!
//! A [`Bus`] has topics, each with its own sequence numbers; a [`Publisher`] publishes to one of them, a
//! [`Subscription`] yields what is published to several, in one order, from one bounded queue. What it yields
//! is a [`Delivery`]: an envelope that is acknowledged by being dropped. The barrier ([`Bus::barrier`],
//! [`Idle`]) is passed when nothing is queued and nothing unacknowledged, so whoever drives a run knows when
//! all consequences of a step are handled. Components log through a sink ([`ComponentLog`]) that is ready only
//! when there is room for the event in every log subscriber's queue: accepted means enqueued everywhere. A
//! [`Journal`] writes logs to a file of JSON lines, off the runtime's threads.
//!
//! Nothing is lost unless a subscription asks for it ([`Policy`]): a full queue holds up its publishers, who
//! wait in line. A closed bus refuses what comes and delivers what it has.
//!
//! It is deliberately not a broker and not a runtime: nothing leaves the process but the journal, nothing is
//! replayed to those who come late, and it starts no task. It runs on any executor; only limits, of the barrier
//! and of queues that block, need tokio's timer. Work that must be spread over threads is spread by the consumer.
//!
//! ```
//! use std::time::Duration;
//! use bt_bus::Bus;
//! use bt_core::{Drain, Message, Timestamp};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), bt_core::BusError> {
//! let bus = Bus::new(["tick", "signal"]).unwrap();
//! let mut ticks = bus.publisher("tick")?;
//! let mut signals = bus.publisher("signal")?;
//! let mut strategy = bus.subscribe("strategy", &["tick"], 64)?;
//! let mut printer = bus.subscribe("printer", &["tick", "signal"], 64)?;
//!
//! let strategy = tokio::spawn(async move {
//!     while let Some(tick) = strategy.recv().await {
//!         if tick.payload > 100.0 {
//!             signals.publish(Message { instant: tick.instant, payload: tick.payload }).await?;
//!         }
//!     } // Each delivery is acknowledged here, after what it caused was published.
//!     Ok::<_, bt_core::BusError>(())
//! });
//! let printer = tokio::spawn(async move {
//!     let mut lines = Vec::new();
//!     while let Some(it) = printer.recv().await {
//!         lines.push(format!("{} {}: {}", it.topic, it.seq, it.payload));
//!     }
//!     lines
//! });
//!
//! for (n, price) in [99.0, 101.0].into_iter().enumerate() {
//!     let instant = Timestamp::from_nanos(n as i64);
//!     ticks.publish(Message { instant, payload: price }).await?;
//!     bus.barrier(Duration::from_secs(30)).await?; // The signal was published, and printed.
//! }
//! bus.close(Drain::Deliver);
//! strategy.await.unwrap()?;
//! assert_eq!(printer.await.unwrap(), ["tick 1: 99", "tick 2: 101", "signal 1: 101"]);
//! # Ok(())
//! # }
//! ```

mod after;
mod batch;
mod builder;
mod bus;
mod component_log;
mod core;
mod deliveries;
mod delivery;
mod draft;
mod drops;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
mod idle;
mod journal;
mod ledger;
mod line;
mod link;
mod losses;
mod patience;
mod policy;
mod progress;
mod publish;
mod publisher;
mod run;
mod shared;
mod subscriber;
mod subscription;
mod sync;

pub use builder::BusBuilder;
pub use bus::Bus;
pub use component_log::ComponentLog;
pub use deliveries::{Deliveries, Envelopes};
pub use delivery::Delivery;
pub use drops::Drops;
pub use idle::Idle;
pub use journal::{
    FsyncPolicy, Journal, JournalConfig, JournalEntry, JournalError, JournalReader, JournalSink, ReadError,
    encode_line, read_journal,
};
pub use policy::{Policy, SubscriptionConfig};
pub use publish::{Publish, TryPublishError};
pub use publisher::Publisher;
pub use subscription::Subscription;
