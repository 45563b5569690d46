//! Where components park logs until they are accepted.

use std::collections::VecDeque;
use std::fmt;
use std::task::{Context, Poll, ready};

use crate::{BoxLogSink, LogError, LogEvent, LogSink};

/// Logs on their way to a sink: the one place where components park them.
///
/// A component pushes what it has to say, then goes on only when [`poll_accepted`](Outbox::poll_accepted) is
/// ready (R29). Without a sink, events are let go at once.
///
/// # Cancel safety
/// Events that are not accepted stay in the outbox, so a poll that is given up loses nothing.
#[derive(Default)]
pub struct Outbox {
    sink: Option<BoxLogSink>,
    waiting: VecDeque<LogEvent>,
    /// Whether an event was handed to the sink since it was last flushed.
    unflushed: bool,
}

impl Outbox {
    /// An outbox in front of `sink`.
    pub fn new(sink: impl LogSink + 'static) -> Self {
        Outbox { sink: Some(Box::pin(sink)), ..Outbox::default() }
    }

    /// An outbox that lets everything go.
    pub fn discard() -> Self {
        Outbox::default()
    }

    /// Whether events are let go instead of sent, so that a component need not make them.
    pub fn is_discarding(&self) -> bool {
        self.sink.is_none()
    }

    /// Sends what is parked, and what is pushed from now on, to `sink` instead. The one before goes, and with it its
    /// place in line.
    pub fn redirect(&mut self, sink: impl LogSink + 'static) {
        self.sink = Some(Box::pin(sink));
        self.unflushed = false;
    }

    /// Parks an event.
    pub fn push(&mut self, event: LogEvent) {
        if self.sink.is_some() {
            self.waiting.push_back(event);
        }
    }

    /// Ready when everything pushed has been accepted, in order.
    ///
    /// # Errors
    /// The sink's. The event that it refused is gone; those behind it stay parked.
    pub fn poll_accepted(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LogError>> {
        let Some(sink) = &mut self.sink else { return Poll::Ready(Ok(())) };
        while !self.waiting.is_empty() {
            ready!(sink.as_mut().poll_ready(cx))?;
            if let Some(event) = self.waiting.pop_front() {
                self.unflushed = true;
                sink.as_mut().start_send(event)?;
            }
        }
        if self.unflushed {
            ready!(sink.as_mut().poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("discarding", &self.sink.is_none())
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BusError, Level};
    use futures::SinkExt;
    use futures::channel::mpsc;
    use tokio_test::{assert_pending, assert_ready_ok, task};

    fn event(name: &'static str) -> LogEvent {
        LogEvent::new(Level::Info, "test", name, "")
    }

    #[test]
    fn r29_accepted_only_when_the_sink_took_all_in_order() {
        let (tx, mut rx) = mpsc::channel(0);
        let sink = tx.sink_map_err(|_| LogError::Refused(BusError::Closed { topic: "log".into() }));
        let mut outbox = Outbox::new(sink);
        outbox.push(event("A"));
        outbox.push(event("B"));
        let mut task = task::spawn(());
        assert_pending!(task.enter(|cx, _| outbox.poll_accepted(cx)));
        assert_eq!(rx.try_recv().unwrap().event, "A");
        assert!(task.is_woken());
        while task.enter(|cx, _| outbox.poll_accepted(cx)).is_pending() {
            if let Ok(e) = rx.try_recv() {
                assert_eq!(e.event, "B");
            }
        }
        assert_ready_ok!(task.enter(|cx, _| outbox.poll_accepted(cx)));
        drop(rx);
        outbox.push(event("C"));
        assert!(matches!(
            task.enter(|cx, _| outbox.poll_accepted(cx)),
            Poll::Ready(Err(LogError::Refused(_)))
        ));
    }

    #[test]
    fn what_is_parked_goes_to_the_next_sink() {
        let sink = |capacity| {
            let (tx, rx) = mpsc::channel(capacity);
            (tx.sink_map_err(|_| LogError::Refused(BusError::Closed { topic: "log".into() })), rx)
        };
        let ((full, mut first), (roomy, mut second)) = (sink(0), sink(2));
        let mut outbox = Outbox::new(full);
        let mut task = task::spawn(());
        outbox.push(event("A"));
        outbox.push(event("B"));
        assert_pending!(task.enter(|cx, _| outbox.poll_accepted(cx)));
        outbox.redirect(roomy);
        assert_ready_ok!(task.enter(|cx, _| outbox.poll_accepted(cx)));
        assert_eq!(first.try_recv().unwrap().event, "A");
        assert!(first.try_recv().is_err(), "the sender is gone");
        assert_eq!(second.try_recv().unwrap().event, "B");
    }

    #[test]
    fn without_a_sink_events_are_let_go() {
        let mut outbox = Outbox::discard();
        outbox.push(event("A"));
        assert!(outbox.is_discarding() && outbox.waiting.is_empty());
        let mut task = task::spawn(());
        assert_ready_ok!(task.enter(|cx, _| outbox.poll_accepted(cx)));
    }
}
