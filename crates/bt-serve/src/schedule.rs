//! Which candles close next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::poll_fn;

use bt_core::{Admission, BoxSource, Candle, CandleBatch, Series, SourceError, Timestamp};

/// Candles of many series, instant by instant: those that close together come together.
#[derive(Debug)]
pub(crate) struct Merge {
    lanes: Vec<Lane>,
    /// Series with a candle in hand, by the end of that.
    due: BinaryHeap<Reverse<(Timestamp, usize)>>,
    /// Series without one that may have more.
    wanting: Vec<usize>,
}

#[derive(Debug)]
struct Lane {
    admission: Admission,
    batch: Option<CandleBatch>,
    row: usize,
}

/// Candles that close at one instant, each with the number of its series, by which they are in order.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Closing {
    pub(crate) end: Timestamp,
    pub(crate) candles: Vec<(usize, Candle)>,
}

impl Merge {
    /// Of `series` that end by declaration at `to`.
    pub(crate) fn new(series: impl IntoIterator<Item = Series>, to: Timestamp) -> Self {
        let lane = |series| Lane { admission: Admission::new(series, Some(to)), batch: None, row: 0 };
        let lanes: Vec<Lane> = series.into_iter().map(lane).collect();
        Merge { due: BinaryHeap::with_capacity(lanes.len()), wanting: (0..lanes.len()).collect(), lanes }
    }

    /// A series whose next candles, or end, must be known before anything more is.
    pub(crate) fn wants(&self) -> Option<usize> {
        self.wanting.last().copied()
    }

    /// Takes what the wanted series has next; none is its end.
    pub(crate) fn take(&mut self, next: Option<CandleBatch>) -> Result<(), SourceError> {
        let Some(number) = self.wants() else { return Ok(()) };
        match next {
            Some(batch) if batch.is_empty() => {}
            Some(batch) => {
                let lane = &mut self.lanes[number];
                let mut admitted = 0;
                while admitted < batch.len() {
                    admitted += lane.admission.admit_run(&batch.starts()[admitted..])?.rows;
                }
                (lane.batch, lane.row) = (Some(batch), 0);
                self.wanting.pop();
                self.due.extend(lane.end().map(|end| Reverse((end, number))));
            }
            None => {
                self.wanting.pop();
            }
        }
        Ok(())
    }

    /// The first price of the candle that each series has in hand.
    pub(crate) fn opens(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.lanes.iter().enumerate().filter_map(|(number, lane)| {
            let batch = lane.batch.as_ref()?;
            Some((number, batch.candle(lane.row).open))
        })
    }

    /// When candles close next, if nothing is wanted to know.
    pub(crate) fn next_end(&self) -> Option<Timestamp> {
        self.due.peek().map(|Reverse((end, _))| *end)
    }

    /// The candles that close next, if nothing is wanted to know.
    pub(crate) fn pop(&mut self) -> Option<Closing> {
        let end = self.next_end()?;
        let mut candles = Vec::new();
        while let Some(Reverse((_, number))) = self.due.pop_if_at(end) {
            let lane = &mut self.lanes[number];
            candles.extend(lane.take().map(|candle| (number, candle)));
            match lane.end() {
                Some(end) => self.due.push(Reverse((end, number))),
                None => self.wanting.push(number),
            }
        }
        Some(Closing { end, candles })
    }
}

/// Of heaps by instants.
trait PopIfAt {
    fn pop_if_at(&mut self, end: Timestamp) -> Option<Reverse<(Timestamp, usize)>>;
}

impl PopIfAt for BinaryHeap<Reverse<(Timestamp, usize)>> {
    fn pop_if_at(&mut self, end: Timestamp) -> Option<Reverse<(Timestamp, usize)>> {
        if self.peek().is_some_and(|Reverse((first, _))| *first == end) { self.pop() } else { None }
    }
}

impl Lane {
    /// When the candle in hand closes.
    fn end(&self) -> Option<Timestamp> {
        let start = self.batch.as_ref()?.starts().get(self.row)?;
        self.admission.series().timeframe().end_of(*start)
    }

    fn take(&mut self) -> Option<Candle> {
        let batch = self.batch.as_ref()?;
        let candle = batch.candle(self.row);
        self.row += 1;
        if self.row == batch.len() {
            self.batch = None;
        }
        Some(candle)
    }
}

