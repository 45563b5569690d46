//! Where the logs of a feed go.

use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bt_bus::Bus;
use bt_core::{BoxLogSink, Event, EventBus, LogError, LogEvent};
use futures_sink::Sink;

use crate::words::Error;

/// Where logs go.
#[derive(Clone, Debug)]
pub enum Logs {
    /// Nowhere: they are not even made.
    Nowhere,
    /// They are counted.
    Counted(Arc<AtomicU64>),
    /// To a bus.
    Bus(Bus<Event>),
}

impl FromStr for Logs {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "nowhere" => Ok(Logs::Nowhere),
            "counted" => Ok(Logs::Counted(Arc::default())),
            _ => Err("expected nowhere or counted".to_owned()),
        }
    }
}

impl Logs {
    /// A sink for a component, if its logs go anywhere.
    ///
    /// # Errors
    /// If the bus has no topic for them.
    pub fn sink(&self, component: &'static str) -> Result<Option<BoxLogSink>, Error> {
        Ok(match self {
            Logs::Nowhere => None,
            Logs::Counted(count) => Some(Box::pin(Counting(Arc::clone(count)))),
            Logs::Bus(bus) => Some(bus.log_sink(component)?),
        })
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        match self {
            Logs::Counted(count) => count.load(Ordering::Relaxed),
            Logs::Nowhere | Logs::Bus(_) => 0,
        }
    }
}

struct Counting(Arc<AtomicU64>);

impl Sink<LogEvent> for Counting {
    type Error = LogError;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), LogError>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, _: LogEvent) -> Result<(), LogError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), LogError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), LogError>> {
        Poll::Ready(Ok(()))
    }
}
