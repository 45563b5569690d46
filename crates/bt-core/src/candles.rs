//! The view of a source as single candles.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use pin_project_lite::pin_project;

use crate::{Candle, CandleBatch, CandleSource, Pacer, SourceError, Yield};

pin_project! {
    /// Stream of the single candles of a source: [`CandleSourceExt::candles`](crate::CandleSourceExt::candles).
    ///
    /// # Cancel safety
    /// The candles not yet taken stay in the stream.
    #[must_use = "streams do nothing unless polled"]
    pub struct Candles<S> {
        #[pin]
        source: S,
        state: State,
        pacer: Pacer,
    }
}

/// ```text
/// Pulling ──batch──► Handing ──last row──► Pulling
///    └── error or end ──► Done
/// ```
#[derive(Debug)]
enum State {
    /// Waits for the next batch.
    Pulling,
    /// Hands out the rows of a batch, from the one given.
    Handing(CandleBatch, usize),
    /// Ended.
    Done,
}

impl<S: CandleSource> Candles<S> {
    pub(crate) fn new(source: S) -> Self {
        Candles { source, state: State::Pulling, pacer: Pacer::default() }
    }

    /// Sets how the stream gives its executor the thread back (R36).
    pub fn with_yield(mut self, yielding: impl Yield + 'static) -> Self {
        self.pacer = Pacer::new(yielding);
        self
    }
}

impl<S: CandleSource> Stream for Candles<S> {
    type Item = Result<Candle, SourceError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        loop {
            match this.state {
                State::Pulling => {
                    ready!(this.pacer.poll_ready(cx));
                    *this.state = match ready!(this.source.as_mut().poll_next(cx)) {
                        Some(Ok(batch)) => {
                            this.pacer.charge(batch.work().saturating_sub(batch.len()));
                            State::Handing(batch, 0)
                        }
                        Some(Err(error)) => {
                            *this.state = State::Done;
                            return Poll::Ready(Some(Err(error)));
                        }
                        None => State::Done,
                    };
                }
                State::Handing(batch, row) if *row < batch.len() => {
                    if row.is_multiple_of(Pacer::LIMIT) {
                        ready!(this.pacer.poll_ready(cx));
                        this.pacer.charge(Pacer::LIMIT.min(batch.len() - *row));
                    }
                    *row += 1;
                    return Poll::Ready(Some(Ok(batch.candle(*row - 1))));
                }
                State::Handing(..) => *this.state = State::Pulling,
                State::Done => return Poll::Ready(None),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.state {
            State::Pulling => (0, None),
            State::Handing(batch, row) => (batch.len() - row, None),
            State::Done => (0, Some(0)),
        }
    }
}

impl<S: CandleSource> FusedStream for Candles<S> {
    fn is_terminated(&self) -> bool {
        matches!(self.state, State::Done)
    }
}

impl<S: fmt::Debug> fmt::Debug for Candles<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candles")
            .field("source", &self.source)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
