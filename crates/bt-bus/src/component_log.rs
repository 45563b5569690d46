//! Logs on their way to the bus.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bt_core::{LogError, LogEvent, Timestamp};
use futures_sink::Sink;

use crate::Publisher;
use crate::core::Stamp;
use crate::draft::Draft;

/// A [`LogSink`](bt_core::LogSink) that publishes a component's events to the log topic of a bus.
///
/// It sets the component's name on each event. The envelope's instant is the event's `sim_time`; for an event
/// without one, the latest instant published on the bus before it, or the epoch if there was none.
///
/// Accepted means enqueued for every log subscriber (R29): `poll_ready` waits, in line, until each of their
/// queues has room. Dropping the sink gives back what it had reserved.
#[must_use = "sinks do nothing unless polled"]
pub struct ComponentLog<E> {
    publisher: Publisher<E>,
    component: &'static str,
}

impl<E> ComponentLog<E> {
    pub(crate) fn new(publisher: Publisher<E>, component: &'static str) -> Self {
        ComponentLog { publisher, component }
    }

    /// Name of the component.
    pub fn component(&self) -> &'static str {
        self.component
    }
}

impl<E: From<LogEvent>> Sink<LogEvent> for ComponentLog<E> {
    type Error = LogError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), LogError>> {
        self.publisher.poll_place(cx).map_err(LogError::Refused)
    }

    fn start_send(mut self: Pin<&mut Self>, mut event: LogEvent) -> Result<(), LogError> {
        event.component = self.component;
        let (instant, stamp) = match event.sim_time {
            Some(instant) => (instant, Stamp::Own),
            None => (Timestamp::EPOCH, Stamp::Latest),
        };
        let draft = Draft::new(self.publisher.name(), instant, event.into());
        self.publisher.send(draft, stamp).map(|_| ()).map_err(LogError::Refused)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), LogError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), LogError>> {
        self.publisher.give_back();
        Poll::Ready(Ok(()))
    }
}

impl<E> fmt::Debug for ComponentLog<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComponentLog").field("component", &self.component).finish_non_exhaustive()
    }
}
