//! Drive a feed of frames into a bus, step by step, with services that keep up.
//!
//! An [`Engine`] pulls a frame from a [`FrameFeed`](bt_core::FrameFeed), moves the clock to its close, publishes
//! it on an [`EventBus`](bt_core::EventBus) and lets every subscriber handle it and all that follows from it;
//! only then does it ask for the next (R32). Services are futures that it owns and polls itself. However a run
//! ends, by its data, a limit, a [`StopHandle`], or a failure of feed, bus or service, it ends in one way (R33):
//! the frame in hand is finished, services see the end event, nothing accepted is lost, and there is a
//! [`RunReport`].
//!
//! It is deliberately not an executor: it spawns nothing, and what a service does in parallel is the service's
//! own affair. It is not a strategy framework either: what a service makes of a frame is not its business. On the
//! bus it uses the topics of [`bt_core::topic`], and its own record there is `ENGINE_STARTED`, `ENGINE_FAILED`
//! and, as the last log of a run, `ENGINE_ENDED`.
//!
//! It needs tokio for two things only: the limit on waiting (R28) takes its time from tokio's timers, and the
//! thread is given back through [`TokioYield`] (R36). On another executor it runs without that limit.
//!
//! ```
//! use bt_bus::Bus;
//! use bt_core::{Candle, Event, Level, LogEvent, Series, SimClock, Timestamp, Trades, from_candles, topic};
//! use bt_engine::{Ended, Engine};
//! use bt_feeder::BarFeed;
//! use futures::stream;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let series: Series = "binance.spot:BTCUSDT@1m".parse()?;
//! let candles = (0..60).map(|minute| Candle {
//!     start: Timestamp::from_secs(60 * minute).unwrap(),
//!     open: 1.0, high: 2.0, low: 0.5, close: minute as f64 / 60.0 + 0.5, volume: 10.0,
//!     trades: Trades::UNKNOWN, partial: false,
//! });
//! let feed = BarFeed::builder().subscribe(from_candles(series, None, stream::iter(candles).map(Ok))).build()?;
//! # use futures::StreamExt;
//! let bus = Bus::for_engine();
//! let engine = Engine::builder()
//!     .feed(feed)
//!     .bus(bus.clone())
//!     .clock(SimClock::new(Timestamp::EPOCH))
//!     .service("highs", [topic::FRAME], |mut cx| async move {
//!         let mut high = f64::MIN;
//!         while let Some(delivery) = cx.next().await {
//!             let Event::Frame(frame) = &delivery.payload else { continue };
//!             let close = frame.slots().next().and_then(|slot| Some(slot.candle()?.close));
//!             if let Some(close) = close.filter(|close| *close > high) {
//!                 high = close;
//!                 cx.log(LogEvent::new(Level::Info, cx.name, "NEW_HIGH", "").with("close", close)).await?;
//!             }
//!         }
//!         Ok(())
//!     })
//!     .build()?;
//! let report = engine.run().await?;
//! assert_eq!((report.frames, report.ended, report.drained), (60, Ended::Data, true));
//! assert_eq!(report.bus.published(topic::LOG), 62);
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod barrier;
mod bell;
mod builder;
mod context;
mod course;
mod ending;
mod engine;
mod error;
mod outlet;
mod report;
mod run;
mod service;
mod snapshot;
mod state;
mod stop;
mod tokio_yield;
mod waits;

pub use builder::EngineBuilder;
pub use context::ServiceContext;
pub use engine::Engine;
pub use error::{RunError, RunFailure};
pub use report::{Ended, RunReport, ServiceReport, Step, Wall};
pub use snapshot::Snapshot;
pub use stop::{StopHandle, StopReason};
pub use tokio_yield::TokioYield;
pub use waits::Waits;
