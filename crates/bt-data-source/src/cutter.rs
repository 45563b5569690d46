//! From classified rows to batches, counters and remarks: the sequential part of R7 to R10.

use std::sync::Arc;

use bt_core::{CandleBatch, Columns, Series, SourceError, SourceStats, Timestamp};

use crate::check::{Reason, Verdict};
use crate::chunk::Chunk;
use crate::remark::Remark;
use crate::tally::Tally;

/// Decides the fate of every row, one step at a time. It sees no waker and no sink.
///
/// What it does depends on the rows and their order only, not on how they were cut into chunks (R35): runs
/// of fine rows that a chunk's end cuts are handed on in two batches, and nothing is said of it.
#[derive(Debug)]
pub(crate) struct Cutter {
    series: Series,
    strict: bool,
    batch_rows: usize,
    file: Option<Arc<str>>,
    stats: SourceStats,
    tally: Tally,
    work: Option<Work>,
    /// Rows passed over since the last batch.
    passed_over: usize,
}

/// A chunk, and how far it was dealt with.
#[derive(Debug)]
struct Work {
    chunk: Chunk,
    /// The run in work.
    run: usize,
    /// The next row, counted from the chunk's first.
    row: u32,
    /// Whether the gap before that row was remarked on.
    told: bool,
}

/// What is to be done next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Hand these rows on.
    Batch(CandleBatch),
    /// Have this accepted, then go on (R29).
    Say(Remark),
    /// So many rows were passed over without a word.
    Passed(usize),
    /// The chunk is dealt with; here are its columns.
    Spent(Arc<Columns>),
    /// There is no chunk.
    Idle,
}

impl Cutter {
    pub(crate) fn new(series: Series, strict: bool, batch_rows: usize, row_logs: u64) -> Self {
        Cutter {
            series,
            strict,
            batch_rows,
            file: None,
            stats: SourceStats::default(),
            tally: Tally::new(row_logs),
            work: None,
            passed_over: 0,
        }
    }

    /// Goes on behind the rows that were counted before: later rows are gaps, duplicates or out of order to them.
    pub(crate) fn after(self, stats: SourceStats) -> Self {
        Cutter { stats, ..self }
    }

    pub(crate) fn series(&self) -> &Series {
        &self.series
    }

    /// The counters: of all rows that a step was returned for.
    pub(crate) fn stats(&self) -> &SourceStats {
        &self.stats
    }

    /// The chunks to come are from another file.
    pub(crate) fn open(&mut self, path: &Arc<str>) {
        self.file = Some(Arc::clone(path));
        self.stats.files += 1;
    }

    /// Takes the next chunk, once the last one is [spent](Step::Spent).
    pub(crate) fn load(&mut self, chunk: Chunk) {
        debug_assert!(self.work.is_none(), "the chunk before was not dealt with");
        self.work = Some(Work { chunk, run: 0, row: 0, told: false });
    }

    /// What is still to be said before the end; ask until there is nothing.
    pub(crate) fn settle(&mut self) -> Option<Remark> {
        self.tally.settle()
    }

    /// Passes over a row that is not handed on for its place in the order, as `remark` says.
    ///
    /// # Errors
    /// In strict mode, [`SourceError::Row`].
    #[cfg(feature = "live")]
    pub(crate) fn drop_row(&mut self, remark: Remark) -> Result<Step, SourceError> {
        match remark {
            Remark::Duplicate { .. } => self.stats.dropped_duplicate += 1,
            _ => self.stats.dropped_out_of_order += 1,
        }
        self.refuse(remark)
    }

    /// The next step.
    ///
    /// # Errors
    /// In strict mode, [`SourceError::Row`] for a row that fails or is dropped.
    pub(crate) fn step(&mut self) -> Result<Step, SourceError> {
        let Some(work) = &mut self.work else { return Ok(Step::Idle) };
        let Some(run) = work.chunk.runs.get(work.run).copied() else {
            return Ok(match self.work.take() {
                Some(work) => Step::Spent(work.chunk.columns),
                None => Step::Idle,
            });
        };
        let left = (run.end - work.row) as usize;
        match run.verdict {
            Verdict::Fine => self.emit(left),
            Verdict::Ignored => {
                self.stats.out_of_range += left as u64;
                Ok(self.pass_over(left))
            }
            Verdict::NotFinal => {
                self.stats.skipped += left as u64;
                Ok(self.pass_over(left))
            }
            Verdict::Failed(reason) => {
                let start = (reason != Reason::Time).then(|| work.start());
                self.stats.failed += 1;
                self.refuse(Remark::Failed { start, reason })
            }
        }
    }

