//! The feed by hand: who is polled when, what is said, what errors do.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bt_core::{
    Candle, CandleBatch, ConfigError, FeedError, Frame, FrameFeed, Slot, SourceError, Timestamp, Trades,
    Yield,
};
use bt_feeder::{BarFeed, BarFeedBuilder, Fill, OnSourceError};
use bt_resample::Resample;
use bt_testkit::{Gate, Recorder, ScriptedSource, Step};
use futures::stream::FusedStream;
use futures::{Stream, StreamExt, executor::block_on};
use tokio_test::task;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_secs(60 * minute).unwrap()
}

fn candle(minute: i64) -> Candle {
    let close = minute as f64;
    Candle {
        start: at(minute),
        open: close,
        high: close,
        low: close,
        close,
        volume: 1.0,
        trades: Trades::ZERO,
        partial: false,
    }
}

fn rows(minutes: &[i64]) -> Step {
    Step::Batch(minutes.iter().map(|m| candle(*m)).collect())
}

fn tick(minute: i64) -> Step {
    Step::Batch(CandleBatch::tick(at(minute)))
}

fn boom() -> Step {
    Step::Error(SourceError::Other("the disk is gone".into()))
}

fn source(name: &str, script: Vec<Step>) -> ScriptedSource {
    ScriptedSource::new(name.parse().unwrap(), None, script)
}

/// `minute: slot slot …`: a bar as its close, filled with its reason, empty by its reason.
fn show(frame: &Frame) -> String {
    let slots: Vec<String> = frame
        .slots()
        .map(|slot| match slot {
            Slot::Bar(bar) => bar.close.to_string(),
            other => other.reason().to_owned(),
        })
        .collect();
    format!("{}: {}", frame.close().as_nanos() / 60_000_000_000, slots.join(" "))
}

fn all(feed: BarFeed) -> Vec<String> {
    block_on(feed.map(|item| item.map_or_else(|error| chain(&error), |frame| show(&frame))).collect())
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}

fn events(recorder: &Recorder) -> Vec<&'static str> {
    recorder.logs().iter().map(|log| log.event).collect()
}

#[test]
fn only_the_source_with_the_lowest_frontier_is_polled() {
    let gate = Gate::closed();
    let fast = source("a.s:A@1m", vec![rows(&[0, 1, 2, 3, 4, 5, 6])]);
    let slow = source("a.s:B@1h", vec![rows(&[0]), Step::Gate(gate.clone()), rows(&[60])]);
    let (fast_polls, slow_polls) = (fast.polls(), slow.polls());
    let mut feed = task::spawn(BarFeed::builder().subscribe(slow).subscribe(fast).build().unwrap());
    // An hourly series in wait does not hold up frames of minutes.
    for minute in 1..=7 {
        let Poll::Ready(Some(Ok(frame))) = feed.poll_next() else { panic!("frame {minute} is decided") };
        assert_eq!(frame.close(), at(minute));
        assert_eq!((fast_polls.get(), slow_polls.get()), (1, 1));
    }
    // The fast source ends, then the slow one alone is waited for.
    let Poll::Ready(Some(Ok(frame))) = feed.poll_next() else { panic!("the hour is decided") };
    assert_eq!(frame.close(), at(60));
    assert!(feed.poll_next().is_pending());
    assert!(!feed.is_woken());
    assert_eq!((fast_polls.get(), slow_polls.get()), (2, 2));
    gate.open();
    assert!(feed.is_woken());
    let Poll::Ready(Some(Ok(frame))) = feed.poll_next() else { panic!("the next hour is decided") };
    assert_eq!(frame.close(), at(120));
    assert!(matches!(feed.poll_next(), Poll::Ready(None)));
    assert!(feed.is_terminated());
    assert!(matches!(feed.poll_next(), Poll::Ready(None)));
}

