//! Publishing to one topic.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bt_core::{BusError, Message, TopicName};
use futures_sink::Sink;

use crate::after::After;
use crate::batch::Batch;
use crate::core::{Closed, Core, Stamp};
use crate::draft::Draft;
use crate::line::Claim;
use crate::patience::{Limited, Patience};
use crate::shared::Shared;
use crate::{Publish, TryPublishError};

/// Publishes to one topic.
///
/// As a `Sink`, `poll_ready` reserves a place in every queue of the topic, all or nothing; publishers that
/// find no room wait in line, first come first served, and one that waits holds nothing. `start_send` gives
/// the message its sequence number and queues it everywhere: it is accepted. A reservation that is not used
/// is given back by dropping or closing the publisher, and the next in line gets it. So does a place in line:
/// do not leave a publisher that was polled lying about.
///
/// There is no line across topics: a publisher that waits for one queue keeps nobody from another that has
/// room. So a consumer can always publish to queues with room, whoever waits for its own.
///
/// Whichever way it waits: on a tokio runtime, a queue with a limit
/// ([`with_block_limit`](crate::SubscriptionConfig::with_block_limit)) that leaves it without room for that long
/// makes it fail with [`BusError::Blocked`], and it gives up its place in line. It may try again. A runtime without
/// timers makes such a wait panic.
#[must_use = "sinks do nothing unless polled"]
pub struct Publisher<E> {
    shared: Arc<Shared<E>>,
    topic: usize,
    claim: Claim,
    patience: Patience,
    after: After<E>,
}

impl<E> Publisher<E> {
    pub(crate) fn new(shared: Arc<Shared<E>>, topic: usize) -> Self {
        Publisher { shared, topic, claim: Claim::Nothing, patience: Patience::default(), after: After::new() }
    }

    /// Name of the topic.
    pub fn topic(&self) -> &str {
        &self.shared.topics[self.topic]
    }

