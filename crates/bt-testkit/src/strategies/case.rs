//! Sets of series, and what may be done with them.

use bt_core::{Instrument, TimeRange, Timeframe, Timestamp};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::rows::{Dirt, files};
use crate::reference::{
    Align, Fill, FrameRules, PartialPolicy, RawRow, RefFrame, RefInput, RefSeries, check_input, pipeline,
    ref_series,
};
use crate::{Chop, ScriptedSource};

/// Subscriptions, policies, and what must not change the result.
#[derive(Clone, Debug)]
pub struct PipelineCase {
    /// One to six subscriptions in any order. Those of one instrument have the same timeframe of rows and the
    /// same files, so that a case can be laid out on disk; their ranges may differ.
    pub inputs: Vec<RefInput>,
    /// How frames are made.
    pub rules: FrameRules,
    /// What becomes of partial bars.
    pub partial: PartialPolicy,
    /// Most rows in a batch; must not change the result.
    pub batch_rows: usize,
    /// A cycle of polls at which a stream is `Pending`; must not change the result.
    pub pendings: Vec<bool>,
}

impl PipelineCase {
    /// The frames that the reference makes of it.
    pub fn frames(&self) -> Vec<RefFrame> {
        pipeline(&self.inputs, self.partial, self.rules)
    }

    /// How its batches are cut.
    pub fn chop(&self) -> Chop {
        Chop::rows(self.batch_rows).with_pendings(&self.pendings)
    }

    /// For each input, a scripted source of the candles that its rows hold (before resampling), with the logs
    /// of a real source.
    pub fn sources(&self) -> Vec<ScriptedSource> {
        let source = |input: &RefInput| {
            let series = input.series.instrument().at(input.source_timeframe);
            let checked = check_input(input, false);
            self.chop().source(&series, Some(input.range.to()), &checked.emitted, &checked.notes)
        };
        self.inputs.iter().map(source).collect()
    }

    /// For each input, a scripted source of its bars (after resampling), without logs.
    pub fn bar_sources(&self) -> Vec<ScriptedSource> {
        let source = |input: &RefInput| {
            let RefSeries { series, bars, declared_end } = ref_series(input, self.partial);
            self.chop().source(&series, declared_end, &bars, &[])
        };
        self.inputs.iter().map(source).collect()
    }

    /// The case with the range of its first subscription in all of them: what one command line can say.
    #[must_use]
    pub fn with_one_range(mut self) -> Self {
        let range = self.inputs[0].range;
        self.inputs.iter_mut().for_each(|input| input.range = range);
        self
    }
}

/// Sets of series of one to four instruments over a few hours, with rows of every kind (R7), mixed timeframes
/// of rows and of bars, and any policy. The hours lie on both sides of the edge of a month, in half of the
/// cases that of the epoch.
pub fn pipeline_case() -> impl Strategy<Value = PipelineCase> {
    let base = select(vec!["2024-01-31T22:00:00Z", "1969-12-31T22:00:00Z"]).prop_map(instant);
    let inputs = base.prop_flat_map(|base| {
        let one = range(base).prop_flat_map(move |common| {
            let instruments = prop::collection::vec(instrument(base, common), 1..=4);
            instruments.prop_map(|drawn| {
                let named = drawn.into_iter().zip(NAMES).flat_map(|(drawn, name)| drawn.named(name));
                named.take(6).collect::<Vec<_>>()
            })
        });
        one.prop_shuffle()
    });
    (inputs, frame_rules(), partial_policy(), batch_rows(), pendings()).prop_map(
        |(inputs, rules, partial, batch_rows, pendings)| PipelineCase {
            inputs,
            rules,
            partial,
            batch_rows,
            pendings,
        },
    )
}

/// Any alignment and fill.
pub fn frame_rules() -> impl Strategy<Value = FrameRules> {
    let align = prop_oneof![2 => Just(Align::Outer), 1 => Just(Align::Inner)];
    let fill = prop_oneof![3 => Just(Fill::Forward), 1 => Just(Fill::None)];
    let limit = prop_oneof![2 => Just(None), 1 => (0..4u64).prop_map(Some)];
    (align, fill, limit).prop_map(|(align, fill, fill_limit)| FrameRules { align, fill, fill_limit })
}

/// Any policy on partial bars.
pub fn partial_policy() -> impl Strategy<Value = PartialPolicy> {
    select(vec![PartialPolicy::Emit, PartialPolicy::Drop])
}

/// Numbers of rows that are telling as the size of a batch.
pub fn batch_rows() -> impl Strategy<Value = usize> {
    select(vec![1, 2, 7, 50, 8192])
}

/// A cycle of batch sizes, for batches of uneven sizes.
pub fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![batch_rows().prop_map(|n| vec![n]), prop::collection::vec(1..20usize, 1..6)]
}

/// A cycle of polls, `true` where a stream is to be `Pending`.
pub fn pendings() -> impl Strategy<Value = Vec<bool>> {
    prop::collection::vec(any::<bool>(), 0..8)
}

/// Chosen to differ in any one part, and in upper and lower case, which order by bytes.
const NAMES: [&str; 4] = ["b.spot:ABC", "a.spot:abc", "a.spot:ABC", "a.perp:ABC"];

