//! The suite passes what keeps to the contract, and finds each way of breaking it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bt_core::{
    Candle, CandleBatch, CandleSource, Level, LogEvent, Outbox, Series, SourceError, SourceStats,
    StatsHandle, TimeRange, Timeframe, Timestamp,
};
use futures::{Stream, StreamExt};
use proptest::prelude::*;

use super::SourceContract;
use crate::reference::{RawRow, check_rows};
use crate::{Chop, JitterExt, RecordingSink, ScriptedSource, Step, strategies};

const MINUTE: i64 = 60_000_000_000;

fn series() -> Series {
    "a.s:A@1m".parse().unwrap()
}

fn candles(minutes: &[i64]) -> Vec<Candle> {
    let rows: Vec<_> = minutes.iter().map(|m| RawRow::plain(m * MINUTE)).collect();
    check_rows(&[rows], Timeframe::MINUTE, TimeRange::ALL, true).emitted
}

fn batch(minutes: &[i64]) -> Step {
    Step::Batch(candles(minutes).into_iter().collect())
}

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_nanos(minute * MINUTE)
}

fn log(name: &'static str) -> LogEvent {
    LogEvent::new(Level::Info, "test", name, "")
}

/// What the suite says about the source; empty if nothing.
fn verdict<S: CandleSource + 'static>(
    make: impl Fn(RecordingSink) -> S + 'static,
    expected: &[i64],
) -> String {
    complaint(&SourceContract::new(make, candles(expected)))
}

fn complaint(contract: &SourceContract) -> String {
    match catch_unwind(AssertUnwindSafe(|| contract.check())) {
        Ok(()) => String::new(),
        Err(panic) => match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => panic.downcast::<&str>().unwrap().to_string(),
        },
    }
}

fn scripted(script: impl Fn() -> Vec<Step> + 'static, expected: &[i64]) -> String {
    verdict(move |sink| ScriptedSource::new(series(), Some(minute(20)), script()).with_log(sink), expected)
}

#[test]
fn a_sound_source_passes() {
    let script = || {
        let tick = Step::Batch(CandleBatch::tick(minute(4)));
        let logs = ["A", "B"].map(|name| Step::Log(log(name)));
        let [a, b] = logs;
        vec![a, Step::Pending, batch(&[0, 1]), tick, Step::Pending, b, batch(&[5]), Step::Pending]
    };
    assert_eq!(scripted(script, &[0, 1, 5]), "");
    assert_eq!(scripted(Vec::new, &[]), "");
}

#[test]
fn each_fault_of_rows_is_found() {
    type Case = (fn() -> Vec<Step>, &'static [i64], &'static str);
    let cases: [Case; 6] = [
        (|| vec![batch(&[0]), batch(&[2])], &[0, 1], "not those expected"),
        (|| vec![batch(&[1]), batch(&[1])], &[1, 1], "follows"),
        (|| vec![batch(&[3, 20])], &[3, 20], "declared end"),
        (|| vec![Step::Batch(CandleBatch::tick(minute(2))), batch(&[1])], &[1], "watermark"),
        (|| vec![batch(&[0]), Step::Error(SourceError::Other("broken".into()))], &[0], "broken"),
        (
            || {
                let off = candles(&[0]).into_iter().map(|c| Candle { start: Timestamp::from_nanos(1), ..c });
                vec![Step::Batch(off.collect())]
            },
            &[0],
            "off the grid",
        ),
    ];
    for (script, expected, complaint) in cases {
        let found = scripted(script, expected);
        assert!(found.contains(complaint), "{complaint}: {found}");
    }
}

#[test]
fn counters_at_the_end_are_compared() {
    let make = |_| ScriptedSource::new(series(), None, vec![batch(&[0])]);
    let expected = SourceStats { emitted: 1, failed: 1, ..SourceStats::default() };
    let contract = SourceContract::new(make, candles(&[0])).with_stats(expected);
    assert!(complaint(&contract).contains("R8: the counters at the end"));
}

#[test]
fn a_failing_source_yields_all_before_its_error_then_nothing() {
    let sound = |_| ScriptedSource::new(series(), None, vec![batch(&[0])]);
    let failing = |_| {
        let error = Step::Error(SourceError::Other("broken".into()));
        ScriptedSource::new(series(), None, vec![batch(&[0]), error, batch(&[1])])
    };
    let contract =
        |before: &[i64]| SourceContract::new(sound, candles(&[0])).with_failing(failing, candles(before));
    assert_eq!(complaint(&contract(&[0])), "");
    assert!(complaint(&contract(&[0, 1])).contains("before the error"));
    let never = SourceContract::new(sound, candles(&[0])).with_failing(sound, candles(&[0]));
    assert!(complaint(&never).contains("without an error"));
}

#[test]
fn each_drop_is_told() {
    let drops = std::rc::Rc::new(std::cell::Cell::new(0));
    let told = std::rc::Rc::clone(&drops);
    let make = |_| ScriptedSource::new(series(), None, vec![batch(&[0]), Step::Pending, batch(&[1])]);
    SourceContract::new(make, candles(&[0, 1])).with_dropped(move || told.set(told.get() + 1)).check();
    // Twice for each of 0, 1 and 2 items, and twice drained.
    assert_eq!(drops.get(), 8);
}

