//! From rows to frames.

use bt_core::{Series, TimeRange, Timeframe};

use super::{
    CheckedRows, FrameRules, PartialPolicy, RawRow, RefFrame, RefSeries, check_rows, frames, resample,
};

/// What one subscription is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct RefInput {
    /// What is subscribed to: the instrument at its target timeframe.
    pub series: Series,
    /// Timeframe of the rows.
    pub source_timeframe: Timeframe,
    /// The rows, file by file.
    pub files: Vec<Vec<RawRow>>,
    /// Which rows are asked for; its `to` is the declared end.
    pub range: TimeRange,
}

/// What the source of one subscription makes of its rows.
pub fn check_input(input: &RefInput, strict: bool) -> CheckedRows {
    check_rows(&input.files, input.source_timeframe, input.range, strict)
}

/// The bars of one subscription, outside strict mode.
pub fn ref_series(input: &RefInput, partial: PartialPolicy) -> RefSeries {
    let candles = check_input(input, false).emitted;
    RefSeries {
        series: input.series.clone(),
        bars: resample(&candles, input.source_timeframe, input.series.timeframe(), partial),
        declared_end: Some(input.range.to()),
    }
}

/// The frames of these subscriptions, outside strict mode.
pub fn pipeline(inputs: &[RefInput], partial: PartialPolicy, rules: FrameRules) -> Vec<RefFrame> {
    let series: Vec<_> = inputs.iter().map(|input| ref_series(input, partial)).collect();
    frames(&series, rules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bt_core::Timestamp;
    use proptest::prelude::*;

    use crate::strategies::{self, PipelineCase};

    /// The case with other volumes in all rows that end after `t`. No row's verdict changes: a row that ends
    /// after `t`, but stands before rows that do not, decides whether those are out of order (R7).
    fn with_other_future(case: &PipelineCase, t: Timestamp) -> PipelineCase {
        let mut changed = case.clone();
        for input in &mut changed.inputs {
            let ends_after = |start| input.source_timeframe.end_of(Timestamp::from_nanos(start)) > Some(t);
            for row in input.files.iter_mut().flatten().filter(|row| row.start.is_some_and(ends_after)) {
                row.volume *= 2.0;
            }
        }
        changed
    }

    /// The frames of the case if no candle ended after `t`.
    fn frames_without_future(case: &PipelineCase, t: Timestamp) -> Vec<RefFrame> {
        let series = case.inputs.iter().map(|input| {
            let mut candles = check_input(input, false).emitted;
            candles.retain(|candle| input.source_timeframe.end_of(candle.start) <= Some(t));
            let bars = resample(&candles, input.source_timeframe, input.series.timeframe(), case.partial);
            RefSeries { bars, ..ref_series(input, case.partial) }
        });
        frames(&series.collect::<Vec<_>>(), case.rules)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn r17_file_cuts_change_no_frame(case in strategies::pipeline_case()) {
            let mut joined = case.clone();
            for input in &mut joined.inputs {
                input.files = vec![input.files.concat()];
            }
            prop_assert_eq!(case.frames(), joined.frames());
        }

        #[test]
        fn r24_the_future_changes_no_past_frame(case in strategies::pipeline_case(), nth in any::<prop::sample::Index>()) {
            let frames = case.frames();
            prop_assume!(!frames.is_empty());
            let t = frames[nth.index(frames.len())].close;
            let past = |frames: Vec<RefFrame>| frames.into_iter().filter(|f| f.close <= t).collect::<Vec<_>>();
            prop_assert_eq!(past(with_other_future(&case, t).frames()), past(frames.clone()));
            prop_assert_eq!(past(frames_without_future(&case, t)), past(frames));
        }

        #[test]
        fn r8_counts_add_up_and_gaps_are_what_is_missing(case in strategies::pipeline_case()) {
            for input in &case.inputs {
                let CheckedRows { emitted, stats, notes, error } = check_input(input, false);
                prop_assert_eq!(stats.rows_read() as usize, input.files.iter().map(Vec::len).sum::<usize>());
                prop_assert_eq!(stats.emitted as usize, emitted.len());
                let noted = (stats.failed + stats.dropped() + stats.gaps) as usize;
                prop_assert_eq!((notes.len(), error), (noted, None));
                prop_assert!(notes.is_sorted_by_key(|note| note.position));
                if let (Some(first), Some(last)) = (stats.first_start, stats.last_start) {
                    let span = (last.as_nanos() - first.as_nanos()) / input.source_timeframe.as_nanos() + 1;
                    prop_assert_eq!(span as u64, stats.emitted + stats.missing_bars);
                }
            }
        }
    }
}
