//! From history to the present, as one source.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bt_core::{CandleBatch, CandleSource, ConfigError, Series, SourceError, StatsHandle, Timestamp};
use futures_core::{FusedStream, Stream};
use pin_project_lite::pin_project;

use super::source::{WsBuilder, WsCandleSource};

pin_project! {
    /// History, then what happened since, then what happens: one [`CandleSource`].
    ///
    /// The live source listens from when it was made, while history is read. At the end of history it goes on behind
    /// the last candle that was handed on: what was before the first message is fetched from its
    /// [`Backfill`](super::Backfill), what overlaps is left out, and what is missing still is logged as a gap, like
    /// any other. So starts strictly increase, and counters are those of both together. `SOURCE_LIVE` tells of the
    /// switch.
    ///
    /// An error of history ends it: nobody knows what is missing then.
    ///
    /// # Cancel safety
    /// As that of its sources: a `next()` that is dropped loses nothing.
    #[derive(Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct Handover<H> {
        series: Series,
        until: Option<Timestamp>,
        stats: StatsHandle,
        last: Option<Timestamp>,
        #[pin]
        state: State<H>,
    }
}

pin_project! {
    /// ```text
    /// History ──end──► Live
    ///    └──error, nothing left before `until`──► Done
    /// ```
    #[derive(Debug)]
    #[project = StateProj]
    enum State<H> {
        History { #[pin] source: H, next: Option<Box<WsBuilder>> },
        Live { source: WsCandleSource },
        Done,
    }
}

impl<H: CandleSource> Handover<H> {
    /// `history`, then the live source that `live` makes. Its `from` is where it begins if history is empty, and its
    /// `until` the end of both.
    ///
    /// # Errors
    /// [`ConfigError::Time`] if the live source ends before it begins, [`ConfigError::Invalid`] if history is of another
    /// series.
    pub fn new(history: H, live: WsBuilder) -> Result<Self, ConfigError> {
        live.range()?;
        let (series, until) = (live.series().clone(), live.until);
        if *history.series() != series {
            return Err(ConfigError::Invalid {
                option: "history",
                value: history.series().to_string(),
                expected: "candles of the series of the live source",
            });
        }
        let stats = history.stats();
        let next = Some(Box::new(live));
        Ok(Handover { series, until, stats, last: None, state: State::History { source: history, next } })
    }
}

impl<H: CandleSource> Stream for Handover<H> {
    type Item = Result<CandleBatch, SourceError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::History { source, next } => match ready!(source.poll_next(cx)) {
                    None => {
                        let live = next.take().and_then(|next| next.after(*this.last, this.stats));
                        this.state.set(live.map_or(State::Done, |source| State::Live { source }));
                    }
                    Some(Ok(batch)) => {
                        *this.last = batch.starts().last().copied().or(*this.last);
                        return Poll::Ready(Some(Ok(batch)));
                    }
                    failed => {
                        this.state.set(State::Done);
                        return Poll::Ready(failed);
                    }
                },
                StateProj::Live { source } => return Pin::new(source).poll_next(cx),
                StateProj::Done => return Poll::Ready(None),
            }
        }
    }
}

impl<H: CandleSource> FusedStream for Handover<H> {
    fn is_terminated(&self) -> bool {
        match &self.state {
            State::History { .. } => false,
            State::Live { source } => source.is_terminated(),
            State::Done => true,
        }
    }
}

impl<H: CandleSource> CandleSource for Handover<H> {
    fn series(&self) -> &Series {
        &self.series
    }

    fn declared_end(&self) -> Option<Timestamp> {
        self.until
    }

    fn stats(&self) -> StatsHandle {
        self.stats.clone()
    }
}
