//! Streams that are not always ready.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bt_core::{CandleSource, FrameFeed, Series, SeriesStats, StatsHandle, Timestamp};
use futures::Stream;
use futures::stream::FusedStream;
use pin_project_lite::pin_project;

pin_project! {
    /// A stream that is `Pending`, having woken its task, at the polls that a cycle says, and else as the
    /// stream inside: [`JitterExt::jitter`].
    ///
    /// # Cancel safety
    /// It holds no item between polls.
    #[must_use = "streams do nothing unless polled"]
    #[derive(Debug)]
    pub struct Jitter<S> {
        #[pin]
        inner: S,
        cycle: Vec<bool>,
        at: usize,
        ended: bool,
    }
}

/// Makes streams jitter.
pub trait JitterExt: Sized {
    /// Is `Pending` at the polls where `cycle` is true. A cycle that is true everywhere gets one poll more
    /// that is not.
    fn jitter(self, cycle: &[bool]) -> Jitter<Self> {
        let mut cycle = cycle.to_vec();
        if cycle.iter().all(|pending| *pending) {
            cycle.push(false);
        }
        Jitter { inner: self, cycle, at: 0, ended: false }
    }
}

impl<S: Stream> JitterExt for S {}

impl<S: Stream> Stream for Jitter<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        let pending = this.cycle[*this.at];
        *this.at = (*this.at + 1) % this.cycle.len();
        if pending {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let item = ready!(this.inner.poll_next(cx));
        *this.ended = item.is_none();
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

impl<S: Stream> FusedStream for Jitter<S> {
    fn is_terminated(&self) -> bool {
        self.ended
    }
}

impl<S: CandleSource> CandleSource for Jitter<S> {
    fn series(&self) -> &Series {
        self.inner.series()
    }

    fn declared_end(&self) -> Option<Timestamp> {
        self.inner.declared_end()
    }

    fn stats(&self) -> StatsHandle {
        self.inner.stats()
    }
}

impl<S: FrameFeed> FrameFeed for Jitter<S> {
    fn series(&self) -> &[Series] {
        self.inner.series()
    }

    fn stats(&self) -> Vec<SeriesStats> {
        self.inner.stats()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use tokio_test::task;

    fn polls(cycle: &[bool]) -> String {
        let mut task = task::spawn(stream::iter([1, 2]).jitter(cycle));
        let mut shown = String::new();
        loop {
            match task.poll_next() {
                Poll::Pending => {
                    assert!(task.is_woken());
                    shown.push('p');
                }
                Poll::Ready(Some(n)) => shown += &n.to_string(),
                Poll::Ready(None) => return shown,
            }
        }
    }

    #[test]
    fn pending_where_the_cycle_says() {
        assert_eq!(polls(&[]), "12");
        assert_eq!(polls(&[false, true]), "1p2p");
        assert_eq!(polls(&[true, true]), "pp1pp2pp");
    }
}
