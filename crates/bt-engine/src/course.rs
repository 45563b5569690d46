//! How far a run has come and what became of it: no waker, no I/O.

use bt_core::{Level, LogEvent, Timestamp, error_chain};

use crate::{Ended, RunFailure, StopReason};

#[derive(Debug, Default)]
pub(crate) struct Course {
    max_frames: Option<u64>,
    pub(crate) frames: u64,
    pub(crate) first_close: Option<Timestamp>,
    pub(crate) last_close: Option<Timestamp>,
    /// Whether the end event is out.
    pub(crate) end_told: bool,
    /// Whether the barrier after the end event was reached.
    pub(crate) settled: bool,
    /// Whether after it every service finished and every queue was emptied.
    pub(crate) joined: bool,
    /// Whether a barrier outlasted its limit.
    pub(crate) outlasted: bool,
    /// Why nothing more is pulled, once that is so.
    ended: Option<Ended>,
    failure: Option<RunFailure>,
    /// Whether the record knows of the failure.
    failure_said: bool,
}

impl Course {
    pub(crate) fn new(max_frames: Option<u64>) -> Self {
        Course { max_frames, ..Course::default() }
    }

    /// Counts a frame that was published.
    pub(crate) fn publish(&mut self, close: Timestamp) {
        self.frames += 1;
        self.first_close.get_or_insert(close);
        self.last_close = Some(close);
    }

    /// Notes what went wrong. The first failure is the run's; of the others, diagnostics tell.
    pub(crate) fn fail(&mut self, failure: RunFailure) {
        if self.failure.is_some() {
            tracing::error!(error = error_chain(&failure), "a failure after the first");
        } else {
            // Whoever drives the run gets it as the run's error, and has it on the bus as a log.
            tracing::debug!(error = error_chain(&failure), "the run fails");
            self.failure = Some(failure);
        }
    }

    /// Why no further frame is asked for, if so.
    pub(crate) fn is_over(&self, stop: Option<StopReason>) -> Option<Ended> {
        if self.failure.is_some() {
            Some(Ended::Error)
        } else if self.frames_left() == Some(0) {
            Some(Ended::MaxFrames)
        } else {
            stop.map(Ended::Stopped)
        }
    }

    /// How many frames may still be asked for, if there is a maximum.
    pub(crate) fn frames_left(&self) -> Option<u64> {
        Some(self.max_frames?.saturating_sub(self.frames))
    }

    /// The first reason to end counts.
    pub(crate) fn end(&mut self, ended: Ended) {
        self.ended.get_or_insert(ended);
    }

    pub(crate) fn ended(&self) -> Ended {
        if self.failure.is_some() { Ended::Error } else { self.ended.unwrap_or(Ended::Data) }
    }

    pub(crate) fn drained(&self) -> bool {
        self.settled && self.joined && !self.outlasted
    }

    pub(crate) fn take_failure(&mut self) -> Option<RunFailure> {
        self.failure.take()
    }

    /// What the record says of a failure; said once.
    ///
    /// It has the failure's own words only: its sources may speak of where files lie, which is no part of the
    /// record (R35). Whoever drives the run gets them all.
    pub(crate) fn failed_event(&mut self) -> Option<LogEvent> {
        let error = self.failure.as_ref()?.to_string();
        if std::mem::replace(&mut self.failure_said, true) {
            return None;
        }
        let event =
            LogEvent::new(Level::Error, "engine", "ENGINE_FAILED", "the run fails").with("error", error);
        Some(self.at_last_close(event))
    }

    /// The last thing the record says.
    pub(crate) fn ended_event(&self) -> LogEvent {
        let level = if self.failure.is_some() { Level::Error } else { Level::Info };
        let event = LogEvent::new(level, "engine", "ENGINE_ENDED", "the run ends")
            .with("ended", self.ended().as_str())
            .with("frames", self.frames);
        self.at_last_close(event)
    }

    fn at_last_close(&self, event: LogEvent) -> LogEvent {
        match self.last_close {
            Some(close) => event.with_sim_time(close),
            None => event,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn returned(service: &'static str) -> RunFailure {
        RunFailure::ServiceReturned { service }
    }

    #[test]
    fn r33_the_first_failure_is_the_runs_and_outranks_every_other_reason() {
        let mut course = Course::new(Some(0));
        assert_eq!(course.is_over(Some(StopReason::Caller)), Some(Ended::MaxFrames));
        course.end(Ended::MaxFrames);
        course.end(Ended::Data);
        assert_eq!(course.ended(), Ended::MaxFrames);
        course.fail(returned("a"));
        course.fail(returned("b"));
        assert_eq!(course.is_over(None), Some(Ended::Error));
        assert_eq!(course.ended(), Ended::Error);
        assert!(matches!(course.take_failure(), Some(RunFailure::ServiceReturned { service: "a" })));
    }

    #[test]
    fn the_record_has_a_failures_own_words_and_not_those_of_its_sources() {
        let mut course = Course::new(None);
        course.fail(RunFailure::ServiceFailed { service: "a", source: "no room in /var/run".into() });
        let fields = course.failed_event().map(|event| event.fields);
        assert_eq!(fields, Some(vec![("error", "service `a` failed".to_owned().into())]));
        assert_eq!(course.failed_event(), None, "said once");
    }

    #[test]
    fn frames_are_counted_up_to_the_maximum() {
        let mut course = Course::new(Some(2));
        for (close, over) in [(5, None), (7, Some(Ended::MaxFrames))] {
            course.publish(Timestamp::from_nanos(close));
            assert_eq!(course.is_over(None), over);
        }
        assert_eq!(course.first_close, Some(Timestamp::from_nanos(5)));
        assert_eq!(course.ended_event().sim_time, Some(Timestamp::from_nanos(7)));
        assert_eq!(course.failed_event(), None);
    }
}
