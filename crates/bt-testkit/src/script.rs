//! A source that does what it is told.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bt_core::{
    CandleBatch, CandleSource, LogEvent, LogSink, Outbox, Series, SourceError, SourceStats, StatsHandle,
    Timestamp,
};
use futures::Stream;
use futures::stream::FusedStream;

use crate::Gate;

/// One thing that a [`ScriptedSource`] does.
#[derive(Debug)]
pub enum Step {
    /// Yields a batch.
    Batch(CandleBatch),
    /// Returns `Pending` once, having woken its task.
    Pending,
    /// Takes a permit of the gate, for which it may have to wait.
    Gate(Gate),
    /// Logs, and goes on when the log has been accepted (R29).
    Log(LogEvent),
    /// Yields an error, after which it stays ended.
    Error(SourceError),
}

/// A [`CandleSource`] that plays a script, and ends with it.
///
/// It checks nothing: a script may break every rule. It counts what it yields as emitted, and counts nothing
/// else.
///
/// # Cancel safety
/// A step that was not done stays in the script.
#[must_use = "streams do nothing unless polled"]
pub struct ScriptedSource {
    series: Series,
    end: Option<Timestamp>,
    script: VecDeque<Step>,
    state: State,
    outbox: Outbox,
    counted: SourceStats,
    stats: StatsHandle,
    polls: PollCount,
}

/// ```text
/// Playing ──log──► Logging ──accepted──► Playing
///    └── error, or end of the script ──► Done
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Does the next step.
    Playing,
    /// Waits until its log has been accepted.
    Logging,
    /// Ended.
    Done,
}

impl ScriptedSource {
    /// A source of `series`, which ends by declaration at `end`, and logs to nowhere.
    pub fn new(series: Series, end: Option<Timestamp>, script: impl IntoIterator<Item = Step>) -> Self {
        ScriptedSource {
            series,
            end,
            script: script.into_iter().collect(),
            state: State::Playing,
            outbox: Outbox::discard(),
            counted: SourceStats::default(),
            stats: StatsHandle::new(),
            polls: PollCount::default(),
        }
    }

    /// Sends its logs to `sink`.
    pub fn with_log(mut self, sink: impl LogSink + 'static) -> Self {
        self.outbox = Outbox::new(sink);
        self
    }

    /// Begins with these counters, to which it adds what it yields.
    pub fn with_stats(mut self, stats: SourceStats) -> Self {
        self.stats.publish(&stats);
        self.counted = stats;
        self
    }

    /// How often it was polled, also after it has moved into another stream.
    pub fn polls(&self) -> PollCount {
        self.polls.clone()
    }

    fn count(&mut self, batch: &CandleBatch) {
        self.counted.emitted += batch.len() as u64;
        if let (Some(first), Some(last)) = (batch.starts().first(), batch.starts().last()) {
            self.counted.first_start.get_or_insert(*first);
            self.counted.last_start = Some(*last);
        }
        self.stats.publish(&self.counted);
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<CandleBatch, SourceError>>> {
        loop {
            match self.state {
                State::Done => return Poll::Ready(None),
                State::Logging => {
                    ready!(self.outbox.poll_accepted(cx))?;
                    self.state = State::Playing;
                }
                State::Playing => {
                    if let Some(Step::Gate(gate)) = self.script.front() {
                        ready!(gate.poll_pass(cx));
                    }
                    match self.script.pop_front() {
                        None => return Poll::Ready(None),
                        Some(Step::Gate(_)) => {}
                        Some(Step::Pending) => {
                            cx.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                        Some(Step::Log(event)) => {
                            self.outbox.push(event);
                            self.state = State::Logging;
                        }
                        Some(Step::Error(error)) => return Poll::Ready(Some(Err(error))),
                        Some(Step::Batch(batch)) => {
                            self.count(&batch);
                            return Poll::Ready(Some(Ok(batch)));
                        }
                    }
                }
            }
        }
    }
}

impl Stream for ScriptedSource {
    type Item = Result<CandleBatch, SourceError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.polls.0.fetch_add(1, Ordering::Relaxed);
        let item = ready!(self.poll_step(cx));
        if !matches!(item, Some(Ok(_))) {
            self.state = State::Done;
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        if self.state == State::Done {
            return (0, Some(0));
        }
        let (mut items, mut logs) = (0, usize::from(self.state == State::Logging));
        for step in &self.script {
            match step {
                Step::Batch(_) => items += 1,
                Step::Log(_) => logs += 1,
                Step::Pending | Step::Gate(_) => {}
                Step::Error(_) => {
                    items += 1;
                    break;
                }
            }
        }
        // A log that is refused is an error, which ends the script early or adds an item to its end.
        if logs == 0 { (items, Some(items)) } else { (items.min(1), Some(items + 1)) }
    }
}

impl FusedStream for ScriptedSource {
    fn is_terminated(&self) -> bool {
        self.state == State::Done
    }
}

impl CandleSource for ScriptedSource {
    fn series(&self) -> &Series {
        &self.series
    }

    fn declared_end(&self) -> Option<Timestamp> {
        self.end
    }

    fn stats(&self) -> StatsHandle {
        self.stats.clone()
    }
}

impl fmt::Debug for ScriptedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedSource")
            .field("series", &self.series)
            .field("state", &self.state)
            .field("script", &self.script)
            .finish_non_exhaustive()
    }
}

