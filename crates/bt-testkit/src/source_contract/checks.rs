//! The checks of the suite.

use std::task::Poll;

use bt_core::{CandleSource, SourceError};

use super::driver::Driver;
use super::ledger::Ledger;
use super::{Make, SourceContract};
use crate::{Entry, Gate, Recorder, RecordingSink};

/// Most places in the course of a source at which it is dropped or held up.
const MOST_PLACES: usize = 16;

/// Polls, woken or not, while a log waits.
const POLLS_WHILE_HELD_UP: usize = 8;

impl SourceContract {
    /// The candles, and after each batch what the ledger knows; the counters at the end.
    pub(super) fn check_rows_and_counters(&self) {
        let mut driver = self.driver(RecordingSink::new());
        let stats = driver.source.stats();
        let mut ledger = Ledger::open(&driver);
        ledger.drain(&mut driver).unwrap_or_else(|error| fail(&error));
        assert_eq!(ledger.candles, self.candles, "the candles are not those expected");
        drop(driver);
        if let Some(expected) = &self.stats {
            assert_eq!(&stats.snapshot(), expected, "R8: the counters at the end are not those expected");
        }
        self.call_dropped();
    }

    /// A task that polls a pending source is woken, though another polled it before.
    pub(super) fn check_wakers(&self) {
        let mut driver = self.driver(RecordingSink::new().with_delay(1));
        let mut ledger = Ledger::open(&driver);
        loop {
            match driver.poll() {
                Poll::Pending => {
                    driver.change_task();
                    // Either this poll is ready, or it takes the place of the one before.
                    match driver.poll() {
                        Poll::Pending => driver.wait(),
                        Poll::Ready(Some(Ok(batch))) => ledger.book(&batch),
                        Poll::Ready(Some(Err(error))) => fail(&error),
                        Poll::Ready(None) => break,
                    }
                }
                Poll::Ready(Some(Ok(batch))) => ledger.book(&batch),
                Poll::Ready(Some(Err(error))) => fail(&error),
                Poll::Ready(None) => break,
            }
        }
        assert_eq!(ledger.candles, self.candles, "the candles are not those expected, polled by many tasks");
    }

    /// A source may be polled by one thread, then by another.
    pub(super) fn check_threads(&self) {
        let mut driver = self.driver(RecordingSink::new());
        let mut ledger = Ledger::open(&driver);
        let more = ledger.take(&mut driver).unwrap_or_else(|error| fail(&error));
        let rest = std::thread::spawn(move || {
            if more {
                ledger.drain(&mut driver).unwrap_or_else(|error| fail(&error));
            }
            ledger.candles
        });
        let candles = rest.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        assert_eq!(candles, self.candles, "the candles are not those expected, polled by two threads");
    }

    /// A source may be dropped after any item, pending or not, and leaves no trace in those made after it.
    pub(super) fn check_drops(&self) {
        let mut items = 0;
        let mut driver = self.driver(RecordingSink::new());
        while driver.next().is_some() {
            items += 1;
        }
        for taken in places(0, items + 1) {
            for poll_once_more in [false, true] {
                let mut driver = self.driver(RecordingSink::new());
                let mut ledger = Ledger::open(&driver);
                for _ in 0..taken {
                    ledger.take(&mut driver).unwrap_or_else(|error| fail(&error));
                }
                if poll_once_more {
                    let _ = driver.poll();
                }
                let stats = driver.source.stats();
                drop(driver);
                // The counters outlive the source.
                assert!(stats.snapshot().emitted >= ledger.candles.len() as u64);
                self.call_dropped();
            }
        }
        self.check_rows_and_counters();
    }

    /// Logs and rows interleave the same however slow the sink is, and no row is handed on before the logs
    /// that come before it are accepted (R29).
    pub(super) fn check_logs(&self) {
        let (opening, free) = self.course(RecordingSink::new());
        let (_, slow) = self.course(RecordingSink::new().with_delay(2).with_flush_delay(1));
        assert_eq!(free, slow, "R29: logs and rows interleave otherwise when the sink is slow");
        let positions = positions(&free);
        for log in places(opening, positions.len()) {
            self.check_held_up(log, positions[log]);
        }
    }

    /// A source that fails yields what comes before, then its error, then nothing.
    pub(super) fn check_failure(&self) {
        let Some((make, candles)) = &self.failing else { return };
        let mut driver = Driver::new(make(RecordingSink::new()), self.patience);
        let mut ledger = Ledger::open(&driver);
        let end = ledger.drain(&mut driver);
        assert!(end.is_err(), "R11: the failing source ended without an error");
        assert_eq!(&ledger.candles, candles, "the candles before the error are not those expected");
        drop(driver);
        self.call_dropped();
    }

    /// With room for the first `log` logs only, the source stands still after `rows` rows.
    fn check_held_up(&self, log: usize, rows: usize) {
        let gate = Gate::with_permits(log);
        let mut driver = self.driver(RecordingSink::new().with_gate(&gate));
        let mut ledger = Ledger::open(&driver);
        while !gate.is_waited_for() {
            match driver.poll() {
                // With threads of its own it may be pending for other reasons.
                Poll::Pending if !gate.is_waited_for() => driver.wait(),
                Poll::Pending => {}
                Poll::Ready(Some(Ok(batch))) => ledger.book(&batch),
                Poll::Ready(Some(Err(error))) => fail(&error),
                Poll::Ready(None) => panic!("R29: ended before log {} was accepted", log + 1),
            }
        }
        for _ in 0..POLLS_WHILE_HELD_UP {
            let again = driver.poll();
            assert!(again.is_pending(), "R29: {again:?} before log {} was accepted", log + 1);
        }
        assert_eq!(ledger.candles.len(), rows, "R29: rows handed on when log {} waits", log + 1);
        gate.open();
        driver.wait();
        ledger.drain(&mut driver).unwrap_or_else(|error| fail(&error));
        assert_eq!(ledger.candles, self.candles, "the candles are not those expected, held up at a log");
    }

    /// What happens in the course of a source, after so many logs while it was made.
    fn course(&self, sink: RecordingSink) -> (usize, Vec<Entry>) {
        let recorder: Recorder = sink.recorder();
        let mut driver = self.driver(sink);
        let opening = recorder.logs().len();
        while let Some(item) = driver.next() {
            recorder.batch(&item.unwrap_or_else(|error| fail(&error)));
        }
        (opening, recorder.entries())
    }

    fn driver(&self, sink: RecordingSink) -> Driver {
        let make: &Make = &self.make;
        Driver::new(make(sink), self.patience)
    }

    fn call_dropped(&self) {
        if let Some(dropped) = &self.dropped {
            dropped();
        }
    }
}

/// The number of rows before each log.
fn positions(entries: &[Entry]) -> Vec<usize> {
    let mut rows = 0;
    let mut positions = Vec::new();
    for entry in entries {
        match entry {
            Entry::Log(_) => positions.push(rows),
            Entry::Row(_) | Entry::Frame(_) => rows += 1,
        }
    }
    positions
}

/// Some of `from..to`, evenly spread, the first among them.
fn places(from: usize, to: usize) -> impl Iterator<Item = usize> {
    let step = to.saturating_sub(from).div_ceil(MOST_PLACES).max(1);
    (from..to).step_by(step)
}

fn fail(error: &SourceError) -> ! {
    panic!("the source failed: {error:?}")
}
