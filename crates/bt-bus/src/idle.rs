//! The barrier.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::after::After;
use crate::shared::Shared;

/// Ready when no queue holds an envelope and no delivery is unacknowledged (R28).
///
/// It looks when it is polled: woken because the bus was idle, it waits on if something was published since.
/// After it was ready it may be polled again, for the next time.
#[must_use = "futures do nothing unless polled"]
pub struct Idle<E> {
    shared: Arc<Shared<E>>,
    /// Under which the bus keeps the waker; `None` if it keeps none.
    ticket: Option<u64>,
    after: After<E>,
}

impl<E> Idle<E> {
    pub(crate) fn new(shared: Arc<Shared<E>>) -> Self {
        Idle { shared, ticket: None, after: After::new() }
    }
}

impl<E> Future for Idle<E> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { shared, ticket, after } = &mut *self;
        let polled = shared.lock().poll_idle(ticket, cx.waker(), after);
        after.run();
        polled
    }
}

impl<E> Drop for Idle<E> {
    fn drop(&mut self) {
        if self.ticket.is_some() {
            let Self { shared, ticket, after } = self;
            shared.lock().forget_idler(ticket, after);
            after.run();
        }
    }
}

// Nothing is ever pinned inside.
impl<E> Unpin for Idle<E> {}

impl<E> fmt::Debug for Idle<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idle").field("waiting", &self.ticket.is_some()).finish_non_exhaustive()
    }
}
