//! Publishing one message.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bt_core::{BusError, Message};

use crate::Publisher;
use crate::draft::Draft;

/// Future of [`Publisher::publish`].
#[must_use = "futures do nothing unless polled"]
pub struct Publish<'a, E> {
    publisher: &'a mut Publisher<E>,
    /// Until it is published.
    draft: Option<Draft<E>>,
}

impl<'a, E> Publish<'a, E> {
    pub(crate) fn new(publisher: &'a mut Publisher<E>, draft: Draft<E>) -> Self {
        Publish { publisher, draft: Some(draft) }
    }
}

impl<E> Future for Publish<'_, E> {
    type Output = Result<u64, BusError>;

    /// # Panics
    /// If polled after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Publish { publisher, draft } = self.get_mut();
        assert!(draft.is_some(), "`Publish` polled after completion");
        publisher.poll_publish(cx, draft)
    }
}

impl<E> Drop for Publish<'_, E> {
    fn drop(&mut self) {
        // A place that nobody polls for would hold up everyone behind it.
        self.publisher.give_back();
    }
}

// Nothing is ever pinned inside.
impl<E> Unpin for Publish<'_, E> {}

impl<E> fmt::Debug for Publish<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish").field("publisher", &self.publisher).finish_non_exhaustive()
    }
}

/// Why a message was not published at once.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TryPublishError<E> {
    /// A queue has no room, or others wait in line; the message comes back.
    #[error("a queue of the topic is full, expected room in each")]
    Full(Message<E>),
    /// The bus refuses it.
    #[error(transparent)]
    Refused(BusError),
}