/// How often a [`ScriptedSource`] was polled.
#[derive(Clone, Debug, Default)]
pub struct PollCount(Arc<AtomicUsize>);

impl PollCount {
    /// The number of polls so far.
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecordingSink;
    use bt_core::Level;
    use tokio_test::{assert_pending, assert_ready, task};

    fn source(script: Vec<Step>) -> ScriptedSource {
        ScriptedSource::new("a.s:A@1m".parse().unwrap(), None, script)
    }

    fn tick(nanos: i64) -> Step {
        Step::Batch(CandleBatch::tick(Timestamp::from_nanos(nanos)))
    }

    #[test]
    fn every_step_in_its_place() {
        let (gate, log_gate) = (Gate::closed(), Gate::closed());
        let event = LogEvent::new(Level::Info, "test", "A", "");
        let sink = RecordingSink::new().with_gate(&log_gate);
        let recorder = sink.recorder();
        let error = SourceError::Other("broken".into());
        let script = vec![
            Step::Pending,
            tick(1),
            Step::Gate(gate.clone()),
            Step::Log(event),
            tick(2),
            Step::Error(error),
            tick(3),
        ];
        let source = source(script).with_log(sink);
        let polls = source.polls();
        let mut task = task::spawn(source);
        assert_eq!(task.size_hint(), (1, Some(4)));
        assert_pending!(task.poll_next());
        assert!(task.is_woken());
        assert_eq!(
            assert_ready!(task.poll_next()).unwrap().unwrap().watermark(),
            Some(Timestamp::from_nanos(1))
        );
        assert_pending!(task.poll_next());
        assert!(!task.is_woken());
        gate.open();
        assert!(task.is_woken());
        assert_pending!(task.poll_next());
        assert!(recorder.logs().is_empty() && log_gate.is_waited_for());
        log_gate.open();
        assert!(task.is_woken());
        assert!(assert_ready!(task.poll_next()).unwrap().is_ok());
        assert_eq!(recorder.logs().len(), 1);
        assert_eq!(task.size_hint(), (1, Some(1)));
        assert!(assert_ready!(task.poll_next()).unwrap().is_err());
        for _ in 0..2 {
            assert!(assert_ready!(task.poll_next()).is_none());
        }
        assert_eq!(polls.get(), 8);
        assert!(task.is_terminated());
    }

    #[test]
    fn a_refused_log_is_an_error_that_ends_it() {
        let event = LogEvent::new(Level::Info, "test", "A", "");
        let sink = RecordingSink::new().with_failure_after(0);
        let mut task = task::spawn(source(vec![Step::Log(event), tick(1)]).with_log(sink));
        assert!(matches!(assert_ready!(task.poll_next()), Some(Err(SourceError::Log(_)))));
        assert!(assert_ready!(task.poll_next()).is_none());
    }
}
