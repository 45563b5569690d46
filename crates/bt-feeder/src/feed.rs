//! The stream around the merge.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bt_core::{
    BoxSource, CandleBatch, FeedError, Frame, FrameBlock, FrameFeed, LogEvent, Outbox, Pacer, Recycler,
    Series, SeriesStats, Slot, SlotCounts, SourceError, StatsHandle,
};
use futures_core::{FusedStream, Stream};

use crate::merge::{Merge, Step};
use crate::remarks::{self, Remarks};
use crate::{BarFeedBuilder, OnSourceError};

/// A stream of time-aligned frames, made of candle sources (R19).
///
/// Frames are made in blocks and handed out one by one. The feed hands out every frame it holds before it
/// polls a source again, and polls only the source without which the next frame cannot be decided. What it
/// logs about a frame is accepted after the frames before it were handed out, and before it is (R29).
///
/// The first error ends it: a source's (unless isolated, R25), or that of a log that was not accepted.
///
/// # Cancel safety
/// Frames not yet taken and logs not yet accepted stay in the feed: a `next()` that is dropped loses nothing.
/// Dropping the feed drops its sources and their background work (R38).
#[must_use = "streams do nothing unless polled"]
pub struct BarFeed {
    merge: Merge,
    /// A source is let go when its series has ended.
    sources: Vec<Option<BoxSource>>,
    stats: Vec<StatsHandle>,
    on_source_error: OnSourceError,
    state: State,
    /// Frames that are decided and not yet shared, and those that are being made.
    block: FrameBlock,
    recycler: Recycler<FrameBlock>,
    outbox: Outbox,
    pacer: Pacer,
}

/// In every state, what is in the outbox is accepted before anything else happens.
///
/// ```text
/// Opening ──► Merging ──frames──► Handing ──last frame──► Merging
///               │  ▲
///               │  └──────────batch, end, isolated error──────┐
///               ├──a source is needed──► Pulling ─────────────┤
///               │                                             └──error──► Failing ──► Done
///               └──all series have ended──► Ending ──► Done
/// ```
#[derive(Debug)]
enum State {
    /// Says what it is made of.
    Opening,
    /// Decides frames from what is in hand.
    Merging,
    /// Hands out the frames of a block, from `row` on; says the remarks before handing out row `speak_at`.
    Handing { block: Arc<FrameBlock>, row: usize, remarks: Vec<LogEvent>, speak_at: usize },
    /// Waits for the source of this series.
    Pulling(usize),
    /// Has said that it failed, and how it did is yet to be handed out.
    Failing(FeedError),
    /// Has said that no frame follows.
    Ending,
    /// Ended.
    Done,
}

/// Blocks that may be downstream at a time and still come back.
const BLOCKS: usize = 4;

impl BarFeed {
    /// A builder without sources.
    pub fn builder() -> BarFeedBuilder {
        BarFeedBuilder::default()
    }

