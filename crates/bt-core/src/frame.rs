//! Frames: what all series say at one close instant.

use std::fmt;
use std::ops::Range;
use std::slice;
use std::sync::Arc;

use crate::{Candle, Columns, EmptyReason, FillReason, Series, Slot, SlotCounts, Timestamp};

/// All series at one close instant: a cheap handle on a row of a shared block (R19).
///
/// Slots come in the order of R20. A frame that is kept pins its block; [`detached`](Frame::detached)
/// copies it out.
#[derive(Clone)]
pub struct Frame {
    block: Arc<FrameBlock>,
    row: usize,
}

impl Frame {
    /// The frame in `row` of `block`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn new(block: Arc<FrameBlock>, row: usize) -> Self {
        assert!(row < block.len(), "row {row} of a block of {}", block.len());
        Frame { block, row }
    }

    /// The close instant: everything in the frame comes from inputs that ended at or before it (R24).
    pub fn close(&self) -> Timestamp {
        self.block.rows[self.row].close
    }

    /// The series of the slots, in their order.
    pub fn series(&self) -> &[Series] {
        &self.block.series
    }

    /// Number of slots: one per series.
    pub fn len(&self) -> usize {
        self.block.series.len()
    }

    /// Whether there are no slots.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The slots, in order.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.block.slots(self.row)
    }

    /// The slots with their series, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Series, Slot)> {
        self.block.series.iter().zip(self.slots())
    }

    /// The slot of one series, if it is in the frame.
    pub fn slot(&self, series: &Series) -> Option<Slot> {
        let at = self.block.series.binary_search(series).ok()?;
        self.slots().nth(at)
    }

    /// How many slots of each kind there are.
    pub fn counts(&self) -> SlotCounts {
        let mut counts = SlotCounts::default();
        for tag in self.block.row(self.row).0 {
            match tag {
                Tag::Bar => counts.bars += 1,
                Tag::Quiet | Tag::Stale => counts.filled += 1,
                _ => counts.empty += 1,
            }
        }
        counts
    }

    /// A copy of this frame alone, which does not pin the block it came in.
    #[must_use]
    pub fn detached(&self) -> Frame {
        let mut block = FrameBlock::new(Arc::clone(&self.block.series));
        block.begin(self.close());
        self.slots().for_each(|slot| block.push(slot));
        Frame::new(Arc::new(block), 0)
    }

    /// Appends the canonical encoding of this frame, which fingerprints are taken over.
    ///
    /// All numbers are little endian. Close instant (`i64` nanoseconds), number of slots (`u32`), then for each
    /// slot in order: kind and reason in one byte (0 bar; 1 filled quiet, 2 filled stale; 3 not due, 4 ended,
    /// 5 not started, 6 missing); unless empty also start (`i64`), open, high, low, close, volume (`f64` bits),
    /// trades (`u64`, all ones if unknown), partial (one byte, 0 or 1).
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.close().as_nanos().to_le_bytes());
        out.extend_from_slice(&(self.len() as u32).to_le_bytes());
        let (tags, mut candles) = self.block.row(self.row);
        for tag in tags {
            out.push(*tag as u8);
            if tag.has_candle()
                && let Some(c) = candles.next()
            {
                let (start, trades) = (c.start.as_nanos() as u64, c.trades.get().unwrap_or(u64::MAX));
                let [open, high, low, close, volume] =
                    [c.open, c.high, c.low, c.close, c.volume].map(f64::to_bits);
                let words = [start, open, high, low, close, volume, trades].map(u64::to_le_bytes);
                out.extend_from_slice(words.as_flattened());
                out.push(u8::from(c.partial));
            }
        }
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        self.close() == other.close() && self.series() == other.series() && self.slots().eq(other.slots())
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({}) ", self.close())?;
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Kind and reason of a slot in one byte; the numbers are part of the canonical encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Tag {
    Bar = 0,
    Quiet = 1,
    Stale = 2,
    NotDue = 3,
    Ended = 4,
    NotStarted = 5,
    Missing = 6,
}

impl Tag {
    fn of(slot: &Slot) -> Tag {
        match slot {
            Slot::Bar(_) => Tag::Bar,
            Slot::Filled { reason: FillReason::Quiet, .. } => Tag::Quiet,
            Slot::Filled { reason: FillReason::Stale, .. } => Tag::Stale,
            Slot::Empty(EmptyReason::NotDue) => Tag::NotDue,
            Slot::Empty(EmptyReason::Ended) => Tag::Ended,
            Slot::Empty(EmptyReason::NotStarted) => Tag::NotStarted,
            Slot::Empty(EmptyReason::Missing) => Tag::Missing,
        }
    }

