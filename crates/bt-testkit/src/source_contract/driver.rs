//! Polls by hand, with real waiting.

use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bt_core::{BoxSource, CandleBatch, CandleSource, SourceError};

type Item = Option<Result<CandleBatch, SourceError>>;

/// `Pending`s in a row after which a source is taken to spin. Passing over rows without yielding any is work
/// that a source may split into many polls (R36).
const MOST_PENDINGS: usize = 100_000;

/// A source with the task that polls it.
pub(super) struct Driver {
    pub(super) source: BoxSource,
    alarm: Arc<Alarm>,
    patience: Duration,
}

impl Driver {
    pub(super) fn new(source: BoxSource, patience: Duration) -> Self {
        Driver { source, alarm: Arc::default(), patience }
    }

    /// Goes on as another task: what wakes the old one does not count any more.
    pub(super) fn change_task(&mut self) {
        self.alarm = Arc::default();
    }

    pub(super) fn poll(&mut self) -> Poll<Item> {
        self.alarm.reset();
        let waker = Waker::from(Arc::clone(&self.alarm));
        self.source.as_mut().poll_next(&mut Context::from_waker(&waker))
    }

    /// Waits until the task is woken.
    pub(super) fn wait(&self) {
        let series = self.source.series();
        assert!(
            self.alarm.wait(self.patience),
            "{series} was pending and did not wake the task that polled it last within {:?}",
            self.patience
        );
    }

    /// Polls until there is an item, only when woken.
    pub(super) fn next(&mut self) -> Item {
        for _ in 0..MOST_PENDINGS {
            match self.poll() {
                Poll::Ready(item) => return item,
                Poll::Pending => self.wait(),
            }
        }
        panic!("{} was pending {MOST_PENDINGS} times in a row, each time woken", self.source.series());
    }
}

#[derive(Default)]
struct Alarm {
    rung: Mutex<bool>,
    bell: Condvar,
}

impl Alarm {
    fn reset(&self) {
        *self.rung.lock().expect("nothing panics while it holds the alarm") = false;
    }

    fn wait(&self, patience: Duration) -> bool {
        let rung = self.rung.lock().expect("nothing panics while it holds the alarm");
        let (rung, _) = self
            .bell
            .wait_timeout_while(rung, patience, |rung| !*rung)
            .expect("nothing panics while it holds the alarm");
        *rung
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().expect("nothing panics while it holds the alarm") = true;
        self.bell.notify_all();
    }
}
