//! The merge by frontier: which source is wanted next, and when a frame is decided. No stream, no waker.

use std::ops::Range;
use std::sync::Arc;

use bt_core::{CandleBatch, FrameBlock, Pacer, Series, Slot, SourceError, Timeframe, Timestamp};

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
    dense: Option<Dense>,
    counts: Counts,
}

/// Frames that are being made in which every series has a bar: the first closes at the earliest instant.
#[derive(Clone, Copy, Debug)]
struct Dense {
    timeframe: Timeframe,
    frames: usize,
    /// The series whose bars are to go in next.
    lane: usize,
}

/// Dense frames that are made together, in several polls if need be: as many as there are numbers in a cache line, for
/// what is fetched of thousands of columns is gone again at the next frame.
const TOGETHER: usize = 8;

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
            dense: None,
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
    /// the closes behind it where all series have bars. Those may be more than there is `room` for: until the last
    /// of their slots is in, `step` returns the same close, and `block` must be the same. Returns how much of the room
    /// was used up.
    pub(crate) fn close(&mut self, block: &mut FrameBlock, remarks: &mut Remarks<'_>, room: usize) -> usize {
        self.dense = self.dense.or_else(|| self.dense(room, block.is_empty()));
        let slots = match self.dense {
            Some(dense) => self.close_dense(dense, block, room),
            None => self.close_one(block, remarks),
        };
        if self.dense.is_none() {
            self.bars.clear();
        }
        slots
    }

    /// The frames from the earliest instant on in which every series has a bar, if that is worth while.
    fn dense(&self, room: usize, is_first: bool) -> Option<Dense> {
        let [(timeframe, lanes)] = &self.groups[..] else { return None };
        if self.bars.len() < lanes.len() {
            return None;
        }
        let fit = room / lanes.len();
        // What takes several polls is a block of its own, so that blocks do not grow without end.
        let most = if is_first && room == Pacer::LIMIT { fit.max(TOGETHER) } else { fit };
        if most <= 1 {
            return None;
        }
        let frames = self.lanes.iter().map(Lane::in_a_row).min().unwrap_or(0).min(most);
        (frames > 1).then_some(Dense { timeframe: *timeframe, frames, lane: 0 })
    }

    /// Puts in as many bars as there is room for. Nothing is entered in the agenda but what these leave.
    fn close_dense(&mut self, dense: Dense, block: &mut FrameBlock, room: usize) -> usize {
        let Dense { timeframe, frames, lane } = dense;
        if !block.make_room(frames, room) {
            return room;
        }
        let lanes = lane..self.lanes.len().min(lane + room / frames);
        for lane in lanes.clone() {
            let state = &mut self.lanes[lane];
            if let Some((columns, rows)) = state.bars(frames) {
                block.push_bars(columns, rows);
            }
            state.skip(frames);
            enter(&mut self.agenda, lane, state.head());
        }
        self.dense = (lanes.end < self.lanes.len()).then_some(Dense { lane: lanes.end, ..dense });
        if self.dense.is_none() {
            let step = timeframe.as_nanos();
            let closes = std::iter::successors(Some(self.at), |close| Some(close.saturating_add_nanos(step)));
            block.end_dense(closes.take(frames));
            self.counts.frames += frames as u64;
            self.counts.bars.iter_mut().for_each(|bars| *bars += frames as u64);
        }
        if lanes.len() < self.lanes.len() { room } else { frames * lanes.len() }
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
