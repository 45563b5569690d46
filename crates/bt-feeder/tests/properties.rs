//! R19 to R25, R29 and R35: the feed against the naive reference, however its input is cut.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use bt_core::{CandleSource, Frame};
use bt_feeder::{Align, BarFeed, Fill};
use bt_resample::{PartialPolicy, Resample};
use bt_testkit::reference::{self, RefFrame, check_input};
use bt_testkit::strategies::{self, PipelineCase};
use bt_testkit::{Chop, Entry, JitterExt, Recorder};
use futures::TryStreamExt;
use futures::executor::block_on;
use proptest::prelude::*;

fn source(
    input: &reference::RefInput,
    case: &PipelineCase,
    chop: &Chop,
    recorder: &Recorder,
) -> impl CandleSource + use<> {
    let checked = check_input(input, false);
    let rows = input.series.instrument().at(input.source_timeframe);
    let source = chop.source(&rows, Some(input.range.to()), &checked.emitted, &checked.notes);
    let policy = match case.partial {
        reference::PartialPolicy::Emit => PartialPolicy::Emit,
        reference::PartialPolicy::Drop => PartialPolicy::Drop,
    };
    let source = source.with_log(recorder.sink()).jitter(&chop.pendings);
    Resample::new(source, input.series.timeframe()).unwrap().with_partial(policy).jitter(&chop.pendings)
}

fn feed(case: &PipelineCase, chop: &Chop, recorder: &Recorder) -> BarFeed {
    let align = match case.rules.align {
        reference::Align::Outer => Align::Outer,
        reference::Align::Inner => Align::Inner,
    };
    let fill = match case.rules.fill {
        reference::Fill::Forward => Fill::Forward { limit: case.rules.fill_limit },
        reference::Fill::None => Fill::None,
    };
    let sources = case.inputs.iter().map(|input| source(input, case, chop, recorder));
    let builder = sources.fold(BarFeed::builder(), |builder, source| builder.subscribe(source));
    builder.align(align).fill(fill).log(recorder.sink()).build().unwrap()
}

fn run(case: &PipelineCase, chop: &Chop) -> (Vec<Frame>, Vec<Entry>) {
    let recorder = Recorder::new();
    let mut feed = feed(case, chop, &recorder);
    let mut frames = Vec::new();
    while let Some(frame) = block_on(feed.try_next()).unwrap() {
        recorder.frame(&frame);
        frames.push(frame);
    }
    (frames, recorder.entries())
}

fn plain(frames: &[Frame]) -> Vec<RefFrame> {
    frames.iter().map(|frame| RefFrame { close: frame.close(), slots: frame.slots().collect() }).collect()
}

fn chop() -> impl Strategy<Value = Chop> {
    (strategies::sizes(), strategies::pendings(), any::<bool>()).prop_map(|(sizes, pendings, ticks)| Chop {
        sizes,
        pendings,
        ticks,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn r19_to_r24_frames_equal_the_reference(case in strategies::pipeline_case(), chop in chop()) {
        let (frames, _) = run(&case, &chop);
        prop_assert_eq!(plain(&frames), case.frames());
        prop_assert!(frames.is_sorted_by(|a, b| a.close() < b.close()));
        prop_assert!(frames.iter().all(|frame| frame.series().is_sorted()));
    }

    /// Logs of sources and of the feed and frames come in one order, whatever the batches and the waits.
    #[test]
    fn r29_r35_logs_and_frames_interleave_alike(case in strategies::pipeline_case(), sizes in strategies::sizes(), pendings in strategies::pendings()) {
        let (_, whole) = run(&case, &Chop::whole());
        let (_, cut) = run(&case, &Chop { sizes, pendings, ticks: false });
        prop_assert_eq!(whole, cut);
    }

    /// Rows that end after `t` say nothing about frames up to `t`.
    #[test]
    fn r24_the_future_changes_no_past_frame(case in strategies::pipeline_case(), nth in any::<prop::sample::Index>()) {
        let (frames, _) = run(&case, &Chop::whole());
        prop_assume!(!frames.is_empty());
        let t = frames[nth.index(frames.len())].close();
        let mut blind = case.clone();
        for input in &mut blind.inputs {
            let timeframe = input.source_timeframe;
            let known = |start: i64| timeframe.end_of(bt_core::Timestamp::from_nanos(start)) <= Some(t);
            input.files.iter_mut().for_each(|file| file.retain(|row| row.start.is_none_or(known)));
        }
        // Rows that are gone cannot make others out of order or duplicates: only clean input is compared.
        prop_assume!(case.inputs.iter().all(|input| check_input(input, false).stats.dropped() == 0));
        let (seen_blind, _) = run(&blind, &Chop::whole());
        let past = |frames: &[Frame]| frames.iter().filter(|f| f.close() <= t).cloned().collect::<Vec<_>>();
        prop_assert_eq!(past(&frames), past(&seen_blind));
    }

    /// A frame that is dropped half way leaves counters that add up to what was handed out.
    #[test]
    fn counters_are_of_frames_handed_out(case in strategies::pipeline_case(), taken in 0..40usize) {
        use bt_core::{FrameFeed, SlotCounts};
        let mut feed = feed(&case, &Chop::whole(), &Recorder::new());
        let mut expected = vec![SlotCounts::default(); case.inputs.len()];
        for _ in 0..taken {
            let Some(frame) = block_on(feed.try_next()).unwrap() else { break };
            expected.iter_mut().zip(frame.slots()).for_each(|(counts, slot)| counts.count(&slot));
        }
        let counted: Vec<SlotCounts> = feed.stats().into_iter().map(|stats| stats.slots).collect();
        prop_assert_eq!(counted, expected);
    }
}