    /// Publishes a message, waiting for room, and gives its sequence number.
    ///
    /// # Errors
    /// [`BusError::Closed`], [`BusError::Blocked`].
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has not published, the message is gone, and the place in line is given
    /// up. To keep the message, use the `Sink`.
    pub fn publish(&mut self, message: Message<E>) -> Publish<'_, E> {
        let draft = self.draft(message);
        Publish::new(self, draft)
    }

    /// Publishes a message if there is room and nobody waits in line, or on the place that the publisher holds,
    /// and gives its sequence number.
    ///
    /// Space for the envelope is made before the queues are looked into, so an attempt that is refused allocates, too:
    /// to wait for room, use [`publish`](Publisher::publish) or the `Sink`.
    ///
    /// # Errors
    /// [`TryPublishError::Full`] with the message; [`TryPublishError::Refused`] if the bus is closed.
    pub fn try_publish(&mut self, message: Message<E>) -> Result<u64, TryPublishError<E>> {
        let mut draft = Some(self.draft(message));
        match self.try_send(&mut draft, Stamp::Own) {
            Ok(Some(seq)) => Ok(seq),
            Ok(None) => {
                let draft = draft.expect("what is not published is left");
                Err(TryPublishError::Full(draft.into_message()))
            }
            Err(Closed) => Err(TryPublishError::Refused(self.refused())),
        }
    }

    /// Publishes all of `messages`, in order, and leaves it empty.
    ///
    /// As many as there is room for, up to 4,096 at a time, are queued under one lock, with nothing of others between
    /// them, at little more than the cost of one; for the rest it waits. The envelopes of a batch share their memory, which is
    /// given back when the last of them is.
    ///
    /// # Errors
    /// [`BusError::Closed`], [`BusError::Blocked`]; what was not published is still in `messages`.
    ///
    /// # Cancel safety
    /// What was not published stays in `messages`; the place in line is given up.
    pub async fn publish_batch(&mut self, messages: &mut Vec<Message<E>>) -> Result<(), BusError> {
        // Given up on, it gives its place back: one that nobody polls for would hold up everyone behind it.
        let this = GiveBack(self);
        let mut batch = Batch::new(messages);
        poll_fn(|cx| {
            while batch.len() > 0 {
                ready!(this.0.poll_core(cx, |core, topic, claim, after, cx| {
                    core.poll_publish_batch(topic, claim, &mut batch, cx.waker(), after)
                }))?;
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Ready when there is a place for one message in every queue, which is held from then on.
    pub(crate) fn poll_place(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BusError>> {
        self.poll_core(cx, |core, topic, claim, after, cx| core.poll_reserve(topic, claim, cx.waker(), after))
    }

    #[inline]
    pub(crate) fn draft(&self, message: Message<E>) -> Draft<E> {
        Draft::new(self.name(), message.instant, message.payload)
    }

    #[inline]
    pub(crate) fn name(&self) -> TopicName {
        self.shared.topics[self.topic]
    }

    /// Ready when `draft` is published.
    #[inline]
    pub(crate) fn poll_publish(
        &mut self,
        cx: &mut Context<'_>,
        draft: &mut Option<Draft<E>>,
    ) -> Poll<Result<u64, BusError>> {
        self.poll_core(cx, |core, topic, claim, after, cx| {
            // With room and nobody in line, which is the rule, no place is claimed first.
            while !core.may_publish(topic, claim, after)? {
                ready!(core.poll_reserve(topic, claim, cx.waker(), after))?;
            }
            match draft.take() {
                Some(draft) => Poll::Ready(Ok(core.publish(topic, draft, Stamp::Own, after))),
                None => Poll::Pending,
            }
        })
    }

    /// Asks the core, and gives up when that takes longer than a subscription allows.
    #[inline]
    fn poll_core<T>(
        &mut self,
        cx: &mut Context<'_>,
        ask: impl FnOnce(&mut Core<E>, usize, &mut Claim, &mut After<E>, &Context<'_>) -> Poll<Result<T, Closed>>,
    ) -> Poll<Result<T, BusError>> {
        let Self { shared, topic, claim, after, .. } = self;
        let polled = ask(&mut shared.lock(), *topic, claim, after, cx);
        after.run();
        match polled {
            Poll::Ready(answer) => {
                self.patience.rest();
                Poll::Ready(answer.map_err(|Closed| self.refused()))
            }
            Poll::Pending => self.poll_blocked(cx).map(Err),
        }
    }

    /// Ready when a subscription has left no room for longer than it allows.
    #[cold]
    fn poll_blocked(&mut self, cx: &mut Context<'_>) -> Poll<BusError> {
        let Self { shared, topic, patience, .. } = self;
        let Limited { subscriber, limit, .. } =
            ready!(patience.poll_over(|| shared.lock().limited(*topic), cx));
        let subscription = shared.lock().name(subscriber);
        self.give_back();
        Poll::Ready(BusError::Blocked { subscription, topic: self.topic().to_owned(), limit })
    }

    /// Sends on the place that is held.
    #[inline]
    pub(crate) fn send(&mut self, draft: Draft<E>, stamp: Stamp) -> Result<u64, BusError> {
        match self.try_send(&mut Some(draft), stamp) {
            Ok(Some(seq)) => Ok(seq),
            Ok(None) => Err(self.unreserved()),
            Err(Closed) => Err(self.refused()),
        }
    }

    /// Publishes `draft`, or leaves it, if it may not be published now.
    #[inline]
    fn try_send(&mut self, draft: &mut Option<Draft<E>>, stamp: Stamp) -> Result<Option<u64>, Closed> {
        let Self { shared, topic, claim, after, .. } = self;
        let mut core = shared.lock();
        let sent = core.may_publish(*topic, claim, after).map(|may| {
            let draft = draft.take_if(|_| may)?;
            Some(core.publish(*topic, draft, stamp, after))
        });
        drop(core);
        after.run();
        if *claim == Claim::Nothing {
            self.patience.rest();
        }
        sent
    }

    /// Gives back a reservation or a place in line.
    #[inline]
    pub(crate) fn give_back(&mut self) {
        self.patience.rest();
        if self.claim != Claim::Nothing {
            let Self { shared, topic, claim, after, .. } = self;
            shared.lock().give_back(*topic, claim, after);
            after.run();
        }
    }

    #[cold]
    fn unreserved(&self) -> BusError {
        let topic = self.topic();
        let text = format!("no room reserved on topic `{topic}`, expected a ready `poll_ready` first");
        BusError::Other(text.into())
    }

    #[cold]
    fn refused(&self) -> BusError {
        self.shared.closed(self.topic)
    }
}

/// Gives back what its publisher holds or waits for when it is dropped.
struct GiveBack<'a, E>(&'a mut Publisher<E>);

impl<E> Drop for GiveBack<'_, E> {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

impl<E> Sink<Message<E>> for Publisher<E> {
    type Error = BusError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), BusError>> {
        self.poll_place(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message<E>) -> Result<(), BusError> {
        let draft = self.draft(message);
        self.send(draft, Stamp::Own).map(|_| ())
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), BusError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), BusError>> {
        self.give_back();
        Poll::Ready(Ok(()))
    }
}

impl<E> Drop for Publisher<E> {
    fn drop(&mut self) {
        self.give_back();
    }
}

// Nothing is ever pinned inside.
impl<E> Unpin for Publisher<E> {}

impl<E> fmt::Debug for Publisher<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("topic", &self.topic())
            .field("claim", &self.claim)
            .finish_non_exhaustive()
    }
}
