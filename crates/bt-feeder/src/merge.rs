//! The merge by frontier: which source is wanted next, and when a frame is decided. No stream, no waker.

use std::ops::Range;
use std::sync::Arc;

use bt_core::{CandleBatch, FrameBlock, Series, Slot, SourceError, Timeframe, Timestamp};

use crate::agenda::Agenda;
use crate::lane::{Head, Lane};
use crate::remarks::{self, Remarks};
use crate::{Align, Fill};

/// What the merge needs or has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The series with the lowest frontier, without which nothing can be decided.
    Poll(usize),
    /// The close at which at least one bar stands, with nothing outstanding at or before it.
    Close(Timestamp),
    /// All series have ended.
    End,
}

/// Lines up the bars of all series.
///
/// Each series that has not ended stands in the agenda once: at the close of the bar in hand, else at its
/// frontier. The earliest instant is worked through in the order of R20: a series that has a bar there joins
/// the frame; one whose bar or frontier lies later is entered again; one that has nothing is polled, and
/// waited for. When the instant is worked through and any bar stands there, the frame is decided.
#[derive(Debug)]
pub(crate) struct Merge {
    series: Arc<[Series]>,
    lanes: Vec<Lane>,
    /// Runs of series of one timeframe: neighbours in the order of R20.
    groups: Vec<(Timeframe, Range<usize>)>,
    align: Align,
    fill: Fill,
    agenda: Agenda,
    /// The earliest instant, the series that stood there, how many of them are dealt with, and which of
    /// those have a bar.
    at: Timestamp,
    due: Vec<usize>,
    dealt_with: usize,
    bars: Vec<usize>,
    counts: Counts,
}

/// What went into frames, per series.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) frames: u64,
    pub(crate) bars: Vec<u64>,
    pub(crate) filled: Vec<u64>,
}

impl Merge {
    /// A merge of `series`, in the order of R20, that end at `ends`.
    pub(crate) fn new(series: Arc<[Series]>, ends: &[Option<Timestamp>], align: Align, fill: Fill) -> Self {
        let mut groups: Vec<(Timeframe, Range<usize>)> = Vec::new();
        for (lane, timeframe) in series.iter().map(Series::timeframe).enumerate() {
            match groups.last_mut() {
                Some((same, lanes)) if *same == timeframe => lanes.end = lane + 1,
                _ => groups.push((timeframe, lane..lane + 1)),
            }
        }
        let mut agenda = Agenda::default();
        (0..series.len()).for_each(|lane| agenda.put(Timestamp::MIN, lane));
        Merge {
            lanes: series.iter().zip(ends).map(|(series, end)| Lane::new(series, *end)).collect(),
            groups,
            align,
            fill,
            agenda,
            at: Timestamp::MIN,
            due: Vec::new(),
            dealt_with: 0,
            bars: Vec::new(),
            counts: Counts { frames: 0, bars: vec![0; series.len()], filled: vec![0; series.len()] },
            series,
        }
    }

    /// What is needed next, or the frame that is decided. Asking again changes nothing.
    pub(crate) fn step(&mut self) -> Step {
        loop {
            while let Some(&lane) = self.due.get(self.dealt_with) {
                match self.lanes[lane].head() {
                    Head::Bar(close) if close == self.at => self.bars.push(lane),
                    Head::Waiting(frontier) if frontier == self.at => return Step::Poll(lane),
                    Head::Bar(later) | Head::Waiting(later) => self.agenda.put(later, lane),
                    Head::Ended => {}
                }
                self.dealt_with += 1;
            }
            if !self.bars.is_empty() {
                return Step::Close(self.at);
            }
            match self.agenda.take_first(&mut self.due) {
                Some(at) => {
                    self.at = at;
                    self.dealt_with = 0;
                }
                None => return Step::End,
            }
        }
    }

    /// The series, in the order of R20.
    pub(crate) fn series(&self) -> &Arc<[Series]> {
        &self.series
    }

    /// Whether the series has had a bar.
    pub(crate) fn has_started(&self, lane: usize) -> bool {
        self.lanes[lane].has_started()
    }

    /// What the polled series yielded.
    pub(crate) fn accept(&mut self, lane: usize, batch: CandleBatch) {
        self.lanes[lane].accept(batch);
    }

    /// The polled series has ended.
    pub(crate) fn finish(&mut self, lane: usize) {
        self.lanes[lane].finish();
    }

    /// The polled series has failed and is left behind.
    pub(crate) fn cut_off(&mut self, lane: usize) {
        self.lanes[lane].cut_off();
    }