/// The same over sources.
pub(crate) struct Schedule {
    merge: Merge,
    sources: Vec<BoxSource>,
}

impl Schedule {
    /// Of `sources`, which end at `to`.
    pub(crate) fn new(sources: Vec<BoxSource>, to: Timestamp) -> Self {
        let merge = Merge::new(sources.iter().map(|source| source.series().clone()), to);
        Schedule { merge, sources }
    }

    /// When candles close next; none if no more do.
    pub(crate) async fn next_end(&mut self) -> Result<Option<Timestamp>, SourceError> {
        while let Some(number) = self.merge.wants() {
            let next = next_batch(&mut self.sources[number]).await?;
            self.merge.take(next)?;
        }
        Ok(self.merge.next_end())
    }

    /// The first price of each series that has any.
    pub(crate) async fn opens(&mut self) -> Result<Vec<(usize, f64)>, SourceError> {
        self.next_end().await?;
        Ok(self.merge.opens().collect())
    }

    /// The candles that close next.
    pub(crate) async fn next(&mut self) -> Result<Option<Closing>, SourceError> {
        self.next_end().await?;
        Ok(self.merge.pop())
    }
}

/// What a source has next.
pub(crate) async fn next_batch(source: &mut BoxSource) -> Result<Option<CandleBatch>, SourceError> {
    poll_fn(|cx| source.as_mut().poll_next(cx)).await.transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bt_core::Trades;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn candle(start: i64) -> Candle {
        let start = Timestamp::from_secs(60 * start).unwrap();
        Candle {
            start,
            open: 1.0,
            high: 1.0,
            low: 1.0,
            close: 1.0,
            volume: 1.0,
            trades: Trades::ZERO,
            partial: false,
        }
    }

    fn series(timeframe: usize) -> Series {
        format!("a.b:C{timeframe}@{timeframe}m").parse().unwrap()
    }

    #[test]
    fn a_source_that_breaks_its_word_is_an_error() {
        for starts in [[1, 1], [2, 1], [1, 10]] {
            let mut merge = Merge::new([series(1)], Timestamp::from_secs(600).unwrap());
            assert_eq!(merge.wants(), Some(0));
            assert!(merge.take(Some(starts.map(candle).into_iter().collect())).is_err(), "{starts:?}");
        }
    }

    proptest! {
        /// Whatever the gaps and the cuts into batches, each instant comes once, in order, with all that closes then.
        #[test]
        fn instants_come_in_order_and_whole(
            starts in prop::collection::vec((1usize..5, prop::collection::btree_set(0i64..40, 0..20)), 1..6),
            cut in 1usize..7,
        ) {
            let to = Timestamp::from_secs(60 * 400).unwrap();
            let lanes: Vec<(usize, BTreeSet<i64>)> = starts;
            let mut merge = Merge::new(lanes.iter().map(|(timeframe, _)| series(*timeframe)), to);
            let mut rest: Vec<Vec<CandleBatch>> = (lanes.iter())
                .map(|(timeframe, starts)| {
                    let rows: Vec<Candle> = starts.iter().map(|start| candle(start * *timeframe as i64)).collect();
                    let mut batches: Vec<CandleBatch> = rows.chunks(cut).map(|rows| rows.iter().copied().collect()).collect();
                    batches.insert(0, CandleBatch::tick(Timestamp::EPOCH));
                    batches.reverse();
                    batches
                })
                .collect();
            let mut found = Vec::new();
            loop {
                while let Some(wanted) = merge.wants() {
                    merge.take(rest[wanted].pop()).unwrap();
                }
                let Some(end) = merge.next_end() else { break };
                let closing = merge.pop().unwrap();
                prop_assert_eq!(closing.end, end);
                found.extend(closing.candles.into_iter().map(|(number, candle)| (end, number, candle.start)));
            }
            let mut expected: Vec<(Timestamp, usize, Timestamp)> = (lanes.iter().enumerate())
                .flat_map(|(number, (timeframe, starts))| starts.iter().map(move |start| {
                    let start = candle(start * *timeframe as i64).start;
                    (start.checked_add_nanos(*timeframe as i64 * 60_000_000_000).unwrap(), number, start)
                }))
                .collect();
            expected.sort();
            prop_assert_eq!(found, expected);
        }
    }
}
