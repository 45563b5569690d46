//! The stream around the arithmetic.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bt_core::{
    Admission, CandleBatch, CandleSource, Columns, ConfigError, Pacer, Recycler, Series, SourceError,
    StatsHandle, Timeframe, Timestamp, Yield,
};
use futures_core::{FusedStream, Stream};
use pin_project_lite::pin_project;

use crate::PartialPolicy;
use crate::buckets::Buckets;

pin_project! {
    /// A source of larger bars, made of a source of smaller candles.
    ///
    /// Bars come as soon as they are decided (R14), in batches; a batch without rows says only how far time
    /// has come. With equal timeframes it passes its source through untouched (R12). Counters and declared
    /// end are those of its source. An error of the source ends it, and the bar in the making is not handed
    /// on: whether it was complete is not known.
    ///
    /// # Cancel safety
    /// The batch in work and the bar in the making stay in the stream: a `next()` that is dropped loses
    /// nothing.
    #[must_use = "streams do nothing unless polled"]
    pub struct Resample<S> {
        #[pin]
        source: S,
        series: Series,
        buckets: Option<Buckets>,
        state: State,
        told: Told,
        recycler: Recycler<Columns>,
        pacer: Pacer,
    }
}

/// ```text
/// Pulling ──batch──► Folding ──last row──► Pulling
///    │                  └──bad row──► Failing ──► Done
///    └── error or end ──► Done
/// ```
#[derive(Debug)]
enum State {
    /// Waits for the next batch of the source.
    Pulling,
    /// Works through a batch, a bounded number of rows at a time.
    Folding(CandleBatch),
    /// Has handed on what was decided before this error.
    Failing(SourceError),
    /// Ended.
    Done,
}

/// What was told downstream, and what was not yet.
#[derive(Debug, Default)]
struct Told {
    /// The latest close instant of the target's grid that time was told to have reached.
    reached: Option<Timestamp>,
    stale: bool,
    /// Candles looked at since the last batch.
    work: usize,
}

/// Candles that are folded in one go: few enough that the bars of thousands of series take little memory, many
/// enough that handing them on costs little.
const PART_ROWS: usize = 1024;

/// Buffers of bars that may be downstream at a time and still come back.
const BUFFERS: usize = 4;

impl<S: CandleSource> Resample<S> {
    /// The bars of `target` made of the candles of `source`.
    ///
    /// # Errors
    /// [`ConfigError::NotAMultiple`] if `target` is not a whole multiple of the source's timeframe (R12).
    pub fn new(source: S, target: Timeframe) -> Result<Self, ConfigError> {
        let input = source.series().clone();
        let ratio = target
            .ratio(input.timeframe())
            .and_then(|ratio| usize::try_from(ratio).ok())
            .ok_or_else(|| ConfigError::NotAMultiple { input: input.clone(), target })?;
        Ok(Resample {
            series: input.instrument().at(target),
            buckets: (ratio > 1).then(|| {
                let admission = Admission::new(input, source.declared_end());
                Buckets::new(admission, target, ratio)
            }),
            source,
            state: State::Pulling,
            told: Told::default(),
            recycler: Recycler::new(BUFFERS),
            pacer: Pacer::default(),
        })
    }

    /// Sets what becomes of bars that lack inputs (R15). With equal timeframes every candle passes, partial or
    /// not (R12).
    pub fn with_partial(mut self, policy: PartialPolicy) -> Self {
        if let Some(buckets) = &mut self.buckets {
            buckets.set_policy(policy);
        }
        self
    }

    /// Sets how the stream gives its executor the thread back (R36).
    pub fn with_yield(mut self, yielding: impl Yield + 'static) -> Self {
        self.pacer = Pacer::new(yielding);
        self
    }
}