#[test]
fn a_quiet_source_lets_frames_go_by_telling_the_time() {
    let gate = Gate::closed();
    let busy = source("a.s:A@1m", vec![rows(&[0, 1, 2, 3])]);
    let quiet = source(
        "a.s:B@1m",
        vec![rows(&[0]), tick(2), Step::Gate(gate.clone()), tick(3), Step::Gate(gate.clone()), rows(&[4])],
    );
    let mut feed = task::spawn(BarFeed::builder().subscribe(busy).subscribe(quiet).build().unwrap());
    let mut next = || match feed.poll_next() {
        Poll::Ready(Some(Ok(frame))) => show(&frame),
        other => format!("{other:?}"),
    };
    assert_eq!(next(), "1: 0 0");
    assert_eq!(next(), "2: 1 quiet");
    assert_eq!(next(), "Pending");
    gate.admit(1);
    assert_eq!(next(), "3: 2 quiet");
    assert_eq!(next(), "Pending");
    gate.open();
    assert_eq!(next(), "4: 3 quiet");
    assert_eq!(next(), "5: quiet 4");
}

#[test]
fn r22_a_source_that_is_cut_off_is_stale() {
    let stale = Step::Batch(CandleBatch::tick(at(3)).with_stale(true));
    let busy = source("a.s:A@1m", vec![rows(&[0, 1, 2, 3])]);
    let cut = source("a.s:B@1m", vec![rows(&[0]), tick(2), stale, rows(&[3])]);
    let recorder = Recorder::new();
    let feed = BarFeed::builder().subscribe(busy).subscribe(cut).log(recorder.sink()).build().unwrap();
    assert_eq!(all(feed), ["1: 0 0", "2: 1 quiet", "3: 2 stale", "4: 3 3"]);
    let told = events(&recorder);
    assert_eq!(told[3..5], ["FEED_MISSING_SYMBOL", "FEED_SERIES_STALE"]);
    assert!(!told[5..].contains(&"FEED_SERIES_STALE"), "{told:?}");
}

#[test]
fn r25_an_error_ends_the_feed_after_the_frames_before_it() {
    let recorder = Recorder::new();
    let feed = BarFeed::builder()
        .subscribe(source("a.s:A@1m", vec![rows(&[0, 1, 2, 3])]))
        .subscribe(source("a.s:B@1m", vec![rows(&[0, 1]), boom()]))
        .log(recorder.sink())
        .build()
        .unwrap();
    assert_eq!(all(feed), ["1: 0 0", "2: 1 1", "source of a.s:B@1m failed: the disk is gone"]);
    assert_eq!(events(&recorder), ["FEED_STATE", "FEED_SUBSCRIBED", "FEED_SUBSCRIBED", "FEED_STATE"]);
}

#[test]
fn r25_isolated_the_series_ends_where_its_source_failed() {
    let recorder = Recorder::new();
    let feed = BarFeed::builder()
        .subscribe(source("a.s:A@1m", vec![rows(&[0, 1, 2, 3])]))
        .subscribe(source("a.s:B@1m", vec![rows(&[0, 1]), boom()]))
        .subscribe(source("a.s:C@1m", vec![boom()]))
        .on_source_error(OnSourceError::Isolate)
        .log(recorder.sink())
        .build()
        .unwrap();
    assert_eq!(all(feed), ["1: 0 0 ended", "2: 1 1 ended", "3: 2 ended ended", "4: 3 ended ended"]);
    let failed: Vec<_> =
        recorder.logs().into_iter().filter(|log| log.event == "FEED_SOURCE_FAILED").collect();
    assert_eq!(failed.len(), 2);
    assert!(format!("{:?}", failed[1]).contains("the disk is gone"));
}

#[test]
fn r25_a_source_that_goes_back_is_an_error_with_the_series_and_both_instants() {
    let back = |minutes: &[i64]| vec![rows(minutes)];
    // Within a batch, at the start of the next, behind a watermark, and twice the same.
    for script in [
        back(&[0, 1, 2, 1]),
        vec![rows(&[0, 1, 2]), rows(&[1])],
        vec![rows(&[0]), tick(3), rows(&[1])],
        back(&[0, 1, 2, 2]),
    ] {
        let behind_watermark = script.len() == 3;
        let shown = all(BarFeed::builder().subscribe(source("a.s:A@1m", script)).build().unwrap());
        let last = shown.last().unwrap();
        assert!(last.contains("a.s:A@1m") && last.contains("1970-01-01T00:03:00Z"), "{last}");
        assert_eq!(shown.len(), if behind_watermark { 2 } else { 4 }, "{shown:?}");
    }
}