    /// What is wrong with the row that would come next of the series to be polled.
    pub(crate) fn take_fault(&mut self, lane: usize) -> Option<SourceError> {
        self.lanes[lane].take_fault()
    }

    /// Counters of what went into frames.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Takes a frame that will not be handed out back out of the counters.
    pub(crate) fn uncount(&mut self, block: &FrameBlock, row: usize) {
        self.counts.frames -= 1;
        for (lane, slot) in block.slots(row).enumerate() {
            self.counts.bars[lane] -= u64::from(matches!(slot, Slot::Bar(_)));
            self.counts.filled[lane] -= u64::from(matches!(slot, Slot::Filled { .. }));
        }
    }

    /// Deals with the close that [`step`](Merge::step) returned: appends its frame to `block`, if the
    /// alignment asks for one, adds what there is to say about it to `remarks`, and moves on. So it does with
    /// the closes behind it where all series have bars, as long as there is room for their slots. Returns the
    /// number of slots looked at.
    pub(crate) fn close(&mut self, block: &mut FrameBlock, remarks: &mut Remarks<'_>, room: usize) -> usize {
        let most = room / self.lanes.len();
        let slots = match &self.groups[..] {
            [(timeframe, lanes)] if most > 1 && self.bars.len() == lanes.len() => {
                let in_a_row = self.lanes.iter().map(Lane::in_a_row).min().unwrap_or(0);
                self.close_dense(*timeframe, in_a_row.min(most), block)
            }
            _ => self.close_one(block, remarks),
        };
        self.bars.clear();
        slots
    }

    /// Appends frames in which every series has a bar. Nothing is entered in the agenda but what these leave.
    fn close_dense(&mut self, timeframe: Timeframe, frames: usize, block: &mut FrameBlock) -> usize {
        let step = timeframe.as_nanos();
        let closes = std::iter::successors(Some(self.at), |close| Some(close.saturating_add_nanos(step)));
        block.extend_dense(closes.take(frames), self.lanes.iter().filter_map(|lane| lane.bars(frames)));
        self.counts.frames += frames as u64;
        for (lane, (state, bars)) in self.lanes.iter_mut().zip(&mut self.counts.bars).enumerate() {
            *bars += frames as u64;
            state.skip(frames);
            enter(&mut self.agenda, lane, state.head());
        }
        frames * self.lanes.len()
    }

    fn close_one(&mut self, block: &mut FrameBlock, remarks: &mut Remarks<'_>) -> usize {
        let wanted = self.align == Align::Outer || self.is_complete();
        if wanted {
            self.counts.frames += 1;
            block.begin(self.at);
        }
        let mut bars = self.bars.iter().copied().peekable();
        for (timeframe, lanes) in &self.groups {
            if !timeframe.is_on_grid(self.at) {
                if wanted {
                    block.push_not_due(lanes.len());
                }
                continue;
            }
            for lane in lanes.clone() {
                let (state, series) = (&mut self.lanes[lane], &self.series[lane]);
                if bars.next_if_eq(&lane).is_some()
                    && let Some(candle) = state.advance()
                {
                    if wanted {
                        self.counts.bars[lane] += 1;
                        block.push(Slot::Bar(candle));
                    }
                    enter(&mut self.agenda, lane, state.head());
                    continue;
                }
                // Inner alignment leaves the frame out, but why it does is worth telling all the same.
                if state.is_due(self.at) && !state.absence_told {
                    state.absence_told = true;
                    remarks.say(|| remarks::absent(series, self.at, state.has_started()));
                }
                if state.is_due(self.at) && state.is_stale() && !state.stale_told {
                    state.stale_told = true;
                    remarks.say(|| remarks::stale(series, self.at));
                }
                if wanted {
                    let slot = state.absent(self.at, self.fill);
                    self.counts.filled[lane] += u64::from(matches!(slot, Slot::Filled { .. }));
                    block.push(slot);
                }
            }
        }
        self.series.len()
    }

    /// Whether every due series has a bar (R21, inner alignment).
    fn is_complete(&self) -> bool {
        let mut bars = self.bars.iter().copied().peekable();
        self.groups.iter().filter(|(timeframe, _)| timeframe.is_on_grid(self.at)).all(|(_, lanes)| {
            lanes.clone().all(|lane| bars.next_if_eq(&lane).is_some() || !self.lanes[lane].is_due(self.at))
        })
    }
}

/// Enters a series where it is to be looked at next, if it has not ended.
fn enter(agenda: &mut Agenda, lane: usize, head: Head) {
    match head {
        Head::Bar(at) | Head::Waiting(at) => agenda.put(at, lane),
        Head::Ended => {}
    }
}