    /// Deals with the next of `left` fine rows that directly follow each other.
    fn emit(&mut self, left: usize) -> Result<Step, SourceError> {
        let Some(work) = &mut self.work else { return Ok(Step::Idle) };
        let start = work.start();
        if let Some(last) = self.stats.last_start {
            if start < last {
                self.stats.dropped_out_of_order += 1;
                return self.refuse(Remark::OutOfOrder { start, last });
            }
            if start == last {
                self.stats.dropped_duplicate += 1;
                return self.refuse(Remark::Duplicate { start });
            }
        }
        if let Some(remark) = self.tally.settle_before(start) {
            return Ok(Step::Say(remark));
        }
        if let Some(last) = self.stats.last_start {
            // Both lie on the grid, and the end of an emitted row is representable.
            let step = self.series.timeframe().as_nanos();
            let from = last.saturating_add_nanos(step);
            if start > from && !work.told {
                let missing = start.as_nanos().abs_diff(from.as_nanos()) / step.unsigned_abs();
                work.told = true;
                self.stats.gaps += 1;
                self.stats.missing_bars += missing;
                if let Some(remark) = self.tally.admit(Remark::Gap { missing, from, to: start }, Some(start))
                {
                    return Ok(Step::Say(remark));
                }
            }
        }
        let rows = left.min(self.batch_rows).min(self.tally.room(start, self.series.timeframe()));
        let batch = work.batch(rows);
        let watermark = batch.progress(self.series.timeframe());
        self.stats.first_start.get_or_insert(start);
        self.stats.last_start = batch.starts().last().copied();
        self.stats.emitted += rows as u64;
        work.advance(rows);
        let batch = batch.with_work(rows + std::mem::take(&mut self.passed_over));
        Ok(Step::Batch(match watermark {
            Some(end) => batch.with_watermark(end),
            None => batch,
        }))
    }

    fn pass_over(&mut self, rows: usize) -> Step {
        if let Some(work) = &mut self.work {
            work.advance(rows);
        }
        self.passed_over += rows;
        Step::Passed(rows)
    }

    /// Passes over a bad row with a remark, or ends over it in strict mode.
    fn refuse(&mut self, remark: Remark) -> Result<Step, SourceError> {
        if let Some(reason) = remark.objection().filter(|_| self.strict) {
            let place = self.place(remark.start());
            return Err(SourceError::Row { series: self.series.clone(), place, reason });
        }
        let passed = self.pass_over(1);
        Ok(self.tally.admit(remark, self.stats.last_start).map_or(passed, Step::Say))
    }

    /// Where the row in work stands, for people. Rows are counted from 0.
    fn place(&self, start: Option<Timestamp>) -> String {
        let number = self.work.as_ref().map_or(0, |work| work.chunk.number + u64::from(work.row));
        let file = self.file.as_ref().map(|path| format!(" of {path}")).unwrap_or_default();
        let start = start.map(|start| format!(", which starts at {start}")).unwrap_or_default();
        format!("at row {number}{file}{start}")
    }
}

impl Work {
    /// Start of the next row.
    fn start(&self) -> Timestamp {
        self.chunk.columns.start[self.chunk.rows.start + self.row as usize]
    }

    /// The next `rows` rows.
    fn batch(&self, rows: usize) -> CandleBatch {
        let first = self.chunk.rows.start + self.row as usize;
        CandleBatch::new(Arc::clone(&self.chunk.columns)).slice(first..first + rows)
    }