    pub(crate) fn new(
        sources: Vec<BoxSource>,
        merge: Merge,
        on_source_error: OnSourceError,
        outbox: Outbox,
        pacer: Pacer,
    ) -> Self {
        BarFeed {
            stats: sources.iter().map(|source| source.stats()).collect(),
            block: FrameBlock::new(Arc::clone(merge.series())),
            merge,
            sources: sources.into_iter().map(Some).collect(),
            on_source_error,
            state: State::Opening,
            recycler: Recycler::new(BLOCKS),
            outbox,
            pacer,
        }
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, FeedError>>> {
        loop {
            if let Err(error) = ready!(self.outbox.poll_accepted(cx))
                // A failure is told as what it is, even if its log finds nobody.
                && !matches!(self.state, State::Failing(_))
            {
                return Poll::Ready(Some(Err(error.into())));
            }
            match &mut self.state {
                State::Opening => {
                    self.outbox.push(remarks::state("merging"));
                    for (series, source) in self.merge.series().iter().zip(&self.sources) {
                        let end = source.as_ref().and_then(|source| source.declared_end());
                        self.outbox.push(remarks::subscribed(series, end));
                    }
                    self.state = State::Merging;
                }
                State::Merging => {
                    ready!(self.pacer.poll_ready(cx));
                    self.state = self.merge();
                }
                State::Handing { remarks, row, speak_at, .. } if row == speak_at && !remarks.is_empty() => {
                    remarks.drain(..).for_each(|event| self.outbox.push(event));
                }
                State::Handing { block, row, .. } if *row < block.len() => {
                    *row += 1;
                    return Poll::Ready(Some(Ok(Frame::new(Arc::clone(block), *row - 1))));
                }
                State::Handing { .. } => {
                    self.state = State::Merging;
                    self.block = self.recycler.take();
                    self.block.reset(self.merge.series());
                }
                State::Pulling(lane) => {
                    let lane = *lane;
                    ready!(self.pacer.poll_ready(cx));
                    let item = ready!(self.poll_lane(lane, cx));
                    self.state = self.accept(lane, item);
                }
                State::Failing(_) | State::Ending => {
                    let last = std::mem::replace(&mut self.state, State::Done);
                    return Poll::Ready(if let State::Failing(error) = last {
                        Some(Err(error))
                    } else {
                        None
                    });
                }
                State::Done => return Poll::Ready(None),
            }
        }
    }

    /// Decides frames until a source is needed, there is something to say, or it is enough for one poll.
    fn merge(&mut self) -> State {
        let mut remarks = Vec::new();
        let mut speak_at = 0;
        let mut slots = 0;
        let mut has_room = true;
        let mut step = self.merge.step();
        while let Step::Close(_) = step
            && remarks.is_empty()
            && has_room
        {
            speak_at = self.block.len();
            let mut said = Remarks { events: &mut remarks, listening: !self.outbox.is_discarding() };
            slots += self.merge.close(&mut self.block, &mut said, Pacer::LIMIT - slots);
            // No frame is begun by itself that would not fit in (R36).
            has_room = slots + self.merge.series().len() <= Pacer::LIMIT;
            step = self.merge.step();
        }
        self.pacer.charge(if has_room { slots } else { slots.max(Pacer::LIMIT) });
        match step {
            _ if !self.block.is_empty() || !remarks.is_empty() => {
                let block = self.recycler.lend(std::mem::take(&mut self.block));
                State::Handing { block, row: 0, remarks, speak_at }
            }
            Step::Close(_) => State::Merging,
            Step::Poll(lane) => State::Pulling(lane),
            Step::End => {
                self.outbox.push(remarks::state("ended"));
                self.outbox.push(remarks::iteration_end(self.merge.counts().frames));
                State::Ending
            }
        }
    }

    /// What the source yields, or what was found wrong with a row of its last batch.
    fn poll_lane(
        &mut self,
        lane: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<CandleBatch, SourceError>>> {
        if let Some(fault) = self.merge.take_fault(lane) {
            return Poll::Ready(Some(Err(fault)));
        }
        match &mut self.sources[lane] {
            Some(source) => source.as_mut().poll_next(cx),
            None => Poll::Ready(None),
        }
    }

    fn accept(&mut self, lane: usize, item: Option<Result<CandleBatch, SourceError>>) -> State {
        let series = &self.merge.series()[lane];
        match item {
            Some(Ok(batch)) => {
                self.pacer.charge(batch.work());
                self.merge.accept(lane, batch);
                return State::Merging;
            }
            None => {
                self.outbox.push(remarks::exhausted(series, self.merge.has_started(lane)));
                self.merge.finish(lane);
            }
            Some(Err(error)) => {
                // A source that could not log is no bad source: without its log nothing may go on (R29).
                let isolate =
                    self.on_source_error == OnSourceError::Isolate && !matches!(error, SourceError::Log(_));
                if !isolate {
                    self.outbox.push(remarks::state("failed").with_series(series));
                    return State::Failing(FeedError::Source { series: series.clone(), source: error });
                }
                self.outbox.push(remarks::isolated(series, &error));
                self.merge.cut_off(lane);
            }
        }
        self.sources[lane] = None;
        State::Merging
    }

    /// Frames that are decided and not yet handed out.
    fn in_hand(&self) -> impl Iterator<Item = (&FrameBlock, usize)> {
        let (block, row) = match &self.state {
            State::Handing { block, row, .. } => (&**block, *row),
            _ => (&self.block, 0),
        };
        (row..block.len()).map(move |row| (block, row))
    }
}

impl Stream for BarFeed {
    type Item = Result<Frame, FeedError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if matches!(self.state, State::Done) {
            return Poll::Ready(None);
        }
        let item = ready!(self.poll_step(cx));
        if !matches!(item, Some(Ok(_))) {
            // An error means done, and nothing goes on in the background after it.
            if let State::Handing { block, row, .. } = std::mem::replace(&mut self.state, State::Done) {
                (row..block.len()).for_each(|row| self.merge.uncount(&block, row));
            }
            self.sources.clear();
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.state {
            State::Handing { remarks, .. } if !remarks.is_empty() => (0, None),
            State::Done => (0, Some(0)),
            _ => (self.in_hand().count(), None),
        }
    }
}

impl FusedStream for BarFeed {
    fn is_terminated(&self) -> bool {
        matches!(self.state, State::Done)
    }
}

impl FrameFeed for BarFeed {
    fn series(&self) -> &[Series] {
        self.merge.series()
    }

    fn stats(&self) -> Vec<SeriesStats> {
        let counts = self.merge.counts();
        let mut stats: Vec<SeriesStats> = (self.merge.series().iter().zip(&self.stats))
            .enumerate()
            .map(|(lane, (series, source))| SeriesStats {
                series: series.clone(),
                slots: SlotCounts {
                    bars: counts.bars[lane],
                    filled: counts.filled[lane],
                    empty: counts.frames - counts.bars[lane] - counts.filled[lane],
                },
                source: source.snapshot(),
            })
            .collect();
        for (block, row) in self.in_hand() {
            for (stats, slot) in stats.iter_mut().zip(block.slots(row)) {
                let slots = &mut stats.slots;
                match slot {
                    Slot::Bar(_) => slots.bars -= 1,
                    Slot::Filled { .. } => slots.filled -= 1,
                    _ => slots.empty -= 1,
                }
            }
        }
        stats
    }
}

impl fmt::Debug for BarFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BarFeed")
            .field("series", &self.merge.series())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