impl Told {
    /// A batch of `bars` after a part of the input, with how far time has come; or nothing if there is nothing that
    /// downstream does not know.
    fn tell(
        &mut self,
        bars: Columns,
        recycler: &mut Recycler<Columns>,
        timeframe: Timeframe,
        stale: bool,
        progress: Timestamp,
    ) -> Option<CandleBatch> {
        // Only a close instant of the target's grid can matter to whoever lines bars up in time.
        let reached = Some(progress)
            .filter(|progress| *progress > Timestamp::MIN)
            .map(|progress| timeframe.floor(progress).unwrap_or(progress));
        if bars.is_empty() && reached <= self.reached && stale == self.stale {
            recycler.lend(bars);
            return None;
        }
        self.reached = self.reached.max(reached);
        self.stale = stale;
        let batch = self.batch(bars, recycler);
        Some(if reached.is_some() { batch.with_watermark(progress) } else { batch })
    }

    /// The next batch, which tells of all work since the last one.
    fn batch(&mut self, bars: Columns, recycler: &mut Recycler<Columns>) -> CandleBatch {
        CandleBatch::new(recycler.lend(bars)).with_work(std::mem::take(&mut self.work)).with_stale(self.stale)
    }
}

impl<S: CandleSource> Resample<S> {
    fn poll_step(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<CandleBatch, SourceError>>> {
        let mut this = self.project();
        let Some(buckets) = this.buckets else { return this.source.poll_next(cx) };
        let timeframe = this.series.timeframe();
        loop {
            match this.state {
                State::Pulling => {
                    ready!(this.pacer.poll_ready(cx));
                    match ready!(this.source.as_mut().poll_next(cx)) {
                        Some(batch) => *this.state = State::Folding(batch?),
                        None => {
                            *this.state = State::Done;
                            let mut bars = buffer(this.recycler);
                            buckets.finish(&mut bars);
                            let last = this.told.batch(bars, this.recycler);
                            return Poll::Ready((!last.is_empty()).then_some(Ok(last)));
                        }
                    }
                }
                State::Folding(batch) => {
                    ready!(this.pacer.poll_ready(cx));
                    let rows = batch.len().min(PART_ROWS);
                    let part = batch.slice(0..rows);
                    let rest = (rows < batch.len()).then(|| batch.slice(rows..batch.len()));
                    let work = if rest.is_none() { batch.work().max(rows) } else { rows };
                    this.pacer.charge(work);
                    this.told.work += work;
                    *this.state = rest.map_or(State::Pulling, State::Folding);

                    let mut bars = buffer(this.recycler);
                    if let Err(error) = buckets.fold(&part, &mut bars) {
                        // How far the series came is told first: the error is of no earlier instant (R24).
                        *this.state = State::Failing(error);
                        let last = this.told.batch(bars, this.recycler).with_watermark(buckets.reached());
                        return Poll::Ready(Some(Ok(last)));
                    }
                    let (stale, reached) = (part.is_stale(), buckets.reached());
                    if let Some(told) = this.told.tell(bars, this.recycler, timeframe, stale, reached) {
                        return Poll::Ready(Some(Ok(told)));
                    }
                }
                State::Failing(_) | State::Done => {
                    let failed = std::mem::replace(this.state, State::Done);
                    return Poll::Ready(if let State::Failing(error) = failed {
                        Some(Err(error))
                    } else {
                        None
                    });
                }
            }
        }
    }
}

fn buffer(recycler: &mut Recycler<Columns>) -> Columns {
    let mut bars = recycler.take();
    bars.clear();
    bars
}

impl<S: CandleSource> Stream for Resample<S> {
    type Item = Result<CandleBatch, SourceError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if matches!(self.state, State::Done) {
            return Poll::Ready(None);
        }
        let item = ready!(self.as_mut().poll_step(cx));
        if !matches!(item, Some(Ok(_))) {
            // An error means done.
            *self.project().state = State::Done;
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, matches!(self.state, State::Done).then_some(0))
    }
}

impl<S: CandleSource> FusedStream for Resample<S> {
    fn is_terminated(&self) -> bool {
        matches!(self.state, State::Done)
    }
}

impl<S: CandleSource> CandleSource for Resample<S> {
    fn series(&self) -> &Series {
        &self.series
    }

    fn declared_end(&self) -> Option<Timestamp> {
        self.source.declared_end()
    }

    fn stats(&self) -> StatsHandle {
        self.source.stats()
    }
}

impl<S> fmt::Debug for Resample<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resample")
            .field("series", &self.series)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