#[test]
fn bars_that_cannot_be_of_their_series_are_errors() {
    let off_grid = CandleBatch::from_iter([Candle { start: Timestamp::from_nanos(1), ..candle(0) }]);
    let feed = BarFeed::builder().subscribe(source("a.s:A@1m", vec![Step::Batch(off_grid)])).build().unwrap();
    assert!(all(feed)[0].contains("grid"));
    let ended = ScriptedSource::new("a.s:A@1m".parse().unwrap(), Some(at(1)), vec![rows(&[0, 1])]);
    let shown = all(BarFeed::builder().subscribe(ended).build().unwrap());
    assert!(shown.len() == 2 && shown[1].contains("declared end"), "{shown:?}");
}

#[test]
fn r18_r23_subscriptions_are_checked_and_told() {
    assert!(matches!(BarFeed::builder().build().unwrap_err(), ConfigError::Missing { what: "series" }));
    let twice = ["a.s:A@1m", "a.s:B@1m", "a.s:A@60s"]
        .into_iter()
        .fold(BarFeed::builder(), |builder, name| builder.subscribe(source(name, vec![])))
        .build()
        .unwrap_err();
    assert!(twice.to_string().contains("a.s:A@1m"), "{twice}");

    let recorder = Recorder::new();
    let feed = BarFeed::builder()
        .subscribe(source("a.s:B@1m", vec![rows(&[1, 4])]))
        .subscribe(source("a.s:A@1m", vec![rows(&[0, 1, 2, 3, 4])]))
        .subscribe(source("a.s:C@1m", vec![]))
        .fill(Fill::Forward { limit: Some(1) })
        .log(recorder.sink())
        .build()
        .unwrap();
    assert_eq!(
        all(feed),
        [
            "1: 0 not_started not_started",
            "2: 1 1 not_started",
            "3: 2 quiet not_started",
            "4: 3 missing not_started",
            "5: 4 4 not_started"
        ]
    );
    // Once per series that has not started, and once per run of closes without a bar.
    let said: Vec<_> = recorder
        .logs()
        .iter()
        .filter(|log| log.event == "FEED_MISSING_SYMBOL")
        .map(|log| (log.series.clone().unwrap().to_string(), log.sim_time.unwrap()))
        .collect();
    let expected = [("a.s:B@1m", 1), ("a.s:C@1m", 1), ("a.s:B@1m", 3)].map(|(s, t)| (s.to_owned(), at(t)));
    assert_eq!(said, expected);
    assert_eq!(events(&recorder).last(), Some(&"FEED_ITERATION_END"));
    assert!(
        events(&recorder).contains(&"FEED_SOURCE_EMPTY")
            && events(&recorder).contains(&"FEED_SOURCE_EXHAUSTED")
    );
}

#[test]
fn r29_a_frame_waits_until_what_is_said_about_it_is_accepted() {
    let gate = Gate::closed();
    let recorder = Recorder::new();
    let feed = BarFeed::builder()
        .subscribe(source("a.s:A@1m", vec![rows(&[0, 1, 2])]))
        .subscribe(source("a.s:B@1m", vec![rows(&[0, 2])]))
        .log(recorder.sink().with_gate(&gate))
        .build()
        .unwrap();
    let mut feed = task::spawn(feed);
    assert!(feed.poll_next().is_pending());
    assert_eq!(events(&recorder), [] as [&str; 0]);
    gate.admit(3);
    assert!(feed.is_woken());
    assert!(matches!(feed.poll_next(), Poll::Ready(Some(Ok(frame))) if frame.close() == at(1)));
    // The frame before the one that lacks a bar is out; that one waits for its log.
    assert!(feed.poll_next().is_pending());
    assert_eq!(events(&recorder).len(), 3);
    gate.open();
    assert!(feed.is_woken());
    assert!(matches!(feed.poll_next(), Poll::Ready(Some(Ok(frame))) if frame.close() == at(2)));
    assert_eq!(events(&recorder).last(), Some(&"FEED_MISSING_SYMBOL"));
}

