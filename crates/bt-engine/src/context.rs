//! What a service is given.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use bt_core::{BusError, Clock, Event, EventBus, LogError, LogEvent, Message, Outbox, Timestamp};
use futures_core::Stream;
use futures_sink::Sink;

use crate::StopHandle;

/// What a service works with: its subscription, the bus, the clock and the log.
///
/// A delivery is acknowledged by being dropped, and the engine goes on when all are (R28): hold it until what
/// follows from it has been published. Answer frames rather than logs where runs must be repeatable: what a
/// service publishes about a *log* stands among later logs of the feed according to when the feed had to wait.
#[non_exhaustive]
pub struct ServiceContext<B: EventBus<Payload = Event>> {
    /// The service's name.
    pub name: &'static str,
    /// The topics asked for, and the control topic. Ends when the bus is closed and the queue is empty.
    pub subscription: B::Subscription,
    /// The bus, for publishers and statistics.
    pub bus: B,
    /// What time it is for the run. It stands at the close of the frame in hand.
    pub clock: Arc<dyn Clock>,
    /// The service's own logs on their way; [`log`](ServiceContext::log) is the short way.
    pub outbox: Outbox,
    /// Ends the run in order.
    pub stop: StopHandle,
    /// Those that were used before and are not in use.
    pub(crate) publishers: Vec<(String, B::Publisher)>,
}

impl<B: EventBus<Payload = Event>> ServiceContext<B> {
    /// The next delivery, in publish order; `None` when the bus is closed and nothing is left.
    ///
    /// # Cancel safety
    /// A delivery is taken only by a future that is ready with it, so giving one up loses nothing.
    pub async fn next(&mut self) -> Option<B::Delivery> {
        poll_fn(|cx| Pin::new(&mut self.subscription).poll_next(cx)).await
    }

    /// Says something, and goes on when the bus has accepted it (R29).
    ///
    /// # Errors
    /// [`LogError`] if the bus is closed or refuses it.
    ///
    /// # Cancel safety
    /// What is not accepted when the future is given up stays in the [`outbox`](ServiceContext::outbox), and
    /// goes out before what is said next. So does its place in line, which holds up whoever logs after it: see
    /// to it soon that the outbox is accepted, or replace it, which drops what is in it.
    pub async fn log(&mut self, event: LogEvent) -> Result<(), LogError> {
        self.outbox.push(event);
        poll_fn(|cx| self.outbox.poll_accepted(cx)).await
    }

    /// Publishes `payload` on `topic`, at the clock's instant.
    ///
    /// For use on the hot path, take a [`publisher`](EventBus::publisher) from the bus and keep it.
    ///
    /// # Errors
    /// [`BusError::UnknownTopic`], [`BusError::Closed`].
    ///
    /// # Cancel safety
    /// Not cancel safe: a future that is given up may have dropped the payload, or have published it. Its place
    /// in line is given up with it.
    pub async fn publish(&mut self, topic: &str, payload: Event) -> Result<(), BusError> {
        // Taken out while in use: a future that is given up drops it, and with it what it holds or waits for.
        let (topic, mut publisher) = match self.publishers.iter().position(|(known, _)| known == topic) {
            Some(at) => self.publishers.swap_remove(at),
            None => (topic.to_owned(), self.bus.publisher(topic)?),
        };
        poll_fn(|cx| Pin::new(&mut publisher).poll_ready(cx)).await?;
        let instant = self.clock.now();
        Pin::new(&mut publisher).start_send(Message { instant, payload })?;
        poll_fn(|cx| Pin::new(&mut publisher).poll_flush(cx)).await?;
        self.publishers.push((topic, publisher));
        Ok(())
    }

    /// What time it is for the run.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl<B: EventBus<Payload = Event>> fmt::Debug for ServiceContext<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceContext").field("name", &self.name).finish_non_exhaustive()
    }
}