    fn has_candle(self) -> bool {
        matches!(self, Tag::Bar | Tag::Quiet | Tag::Stale)
    }

    fn with_candle(self, candle: impl FnOnce() -> Option<Candle>) -> Option<Slot> {
        Some(match self {
            Tag::Bar => Slot::Bar(candle()?),
            Tag::Quiet => Slot::Filled { candle: candle()?, reason: FillReason::Quiet },
            Tag::Stale => Slot::Filled { candle: candle()?, reason: FillReason::Stale },
            Tag::NotDue => Slot::Empty(EmptyReason::NotDue),
            Tag::Ended => Slot::Empty(EmptyReason::Ended),
            Tag::NotStarted => Slot::Empty(EmptyReason::NotStarted),
            Tag::Missing => Slot::Empty(EmptyReason::Missing),
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct FrameRow {
    close: Timestamp,
    /// Where the candles of this row begin.
    candles: usize,
}

/// A run of frames in one allocation: what a feed fills and hands out row by row.
///
/// A slot takes one byte, and 64 more if it holds a candle: a series that is not due costs next to nothing.
///
/// Frames are added slot by slot, by [`begin`](FrameBlock::begin) and [`push`](FrameBlock::push). Those in which every
/// series has a bar can be added together, series by series: [`push_bars`](FrameBlock::push_bars) of each series, then
/// [`end_dense`](FrameBlock::end_dense).
pub struct FrameBlock {
    series: Arc<[Series]>,
    rows: Vec<FrameRow>,
    tags: Vec<Tag>,
    /// Those of the frames; behind them room that was used before or is being filled.
    candles: Vec<Candle>,
    /// Number of candles of the frames.
    held: usize,
    dense: Dense,
}

/// Frames that are being made series by series.
#[derive(Clone, Copy, Debug, Default)]
struct Dense {
    frames: usize,
    /// Number of series whose bars are in.
    lanes: usize,
}

impl FrameBlock {
    /// An empty block of frames over `series`, which must be in the order of R20.
    pub fn new(series: Arc<[Series]>) -> Self {
        debug_assert!(series.is_sorted(), "slots are in the order of R20");
        let dense = Dense::default();
        FrameBlock { series, rows: Vec::new(), tags: Vec::new(), candles: Vec::new(), held: 0, dense }
    }

    /// Empties the block for frames over `series`, and keeps its room.
    pub fn reset(&mut self, series: &Arc<[Series]>) {
        if !Arc::ptr_eq(&self.series, series) {
            self.series = Arc::clone(series);
        }
        self.rows.clear();
        self.tags.clear();
        self.held = 0;
        self.dense = Dense::default();
    }

    /// Begins the frame that closes at `close`; one [`push`](FrameBlock::push) per series follows.
    ///
    /// # Panics
    /// If bars were taken in that are no frames yet.
    pub fn begin(&mut self, close: Timestamp) {
        assert_eq!(self.dense.lanes, 0, "series with bars that are no frames yet");
        debug_assert_eq!(
            self.tags.len(),
            self.rows.len() * self.series.len(),
            "the frame before is complete"
        );
        self.rows.push(FrameRow { close, candles: self.held });
    }

    /// Adds the slot of the next series.
    pub fn push(&mut self, slot: Slot) {
        self.tags.push(Tag::of(&slot));
        if let Some(candle) = slot.candle() {
            match self.candles.get_mut(self.held) {
                Some(place) => *place = *candle,
                None => self.candles.push(*candle),
            }
            self.held += 1;
        }
    }

    /// Adds the slots of the next `count` series, all of which are not due.
    pub fn push_not_due(&mut self, count: usize) {
        self.tags.resize(self.tags.len() + count, Tag::NotDue);
    }

    /// Makes room for `frames` in which every series has a bar, for up to `slots` bars of them. Says whether there is
    /// room for all. [`push_bars`](FrameBlock::push_bars) makes what is missing; this lets the work be divided.
    pub fn make_room(&mut self, frames: usize, slots: usize) -> bool {
        let wanted = self.held + frames * self.series.len();
        let missing = wanted.saturating_sub(self.candles.len());
        self.candles.reserve(missing);
        self.candles.resize(self.candles.len() + missing.min(slots), Candle::BLANK);
        missing <= slots
    }

    /// Takes in the bars of the next series for frames in which every series has one: a bar for each frame, in the
    /// columns and rows given. They are frames from [`end_dense`](FrameBlock::end_dense) on.
    ///
    /// # Panics
    /// If a frame was begun and is not complete, if the bars of every series are in, or if the series has another
    /// number of bars than the one before; or if there are no such rows.
    pub fn push_bars(&mut self, columns: &Columns, rows: Range<usize>) {
        let width = self.series.len();
        let Dense { frames, lanes } = self.dense;
        assert_eq!(self.tags.len(), self.rows.len() * width, "slots of the frames before");
        assert!(lanes < width, "bars of more than {width} series");
        assert!(
            lanes == 0 || rows.len() == frames,
            "{} bars of a series, one for each of {frames}",
            rows.len()
        );
        self.dense = Dense { frames: rows.len(), lanes: lanes + 1 };
        self.make_room(rows.len(), usize::MAX);
        let frames = self.candles[self.held..].chunks_exact_mut(width);
        frames.zip(columns.candles(rows)).for_each(|(frame, bar)| frame[lanes] = bar);
    }

    /// Adds the frames that the bars taken in make, which close at `closes`.
    ///
    /// # Panics
    /// If a series has no bars yet, or if there is not one close for each frame.
    pub fn end_dense(&mut self, closes: impl IntoIterator<Item = Timestamp>) {
        let (width, before) = (self.series.len(), self.rows.len());
        let Dense { frames, lanes } = std::mem::take(&mut self.dense);
        assert_eq!(lanes, width, "series with bars");
        let first = self.held;
        let row = |(row, close)| FrameRow { close, candles: first + row * width };
        self.rows.extend(closes.into_iter().enumerate().map(row));
        assert_eq!(self.rows.len() - before, frames, "closes, one for each frame");
        self.held += frames * width;
        self.tags.resize(self.rows.len() * width, Tag::Bar);
    }

    /// The slots of the frame in `row`, in order.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn slots(&self, row: usize) -> impl Iterator<Item = Slot> + '_ {
        let (tags, mut candles) = self.row(row);
        tags.iter().filter_map(move |tag| tag.with_candle(|| candles.next().copied()))
    }

    /// The tags of the frame in `row`, and candles from the first of its own on: every tag that has one has its
    /// candle, in the same order, since they were put in together.
    fn row(&self, row: usize) -> (&[Tag], slice::Iter<'_, Candle>) {
        let width = self.series.len();
        (&self.tags[row * width..(row + 1) * width], self.candles[self.rows[row].candles..].iter())
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no frames.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl fmt::Debug for FrameBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameBlock")
            .field("series", &self.series)
            .field("rows", &self.rows)
            .field("tags", &self.tags)
            .field("candles", &&self.candles[..self.held])
            .field("dense", &self.dense)
            .finish_non_exhaustive()
    }
}

impl Default for FrameBlock {
    fn default() -> Self {
        FrameBlock::new(Arc::from([]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Trades;

    fn candle(start: i64) -> Candle {
        let start = Timestamp::from_nanos(start);
        Candle {
            start,
            open: 1.0,
            high: 4.0,
            low: 0.5,
            close: 2.0,
            volume: 9.0,
            trades: Trades::UNKNOWN,
            partial: true,
        }
    }

    fn slots(start: i64) -> [Slot; 4] {
        [
            Slot::Empty(EmptyReason::NotStarted),
            Slot::Bar(candle(start)),
            Slot::Empty(EmptyReason::NotDue),
            Slot::Filled { candle: candle(start + 1), reason: FillReason::Stale },
        ]
    }

    fn block() -> Arc<FrameBlock> {
        let series: Vec<Series> =
            ["a.s:A@1m", "a.s:B@1m", "a.s:A@5m", "a.s:B@5m"].map(|s| s.parse().unwrap()).to_vec();
        let mut block = FrameBlock::new(series.into());
        for row in 0..3 {
            block.begin(Timestamp::from_nanos(row * 10));
            slots(row * 100).into_iter().for_each(|slot| block.push(slot));
        }
        Arc::new(block)
    }

    #[test]
    fn r19_a_frame_shows_its_row_and_a_detached_one_lets_the_block_go() {
        let block = block();
        let frame = Frame::new(Arc::clone(&block), 1);
        assert_eq!(frame.close(), Timestamp::from_nanos(10));
        assert_eq!(frame.slots().collect::<Vec<_>>(), slots(100));
        assert_eq!(frame.slot(&"a.s:B@5m".parse().unwrap()), Some(slots(100)[3]));
        assert_eq!(frame.slot(&"a.s:C@5m".parse().unwrap()), None);
        assert_eq!(frame.counts(), SlotCounts { bars: 1, filled: 1, empty: 2 });
        let detached = frame.detached();
        assert_eq!(detached, frame);
        assert_ne!(detached, Frame::new(Arc::clone(&block), 2));
        drop(frame);
        assert_eq!(Arc::strong_count(&block), 1);
    }

    fn empty() -> FrameBlock {
        FrameBlock::new(["a.s:A@1m", "a.s:B@1m"].map(|series| series.parse().unwrap()).to_vec().into())
    }

    /// Two frames of two series, with these rows for the bars of each.
    fn dense(block: &mut FrameBlock, bars: &[Range<usize>]) {
        let columns: Columns = (0..4).map(candle).collect();
        bars.iter().for_each(|rows| block.push_bars(&columns, rows.clone()));
        block.end_dense([10, 20].map(Timestamp::from_nanos));
    }

    #[test]
    fn r19_dense_frames_have_a_bar_of_every_series() {
        let mut block = empty();
        // Also where there is room that was used before.
        for round in 0..2 {
            let series = Arc::clone(&block.series);
            block.reset(&series);
            block.begin(Timestamp::from_nanos(5));
            block.push(Slot::Empty(EmptyReason::NotStarted));
            block.push(Slot::Bar(candle(-1 - round)));
            dense(&mut block, &[0..2, 2..4]);
            block.begin(Timestamp::from_nanos(30));
            block.push(Slot::Bar(candle(8 + round)));
            block.push_not_due(1);
            assert_eq!(block.len(), 4);
            let bar = |start| Slot::Bar(candle(start));
            let expected = [
                (5, [Slot::Empty(EmptyReason::NotStarted), bar(-1 - round)]),
                (10, [bar(0), bar(2)]),
                (20, [bar(1), bar(3)]),
                (30, [bar(8 + round), Slot::Empty(EmptyReason::NotDue)]),
            ];
            for (row, (close, slots)) in expected.into_iter().enumerate() {
                assert_eq!(block.rows[row].close, Timestamp::from_nanos(close));
                assert!(block.slots(row).eq(slots), "{:?}", block.slots(row).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn r19_bars_of_some_series_are_no_frames_yet() {
        let mut block = empty();
        block.push_bars(&(0..2).map(candle).collect(), 0..2);
        assert!(block.is_empty());
        let series = Arc::clone(&block.series);
        block.reset(&series);
        dense(&mut block, &[0..2, 2..4]);
        assert_eq!(block.len(), 2);
    }

    #[test]
    fn r36_room_is_made_bit_by_bit() {
        let mut block = empty();
        assert_eq!([3, 4, 1].map(|slots| block.make_room(4, slots)), [false, false, true]);
        assert!(block.make_room(4, 0));
        assert_eq!(block.candles.len(), 8);
        dense(&mut block, &[0..2, 2..4]);
        assert!(!block.make_room(3, 0));
    }

    #[test]
    #[should_panic(expected = "1 bars of a series, one for each of 2")]
    fn r19_dense_frames_with_a_bar_too_few_are_refused() {
        dense(&mut empty(), &[0..2, 2..3]);
    }

    #[test]
    #[should_panic(expected = "series with bars")]
    fn r19_dense_frames_without_the_bars_of_a_series_are_refused() {
        dense(&mut empty(), std::slice::from_ref(&(0..2)));
    }

    #[test]
    #[should_panic(expected = "bars of more than 2 series")]
    fn r19_bars_of_a_series_too_many_are_refused() {
        dense(&mut empty(), &[0..2, 2..4, 0..2]);
    }

    #[test]
    #[should_panic(expected = "closes, one for each frame")]
    fn r19_dense_frames_with_a_close_too_many_are_refused() {
        dense(&mut empty(), &[0..1, 2..3]);
    }

    #[test]
    #[should_panic(expected = "slots of the frames before")]
    fn r19_dense_frames_behind_an_incomplete_one_are_refused() {
        let mut block = empty();
        block.begin(Timestamp::from_nanos(0));
        block.push(Slot::Bar(candle(0)));
        dense(&mut block, &[0..2, 2..4]);
    }

    #[test]
    #[should_panic(expected = "that are no frames yet")]
    fn r19_no_frame_begins_among_bars_that_are_taken_in() {
        let mut block = empty();
        block.push_bars(&(0..2).map(candle).collect(), 0..2);
        block.begin(Timestamp::from_nanos(0));
    }

    #[test]
    fn the_canonical_encoding_is_fixed() {
        let mut bytes = Vec::new();
        Frame::new(block(), 0).encode(&mut bytes);
        let mut expected = vec![0; 8];
        expected.extend(4u32.to_le_bytes());
        expected.push(5);
        let candle = |start: i64| {
            let mut c = start.to_le_bytes().to_vec();
            [1.0f64, 4.0, 0.5, 2.0, 9.0].iter().for_each(|n| c.extend(n.to_bits().to_le_bytes()));
            c.extend([0xff; 8]);
            c.push(1);
            c
        };
        expected.push(0);
        expected.extend(candle(0));
        expected.extend([3, 2]);
        expected.extend(candle(1));
        assert_eq!(bytes, expected);
    }
}