#[test]
fn a_log_that_is_not_accepted_ends_the_feed_isolated_or_not() {
    let feed = |after| {
        BarFeed::builder()
            .subscribe(source("a.s:A@1m", vec![rows(&[0, 2])]))
            .subscribe(source("a.s:B@1m", vec![rows(&[0, 1, 2])]))
            .on_source_error(OnSourceError::Isolate)
            .log(Recorder::new().sink().with_failure_after(after))
            .build()
            .unwrap()
    };
    assert!(matches!(block_on(feed(0).next()), Some(Err(FeedError::Log(_)))));
    let items: Vec<_> = block_on(feed(3).collect());
    assert!(items.len() == 2 && matches!(items[1], Err(FeedError::Log(_))));
}

#[test]
fn r19_frames_of_many_series_are_those_of_few() {
    let lacks =
        |series, minute| [(0, 0), (17, 3), (599, 40), (300, 41), (17, 80)].contains(&(series, minute));
    let bar = |series: i64, minute: i64| Candle { volume: series as f64, ..candle(minute) };
    let minutes = 0..100;
    let scripted = |series: i64| {
        let bars = minutes.clone().filter(|minute| !lacks(series, *minute)).map(|minute| bar(series, minute));
        let bars: Vec<_> = bars.collect();
        // Batches end where those of others do not.
        let size = [100, 50, 33][series as usize % 3];
        let script = bars.chunks(size).map(|batch| Step::Batch(batch.iter().copied().collect()));
        source(&format!("a.s:S{series:03}@1m"), script.collect())
    };
    let subscribe = |feed: BarFeedBuilder, series| feed.subscribe(scripted(series));
    let mut feed = (0..600).fold(BarFeed::builder(), subscribe).build().unwrap();
    let mut expected = vec![bt_core::SlotCounts::default(); 600];
    for minute in minutes.clone() {
        let frame = block_on(feed.next()).unwrap().unwrap();
        assert_eq!(frame.close(), at(minute + 1));
        for ((series, slot), counts) in (0..).zip(frame.slots()).zip(&mut expected) {
            match slot {
                Slot::Bar(found) => {
                    assert_eq!(found, bar(series, minute));
                    counts.bars += 1;
                }
                Slot::Filled { candle, .. } => {
                    assert!(lacks(series, minute));
                    assert_eq!(candle.close, candle_before(&lacks, series, minute).close);
                    counts.filled += 1;
                }
                _ => {
                    assert!((0..=minute).all(|minute| lacks(series, minute)));
                    counts.empty += 1;
                }
            }
        }
        let counted: Vec<_> = feed.stats().iter().map(|stats| stats.slots).collect();
        assert!(counted == expected, "minute {minute}");
    }
    assert!(block_on(feed.next()).is_none());
    assert_eq!((expected[17].filled, expected[0].empty), (2, 1));
}

/// The last one a series had.
fn candle_before(lacks: &impl Fn(i64, i64) -> bool, series: i64, minute: i64) -> Candle {
    candle((0..minute).rev().find(|minute| !lacks(series, *minute)).unwrap())
}

#[test]
fn r36_a_poll_makes_a_bounded_number_of_slots() {
    let minutes: Vec<i64> = (0..20_000).collect();
    let mut feed =
        task::spawn(BarFeed::builder().subscribe(source("a.s:A@1m", vec![rows(&minutes)])).build().unwrap());
    let (mut frames, mut yields) = (0, 0);
    loop {
        assert!(feed.size_hint().0 < 4096 + 1);
        match feed.poll_next() {
            Poll::Ready(Some(frame)) => frames += usize::from(frame.is_ok()),
            Poll::Ready(None) => break,
            Poll::Pending => {
                assert!(feed.is_woken());
                yields += 1;
            }
        }
    }
    assert_eq!((frames, yields), (20_000, 5));
}

