//! A source made of a stream of candles.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use pin_project_lite::pin_project;

use crate::{
    Admission, Candle, CandleBatch, CandleSource, Series, SourceError, SourceStats, StatsHandle, Timestamp,
};

pin_project! {
    /// A source of any stream of candles: [`from_candles`].
    ///
    /// # Cancel safety
    /// It holds no candle between polls.
    #[must_use = "streams do nothing unless polled"]
    pub struct FromCandles<C> {
        #[pin]
        candles: C,
        admission: Admission,
        end: Option<Timestamp>,
        counted: SourceStats,
        stats: StatsHandle,
        done: bool,
    }
}

/// Makes a source of any stream of candles, one row a batch.
///
/// The candles must lie on the grid of `series` and strictly increase; a candle that does not is an error
/// that ends the source (R25). Nothing else is checked, skipped or counted as a gap: that is the work of the
/// sources that read raw rows. It tells no time while the stream is quiet, and so holds up a merge: a live feed
/// with quiet series wants a [`CandleSource`] of its own. `end` is where the series ends by declaration (R23).
pub fn from_candles<C>(series: Series, end: Option<Timestamp>, candles: C) -> FromCandles<C>
where
    C: Stream<Item = Result<Candle, SourceError>> + Send,
{
    let admission = Admission::new(series, end);
    FromCandles {
        candles,
        admission,
        end,
        counted: SourceStats::default(),
        stats: StatsHandle::new(),
        done: false,
    }
}

impl<C> Stream for FromCandles<C>
where
    C: Stream<Item = Result<Candle, SourceError>> + Send,
{
    type Item = Result<CandleBatch, SourceError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        if *this.done {
            return Poll::Ready(None);
        }
        let item = ready!(this.candles.poll_next(cx)).map(|candle| {
            let candle = candle?;
            this.admission.admit(candle.start)?;
            this.counted.emitted += 1;
            this.counted.first_start.get_or_insert(candle.start);
            this.counted.last_start = Some(candle.start);
            this.stats.publish(this.counted);
            Ok(CandleBatch::from_iter([candle]))
        });
        *this.done = !matches!(item, Some(Ok(_)));
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // An error may end the stream early, so only the upper bound carries over.
        if self.done { (0, Some(0)) } else { (0, self.candles.size_hint().1) }
    }
}

impl<C> FusedStream for FromCandles<C>
where
    C: Stream<Item = Result<Candle, SourceError>> + Send,
{
    fn is_terminated(&self) -> bool {
        self.done
    }
}

impl<C> CandleSource for FromCandles<C>
where
    C: Stream<Item = Result<Candle, SourceError>> + Send,
{
    fn series(&self) -> &Series {
        self.admission.series()
    }

    fn declared_end(&self) -> Option<Timestamp> {
        self.end
    }

    fn stats(&self) -> StatsHandle {
        self.stats.clone()
    }
}

impl<C> fmt::Debug for FromCandles<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromCandles")
            .field("series", self.admission.series())
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}
