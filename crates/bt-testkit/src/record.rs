//! What happened, in the order in which it did.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use bt_core::{BusError, CandleBatch, Frame, LogError, LogEvent, Timestamp};
use futures::Sink;

use crate::Gate;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// A log was accepted.
    Log(LogEvent),
    /// A frame with this close was handed out.
    Frame(Timestamp),
    /// A candle with this start was handed out.
    Row(Timestamp),
}

/// A record that sinks and whoever takes frames or batches write together, so that it shows how logs, frames
/// and rows interleave (R29, R35). Rows are recorded one by one: how they were cut into batches does not
/// show. Clones are handles on the same record.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Vec<Entry>>>);

impl Recorder {
    /// An empty record.
    pub fn new() -> Self {
        Recorder::default()
    }

    /// A log sink that writes to this record and never waits.
    pub fn sink(&self) -> RecordingSink {
        RecordingSink { recorder: self.clone(), ..RecordingSink::new() }
    }

    /// Records a log.
    pub fn log(&self, event: LogEvent) {
        self.lock().push(Entry::Log(event));
    }

    /// Records that a frame was handed out.
    pub fn frame(&self, frame: &Frame) {
        self.lock().push(Entry::Frame(frame.close()));
    }

    /// Records that the rows of a batch were handed out.
    pub fn batch(&self, batch: &CandleBatch) {
        self.lock().extend(batch.starts().iter().map(|start| Entry::Row(*start)));
    }

    /// What was recorded so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().clone()
    }

    /// The logs among the entries.
    pub fn logs(&self) -> Vec<LogEvent> {
        self.logs_with_positions().into_iter().map(|(_, log)| log).collect()
    }

    /// The logs, each with the number of rows and frames that were handed out before it.
    pub fn logs_with_positions(&self) -> Vec<(usize, LogEvent)> {
        let mut handed_out = 0;
        let mut logs = Vec::new();
        for entry in self.lock().iter() {
            match entry {
                Entry::Log(event) => logs.push((handed_out, event.clone())),
                Entry::Frame(_) | Entry::Row(_) => handed_out += 1,
            }
        }
        logs
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().expect("no test panics while it holds the record")
    }
}

/// A [`LogSink`](bt_core::LogSink) that records what it accepts, and makes its users wait or fails on request.
///
/// An event counts as accepted at `start_send`.
#[must_use = "sinks do nothing unless polled"]
#[derive(Debug)]
pub struct RecordingSink {
    recorder: Recorder,
    /// `Pending`s before each ready `poll_ready` and `poll_flush`, and those still to come.
    ready_delay: Delay,
    flush_delay: Delay,
    gate: Option<Gate>,
    /// Events until it fails.
    left: usize,
    /// Whether `poll_ready` was ready and nothing was sent since.
    reserved: bool,
    unflushed: bool,
}

impl RecordingSink {
    /// A sink with a record of its own, which never waits.
    pub fn new() -> Self {
        RecordingSink {
            recorder: Recorder::new(),
            ready_delay: Delay::default(),
            flush_delay: Delay::default(),
            gate: None,
            left: usize::MAX,
            reserved: false,
            unflushed: false,
        }
    }

    /// Is `Pending` for the first `polls` polls of each event, and wakes at once.
    pub fn with_delay(mut self, polls: usize) -> Self {
        self.ready_delay = Delay { polls, left: polls };
        self
    }

    /// Is `Pending` for the first `polls` polls of each flush that has something to flush, and wakes at once.
    pub fn with_flush_delay(mut self, polls: usize) -> Self {
        self.flush_delay = Delay { polls, left: polls };
        self
    }

    /// Takes a permit of `gate` for each event.
    pub fn with_gate(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// Refuses every event after the first `events`, as a closed bus does.
    pub fn with_failure_after(mut self, events: usize) -> Self {
        self.left = events;
        self
    }

    /// Its record.
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }
}

impl Default for RecordingSink {
    fn default() -> Self {
        RecordingSink::new()
    }
}

impl Sink<LogEvent> for RecordingSink {
    type Error = LogError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), LogError>> {
        if self.reserved {
            return Poll::Ready(Ok(()));
        }
        if self.left == 0 {
            return Poll::Ready(Err(LogError::Refused(BusError::Closed { topic: "log".to_owned() })));
        }
        ready!(self.ready_delay.poll_over(cx));
        if let Some(gate) = &self.gate {
            ready!(gate.poll_pass(cx));
        }
        self.reserved = true;
        Poll::Ready(Ok(()))
    }

    /// # Panics
    /// If no ready `poll_ready` came before it.
    fn start_send(mut self: Pin<&mut Self>, event: LogEvent) -> Result<(), LogError> {
        assert!(self.reserved, "start_send comes after a ready poll_ready");
        self.reserved = false;
        self.unflushed = true;
        self.left -= 1;
        self.ready_delay.reset();
        self.flush_delay.reset();
        self.recorder.log(event);
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), LogError>> {
        if self.unflushed {
            ready!(self.flush_delay.poll_over(cx));
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), LogError>> {
        self.poll_flush(cx)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Delay {
    polls: usize,
    left: usize,
}

impl Delay {
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.left == 0 {
            return Poll::Ready(());
        }
        self.left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn reset(&mut self) {
        self.left = self.polls;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bt_core::{Level, Outbox};
    use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};

    fn event(name: &'static str) -> LogEvent {
        LogEvent::new(Level::Info, "test", name, "")
    }

    #[test]
    fn a_sink_records_and_delays_each_event() {
        let recorder = Recorder::new();
        let mut outbox = Outbox::new(recorder.sink().with_delay(2).with_flush_delay(1));
        outbox.push(event("A"));
        outbox.push(event("B"));
        let mut task = task::spawn(());
        for accepted in [0, 0, 1, 1, 2] {
            assert_pending!(task.enter(|cx, _| outbox.poll_accepted(cx)));
            assert!(task.is_woken());
            assert_eq!(recorder.logs().len(), accepted);
        }
        assert_ready_ok!(task.enter(|cx, _| outbox.poll_accepted(cx)));
        assert_eq!(recorder.logs(), [event("A"), event("B")]);
    }

    #[test]
    fn a_gated_sink_waits_and_a_failing_one_refuses() {
        let gate = Gate::closed();
        let sink = RecordingSink::new().with_gate(&gate).with_failure_after(1);
        let recorder = sink.recorder();
        let mut outbox = Outbox::new(sink);
        outbox.push(event("A"));
        outbox.push(event("B"));
        let mut task = task::spawn(());
        assert_pending!(task.enter(|cx, _| outbox.poll_accepted(cx)));
        assert!(!task.is_woken() && gate.is_waited_for());
        gate.open();
        assert!(task.is_woken());
        assert_ready_err!(task.enter(|cx, _| outbox.poll_accepted(cx)));
        assert_eq!(recorder.logs(), [event("A")]);
    }

    #[test]
    fn logs_know_how_much_came_before_them() {
        let recorder = Recorder::new();
        let row = |n| {
            CandleBatch::from_iter([crate::reference::check_rows(
                &[vec![crate::reference::RawRow::plain(n)]],
                bt_core::Timeframe::MINUTE,
                bt_core::TimeRange::ALL,
                true,
            )
            .emitted[0]])
        };
        recorder.log(event("A"));
        recorder.batch(&row(0));
        recorder.batch(&CandleBatch::tick(Timestamp::EPOCH));
        recorder.log(event("B"));
        assert_eq!(recorder.logs_with_positions(), [(0, event("A")), (1, event("B"))]);
        assert_eq!(recorder.entries()[1], Entry::Row(Timestamp::EPOCH));
    }
}