    fn advance(&mut self, rows: usize) {
        self.row += rows as u32;
        self.told = false;
        if self.chunk.runs.get(self.run).is_some_and(|run| self.row >= run.end) {
            self.run += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Rules, Run};
    use bt_core::{TimeRange, Timeframe, Trades};

    const MINUTE: i64 = 60_000_000_000;

    fn minute(minute: i64) -> Timestamp {
        Timestamp::from_nanos(minute * MINUTE)
    }

    fn columns(minutes: &[i64]) -> Arc<Columns> {
        let candle = |m: &i64| bt_core::Candle {
            start: minute(*m),
            open: 1.0,
            high: 1.0,
            low: 1.0,
            // One row in a hundred fails.
            close: if m % 100 == 99 { 2.0 } else { 1.0 },
            volume: 1.0,
            trades: Trades::UNKNOWN,
            partial: false,
        };
        Arc::new(minutes.iter().map(candle).collect())
    }

    fn cutter(strict: bool) -> Cutter {
        Cutter::new("binance.spot:BTCUSDT@1m".parse().unwrap(), strict, 4, u64::MAX)
    }

    /// Steps in short: minutes of batches, names of remarks.
    fn play(cutter: &mut Cutter, chunks: &[&[i64]]) -> Vec<String> {
        let range = TimeRange::new(minute(0), minute(1000)).unwrap();
        let rules = Rules { timeframe: Timeframe::MINUTE, range };
        let mut steps = Vec::new();
        for (number, chunk) in chunks.iter().enumerate() {
            cutter.load(Chunk::new(columns(chunk), 0..chunk.len(), 10 * number as u64, rules));
            loop {
                match cutter.step() {
                    Ok(Step::Batch(batch)) => {
                        let minutes = batch.starts().iter().map(|start| start.as_nanos() / MINUTE);
                        steps.push(format!("{:?}", minutes.collect::<Vec<_>>()));
                        let end = cutter.series.timeframe().end_of(*batch.starts().last().unwrap());
                        assert_eq!(batch.watermark(), end);
                    }
                    Ok(Step::Say(remark)) => {
                        let event = remark.to_event(cutter.series());
                        let at = event.sim_time.map_or(-1, |t| t.as_nanos() / MINUTE);
                        steps.push(format!("{} {at}", event.event.strip_prefix("SOURCE_").unwrap()));
                    }
                    Ok(Step::Passed(rows)) => steps.push(format!("pass {rows}")),
                    Ok(Step::Spent(_)) => break,
                    Ok(Step::Idle) => panic!("idle before the chunk was spent"),
                    Err(error) => {
                        steps.push(error.to_string());
                        return steps;
                    }
                }
            }
        }
        assert!(matches!(cutter.step(), Ok(Step::Idle)));
        steps
    }

    #[test]
    fn r10_a_gap_is_said_between_the_rows_before_and_after_it() {
        let mut cutter = cutter(false);
        let steps = play(&mut cutter, &[&[3, 4, 7, 8], &[10]]);
        assert_eq!(steps, ["[3, 4]", "GAP_DETECTED 7", "[7, 8]", "GAP_DETECTED 10", "[10]"]);
        let stats = cutter.stats();
        assert_eq!((stats.gaps, stats.missing_bars, stats.emitted), (2, 3, 5));
        assert_eq!((stats.first_start, stats.last_start), (Some(minute(3)), Some(minute(10))));
    }

    #[test]
    fn r9_of_rows_with_one_start_the_first_is_kept_across_chunks_too() {
        let mut cutter = cutter(false);
        let steps = play(&mut cutter, &[&[1, 2, 2, 3], &[3, 4], &[2, 3, 4, 5]]);
        let expected = [
            "[1, 2]",
            "ROW_DROPPED_DUPLICATE 2",
            "[3]",
            "ROW_DROPPED_DUPLICATE 3",
            "[4]",
            "ROW_DROPPED_MONOTONICITY 2",
            "ROW_DROPPED_MONOTONICITY 3",
            "ROW_DROPPED_DUPLICATE 4",
            "[5]",
        ];
        assert_eq!(steps, expected);
        assert_eq!((cutter.stats().dropped_duplicate, cutter.stats().dropped_out_of_order), (3, 2));
        assert_eq!(cutter.stats().rows_read(), 10);
    }

    #[test]
    fn r7_rows_are_passed_over_with_or_without_a_word_and_counted() {
        let mut cutter = cutter(false);
        let steps = play(&mut cutter, &[&[-2, -1, 98, 99, 100, 101, 102, 103, 104, 1000]]);
        let expected = [
            "pass 2",
            "[98]",
            "ROW_FAILED 99",
            "GAP_DETECTED 100",
            "[100, 101, 102, 103]",
            "[104]",
            "pass 1",
        ];
        assert_eq!(steps, expected);
        let stats = cutter.stats();
        assert_eq!((stats.out_of_range, stats.failed, stats.emitted), (3, 1, 6));
    }

    #[test]
    fn a_row_without_an_instant_is_said_to_have_none() {
        let mut cutter = cutter(false);
        let runs = vec![Run { end: 1, verdict: Verdict::Failed(Reason::Time) }];
        cutter.load(Chunk { columns: columns(&[7]), rows: 0..1, runs, number: 0 });
        let Ok(Step::Say(remark)) = cutter.step() else { panic!("a remark") };
        assert_eq!(remark, Remark::Failed { start: None, reason: Reason::Time });
        assert_eq!(remark.to_event(cutter.series()).sim_time, None);
    }

    #[test]
    fn r7_strict_mode_ends_at_the_row_and_says_where_it_stands() {
        let mut cutter = cutter(true);
        cutter.open(&"a.parquet".into());
        let steps = play(&mut cutter, &[&[1, 2], &[5, 6, 5]]);
        let error = "bad row of binance.spot:BTCUSDT@1m at row 12 of a.parquet, which starts at \
                     1970-01-01T00:05:00Z: it starts before the row emitted last, at 1970-01-01T00:06:00Z";
        assert_eq!(steps, ["[1, 2]", "GAP_DETECTED 5", "[5, 6]", error]);
        assert_eq!((cutter.stats().dropped_out_of_order, cutter.stats().files), (1, 1));
    }

    #[test]
    fn r35_cutting_chunks_elsewhere_changes_neither_rows_nor_remarks() {
        let minutes: Vec<i64> = (0..300).filter(|m| m % 37 != 0).chain([250, 299, 299, 320]).collect();
        let flat = |chunk: usize| {
            let mut cutter = cutter(false);
            let chunks: Vec<&[i64]> = minutes.chunks(chunk).collect();
            let steps = play(&mut cutter, &chunks).join(" ").replace("] [", ", ");
            (steps, cutter.stats().clone())
        };
        let whole = flat(1000);
        for chunk in [1, 2, 7, 64, 200] {
            assert_eq!(flat(chunk), whole, "chunks of {chunk}");
        }
    }
}