/// A source that breaks the contract in the way of a stream.
struct Rogue {
    inner: ScriptedSource,
    fault: RogueFault,
    polls: usize,
    outbox: Outbox,
    first_waker: Option<std::task::Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum RogueFault {
    /// Is pending and never wakes.
    Asleep,
    /// Wakes the first task that polled it, not the last.
    FirstWaker,
    /// Is pending, woken at once, for ever.
    Spins,
    /// Yields again after the end.
    Undead,
    /// Is pending after the end.
    PendingAfterEnd,
    /// Says there is one item more to come than there is.
    Boasts,
    /// Counts rows that it has not handed on.
    CountsAhead,
    /// Does not wait until its log is accepted.
    Hasty,
    /// Waits for its log, but not for long.
    Impatient,
}

impl Rogue {
    fn new(fault: RogueFault, sink: RecordingSink) -> Self {
        let inner = ScriptedSource::new(series(), None, vec![batch(&[0]), batch(&[1])]);
        Rogue { inner, fault, polls: 0, outbox: Outbox::new(sink), first_waker: None }
    }
}

impl Stream for Rogue {
    type Item = Result<CandleBatch, SourceError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        this.polls += 1;
        match this.fault {
            RogueFault::Asleep if this.polls == 2 => return Poll::Pending,
            RogueFault::Spins if this.polls > 1 => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            RogueFault::FirstWaker if this.polls <= 2 => {
                this.first_waker.get_or_insert_with(|| cx.waker().clone()).wake_by_ref();
                return Poll::Pending;
            }
            RogueFault::Hasty if this.polls == 2 => {
                this.outbox.push(log("HASTY"));
                let _ = this.outbox.poll_accepted(cx);
            }
            RogueFault::Impatient if (2..8).contains(&this.polls) => {
                if this.polls == 2 {
                    this.outbox.push(log("IMPATIENT"));
                }
                if this.outbox.poll_accepted(cx).is_pending() {
                    return Poll::Pending;
                }
                this.polls = 8;
            }
            RogueFault::Undead if this.polls == 4 => {
                return Poll::Ready(Some(Ok(CandleBatch::tick(minute(9)))));
            }
            RogueFault::PendingAfterEnd if this.polls == 4 => return Poll::Pending,
            _ => {}
        }
        let item = Pin::new(&mut this.inner).poll_next(cx);
        if this.fault == RogueFault::CountsAhead {
            let counted = this.inner.stats().snapshot();
            this.inner.stats().publish(&SourceStats { emitted: 2, ..counted });
        }
        item
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (least, most) = self.inner.size_hint();
        if self.fault == RogueFault::Boasts { (least + 1, None) } else { (least, most) }
    }
}

impl CandleSource for Rogue {
    fn series(&self) -> &Series {
        self.inner.series()
    }

    fn declared_end(&self) -> Option<Timestamp> {
        None
    }

    fn stats(&self) -> StatsHandle {
        self.inner.stats()
    }
}

#[test]
fn each_fault_of_a_stream_is_found() {
    let cases = [
        (RogueFault::Asleep, "did not wake"),
        (RogueFault::FirstWaker, "did not wake"),
        (RogueFault::Spins, "in a row"),
        (RogueFault::Undead, "after the end"),
        (RogueFault::PendingAfterEnd, "after the end"),
        (RogueFault::Boasts, "size_hint"),
        (RogueFault::CountsAhead, "emitted is not what was yielded"),
        (RogueFault::Hasty, "R29"),
        (RogueFault::Impatient, "before log 1 was accepted"),
    ];
    for (fault, expected) in cases {
        let contract = SourceContract::new(move |sink| Rogue::new(fault, sink), candles(&[0, 1]));
        let found = complaint(&contract.with_patience(Duration::from_millis(50)));
        assert!(found.contains(expected), "{fault:?}: {found}");
    }
}

/// A thread that has its say only once it was asked, and so from outside of a poll.
#[test]
fn a_source_with_a_thread_of_its_own_passes() {
    let make = |_| {
        let (mut sender, mut receiver) = futures::channel::mpsc::channel(0);
        let (ask, asked) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for candle in candles(&[0, 1, 2]) {
                // Nobody asks, and the receiver is gone, when the suite drops the source.
                if asked.recv().is_err()
                    || futures::executor::block_on(futures::SinkExt::send(&mut sender, Ok(candle))).is_err()
                {
                    break;
                }
            }
        });
        let answers = futures::stream::poll_fn(move |cx| {
            let polled = receiver.poll_next_unpin(cx);
            if polled.is_pending() {
                // The thread is gone when it has said everything.
                let _ = ask.send(());
            }
            polled
        });
        bt_core::from_candles(series(), None, answers)
    };
    assert_eq!(verdict(make, &[0, 1, 2]), "");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn scripts_of_any_rows_keep_to_the_contract(
        files in strategies::files(Timeframe::MINUTE, Timestamp::EPOCH, strategies::Dirt::Dirty, 60),
        sizes in strategies::sizes(),
        pendings in strategies::pendings(),
        ticks: bool,
    ) {
        let checked = check_rows(&files, Timeframe::MINUTE, TimeRange::ALL, false);
        let chop = Chop { sizes, pendings: pendings.clone(), ticks };
        let (emitted, notes) = (checked.emitted.clone(), checked.notes);
        let make = move |sink| {
            chop.source(&series(), None, &emitted, &notes).with_log(sink).jitter(&pendings)
        };
        SourceContract::new(make, checked.emitted).check();
    }
}