/// Counts how often it is asked to give the thread back.
struct Counting(Arc<AtomicUsize>, bool);

impl Yield for Counting {
    fn poll_yield(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.1 = !self.1;
        if !self.1 {
            return Poll::Ready(());
        }
        self.0.fetch_add(1, Ordering::Relaxed);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[test]
fn r36_a_batch_of_any_size_gives_the_thread_back_every_so_many_candles() {
    let minutes: Vec<i64> = (0..100_000).collect();
    for series in [1, 3, 2500] {
        let minutes = &minutes[..minutes.len() / series];
        let series: Vec<_> = (0..series).map(|name| format!("a.s:S{name}@1m")).collect();
        let yields = Arc::new(AtomicUsize::new(0));
        let feed = BarFeed::builder().with_yield(Counting(Arc::clone(&yields), false));
        let subscribe =
            |feed: BarFeedBuilder, name: &String| feed.subscribe(source(name, vec![rows(minutes)]));
        let mut feed = task::spawn(series.iter().fold(feed, subscribe).build().unwrap());
        // The slots made between two yields, by the polls that made any. Frames of thousands of series are made together,
        // over many yields; they are there with the last.
        let mut slots = vec![vec![]];
        loop {
            let (before, asked) = (feed.size_hint().0, yields.load(Ordering::Relaxed));
            let polled = feed.poll_next();
            assert_eq!(yields.load(Ordering::Relaxed) - asked, usize::from(polled.is_pending()));
            let handed_out = match polled {
                Poll::Pending => {
                    slots.push(vec![]);
                    continue;
                }
                Poll::Ready(None) => break,
                Poll::Ready(Some(frame)) => usize::from(frame.is_ok()),
            };
            let made = (feed.size_hint().0 + handed_out - before) * series.len();
            slots.last_mut().unwrap().extend((made > 0).then_some(made));
        }
        let mut polls = 0;
        for made in slots.iter().map(|made| made.iter().sum::<usize>()) {
            polls = if series.len() > 1000 { polls + 1 } else { 1 };
            assert!(made <= 4096 * polls, "{slots:?}");
            polls = if made > 0 { 0 } else { polls };
        }
        let slots = slots.concat();
        assert_eq!(slots.iter().sum::<usize>(), series.len() * minutes.len());
    }
}

#[test]
fn r38_a_source_is_dropped_when_its_series_has_ended_or_the_feed_has_failed() {
    struct Flagged(ScriptedSource, std::sync::Arc<std::sync::atomic::AtomicBool>);
    impl Drop for Flagged {
        fn drop(&mut self) {
            self.1.store(true, std::sync::atomic::Ordering::SeqCst);
        }
    }
    impl Stream for Flagged {
        type Item = Result<CandleBatch, SourceError>;
        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> Poll<Option<Self::Item>> {
            self.0.poll_next_unpin(cx)
        }
    }
    impl bt_core::CandleSource for Flagged {
        fn series(&self) -> &bt_core::Series {
            self.0.series()
        }
        fn declared_end(&self) -> Option<Timestamp> {
            None
        }
        fn stats(&self) -> bt_core::StatsHandle {
            self.0.stats()
        }
    }
    let dropped = || std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (first, second) = (dropped(), dropped());
    let mut feed = BarFeed::builder()
        .subscribe(Flagged(source("a.s:A@1m", vec![rows(&[0])]), first.clone()))
        .subscribe(Flagged(source("a.s:B@1m", vec![rows(&[0, 1]), boom()]), second.clone()))
        .build()
        .unwrap();
    let is = |flag: &std::sync::atomic::AtomicBool| flag.load(std::sync::atomic::Ordering::SeqCst);
    assert!(block_on(feed.next()).unwrap().is_ok());
    assert!(!is(&first));
    assert!(block_on(feed.next()).unwrap().is_ok());
    assert!(is(&first) && !is(&second));
    assert!(block_on(feed.next()).unwrap().is_err());
    assert!(is(&second));
    assert_eq!(feed.stats()[1].source.emitted, 2);
    assert!(block_on(feed.next()).is_none());
}

/// Rows that end later than a frame change nothing about it, faulty ones neither.
#[test]
fn r24_a_bad_row_is_an_error_of_its_own_instant() {
    let feed = |rows_of_b: &[i64], policy| {
        let b = ScriptedSource::new("a.s:B@1m".parse().unwrap(), Some(at(50)), vec![rows(rows_of_b)]);
        let a = source("a.s:A@1m", vec![rows(&[0, 1, 2, 3, 4, 5])]);
        all(BarFeed::builder().subscribe(a).subscribe(b).on_source_error(policy).build().unwrap())
    };
    let sound = feed(&[0], OnSourceError::Fail);
    assert_eq!(sound.len(), 6);
    assert_eq!(feed(&[0, 100], OnSourceError::Isolate), sound);
    let failed = feed(&[0, 100], OnSourceError::Fail);
    assert_eq!(failed[..6], sound);
    assert!(failed[6].contains("declared end"), "{failed:?}");
}

#[test]
fn r35_an_error_behind_a_resampler_does_not_depend_on_batches() {
    let feed = |script: Vec<Step>, policy| {
        let a = source("a.s:A@1m", vec![rows(&(0..15).collect::<Vec<_>>())]);
        let b = Resample::new(source("a.s:B@1m", script), "5m".parse().unwrap()).unwrap();
        all(BarFeed::builder().subscribe(a).subscribe(b).on_source_error(policy).build().unwrap())
    };
    let minutes = [0, 1, 2, 3, 4, 12, 11];
    for policy in [OnSourceError::Fail, OnSourceError::Isolate] {
        let single = minutes.iter().map(|m| rows(&[*m])).collect();
        assert_eq!(feed(vec![rows(&minutes)], policy), feed(single, policy));
    }
}

#[test]
fn counters_leave_out_frames_that_a_refused_log_kept_back() {
    let mut feed = BarFeed::builder()
        .subscribe(source("a.s:A@1m", vec![rows(&[0, 2])]))
        .subscribe(source("a.s:B@1m", vec![rows(&[0, 1, 2])]))
        .log(Recorder::new().sink().with_failure_after(3))
        .build()
        .unwrap();
    assert!(block_on(feed.next()).unwrap().is_ok());
    assert!(block_on(feed.next()).unwrap().is_err());
    let bars: Vec<_> = feed.stats().iter().map(|stats| (stats.slots.bars, stats.slots.filled)).collect();
    assert_eq!(bars, [(1, 0), (1, 0)]);
}

#[test]
fn at_the_end_of_time_a_bar_off_its_grid_is_an_error() {
    let last = Timestamp::from_nanos(i64::MAX - 60_000_000_000);
    let bar = CandleBatch::from_iter([Candle { start: last, ..candle(0) }]);
    for script in [
        vec![Step::Batch(bar.clone())],
        vec![Step::Batch(CandleBatch::tick(Timestamp::MAX)), Step::Batch(bar)],
    ] {
        let shown = all(BarFeed::builder().subscribe(source("a.s:A@1m", script)).build().unwrap());
        assert!(shown.len() == 1 && shown[0].contains("a.s:A@1m"), "{shown:?}");
    }
}

#[test]
fn r37_an_ended_series_lets_its_last_batch_go() {
    let columns = std::sync::Arc::new(bt_core::Columns::from_iter([candle(0), candle(1)]));
    let batch = Step::Batch(CandleBatch::new(std::sync::Arc::clone(&columns)));
    let mut feed = BarFeed::builder()
        .subscribe(source("a.s:A@1m", vec![batch]))
        .subscribe(source("a.s:B@1m", vec![rows(&[0, 1, 2])]))
        .build()
        .unwrap();
    for _ in 0..3 {
        assert!(block_on(feed.next()).unwrap().is_ok());
    }
    assert_eq!(std::sync::Arc::strong_count(&columns), 1);
}