/// Timeframes of rows, each with timeframes that bars of them may have.
const TIMEFRAMES: [(&str, &[&str]); 5] = [
    ("1m", &["1m", "3m", "5m", "15m", "1h"]),
    ("30s", &["30s", "90s", "1m", "5m"]),
    ("5m", &["5m", "15m", "1h"]),
    ("15m", &["15m", "1h"]),
    ("1h", &["1h", "4h"]),
];

/// How long the rows go on, without holes.
const SPAN: i64 = 4 * 3_600_000_000_000;

#[derive(Clone, Debug)]
struct Drawn {
    source_timeframe: Timeframe,
    files: Vec<Vec<RawRow>>,
    targets: Vec<(Timeframe, TimeRange)>,
}

impl Drawn {
    fn named(self, name: &str) -> Vec<RefInput> {
        let instrument: Instrument = name.parse().expect("the name is valid");
        let input = |(target, range)| RefInput {
            series: instrument.at(target),
            source_timeframe: self.source_timeframe,
            files: self.files.clone(),
            range,
        };
        self.targets.into_iter().map(input).collect()
    }
}

fn instrument(base: Timestamp, common: TimeRange) -> impl Strategy<Value = Drawn> {
    // Small timeframes make the telling cases.
    let timeframes = prop_oneof![3 => Just(0), 1 => 1..TIMEFRAMES.len()];
    timeframes.prop_flat_map(move |at| {
        let (source, targets) = TIMEFRAMES[at];
        let source_timeframe = timeframe(source);
        let most = usize::try_from(SPAN / source_timeframe.as_nanos()).map_or(0, |bars| bars.min(200));
        let dirt = prop_oneof![Just(Dirt::Clean), Just(Dirt::Gaps), Just(Dirt::Dirty)];
        let files = dirt.prop_flat_map(move |dirt| files(source_timeframe, base, dirt, most));
        let own = prop_oneof![3 => Just(common), 1 => range(base)];
        let ranges = prop::collection::vec(own, targets.len());
        let targets: Vec<_> = targets.iter().map(|text| timeframe(text)).collect();
        let most_targets = targets.len().min(3);
        (files, subsequence(targets, 1..=most_targets), ranges).prop_map(move |(files, targets, ranges)| {
            Drawn { source_timeframe, files, targets: targets.into_iter().zip(ranges).collect() }
        })
    })
}

/// All of the hours, or some, from and to half minutes, so that they need not lie on a grid.
fn range(base: Timestamp) -> impl Strategy<Value = TimeRange> {
    let half_minutes = SPAN / 30_000_000_000;
    let ends = prop_oneof![
        Just((-60, 2 * half_minutes)),
        (-60..half_minutes - 1, 1..half_minutes).prop_map(|(from, length)| (from, from + length)),
    ];
    ends.prop_map(move |(from, to)| {
        let at = |n: i64| base.saturating_add_nanos(n * 30_000_000_000);
        TimeRange::new(at(from), at(to)).expect("the length is above zero")
    })
}

fn timeframe(text: &str) -> Timeframe {
    text.parse().expect("the timeframe is valid")
}

fn instant(text: &str) -> Timestamp {
    text.parse().expect("the instant is valid")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Recorder, drain_source};
    use bt_core::Slot;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    use std::collections::{BTreeMap, BTreeSet};

    /// The cases must hold what the properties are about.
    #[test]
    fn cases_hold_every_kind_of_slot_in_good_number() {
        let mut runner = TestRunner::deterministic();
        let mut slots: BTreeMap<&str, u64> = BTreeMap::new();
        let mut widths = BTreeSet::new();
        let (mut inner, mut partial) = (0, 0);
        for _ in 0..200 {
            let case = pipeline_case().new_tree(&mut runner).unwrap().current();
            let frames = case.frames();
            widths.insert(case.inputs.len());
            inner +=
                u64::from(case.rules.align == Align::Inner && case.inputs.len() > 1) * frames.len() as u64;
            for slot in frames.iter().flat_map(|frame| &frame.slots) {
                *slots.entry(if slot.reason().is_empty() { "bar" } else { slot.reason() }).or_default() += 1;
                partial += u64::from(matches!(slot, Slot::Bar(bar) if bar.partial));
            }
        }
        assert_eq!(widths, (1..=6).collect());
        let kinds: Vec<_> = slots.keys().copied().collect();
        assert_eq!(kinds, ["bar", "ended", "missing", "not_due", "not_started", "quiet"]);
        assert!(
            slots.values().all(|n| *n > 100) && inner > 100 && partial > 100,
            "{slots:?} {inner} {partial}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn sources_of_a_case_yield_what_the_reference_says(case in pipeline_case()) {
            for (input, source) in case.inputs.iter().zip(case.sources()) {
                let recorder = Recorder::new();
                let (candles, error) = drain_source(source.with_log(recorder.sink()), &recorder);
                let checked = check_input(input, false);
                prop_assert!(error.is_none());
                prop_assert_eq!(candles, checked.emitted);
                let logs = recorder.logs_with_positions();
                let positions: Vec<_> = logs.iter().map(|(at, log)| (*at, log.sim_time)).collect();
                let notes: Vec<_> = checked.notes.iter().map(|note| (note.position, note.start)).collect();
                prop_assert_eq!(positions, notes);
            }
            for (input, source) in case.inputs.iter().zip(case.bar_sources()) {
                prop_assert_eq!(drain_source(source, &Recorder::new()).0, ref_series(input, case.partial).bars);
            }
        }
    }
}
