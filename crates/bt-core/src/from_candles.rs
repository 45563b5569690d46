//! A source made of a stream of candles.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use pin_project_lite::pin_project;

use crate::{Candle, CandleBatch, CandleSource, Series, SourceError, SourceStats, StatsHandle, Timestamp};

pin_project! {
    /// A source of any stream of candles: [`from_candles`].
    ///
    /// # Cancel safety
    /// It holds no candle between polls.
    #[must_use = "streams do nothing unless polled"]
    pub struct FromCandles<C> {
        #[pin]
        candles: C,
        series: Series,
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
/// sources that read raw rows. `end` is where the series ends by declaration (R23).
pub fn from_candles<C>(series: Series, end: Option<Timestamp>, candles: C) -> FromCandles<C>
where
    C: Stream<Item = Result<Candle, SourceError>> + Send,
{
    FromCandles {
        candles,
        series,
        end,
        counted: SourceStats::default(),
        stats: StatsHandle::new(),
        done: false,
    }
}

/// Checks that a candle can follow what was emitted, and counts it.
fn admit(
    series: &Series,
    end: Option<Timestamp>,
    counted: &mut SourceStats,
    candle: &Candle,
) -> Result<(), SourceError> {
    let start = candle.start;
    let misplaced = |reason| SourceError::Misplaced { series: series.clone(), start, reason };
    let close = series.timeframe().end_of(start).ok_or_else(|| misplaced("its end is not representable"))?;
    if !series.timeframe().is_on_grid(start) {
        return Err(misplaced("it is not on the grid of the timeframe"));
    }
    if end.is_some_and(|end| start >= end) {
        return Err(misplaced("it starts at or after the declared end of the series"));
    }
    if let Some(last) = counted.last_start
        && start <= last
    {
        let later = series.timeframe().end_of(last).unwrap_or(Timestamp::MAX);
        return Err(SourceError::OutOfOrder { series: series.clone(), later, earlier: close });
    }
    counted.emitted += 1;
    counted.first_start.get_or_insert(start);
    counted.last_start = Some(start);
    Ok(())
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
            admit(this.series, *this.end, this.counted, &candle)?;
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
        &self.series
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
            .field("series", &self.series)
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}
