//! The run loop.

use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bt_core::{Event, EventBus, FrameFeed};
use futures_core::{FusedStream, Stream};
use pin_project_lite::pin_project;
use tracing::Span;

use crate::bell::Bell;
use crate::run::Run;
use crate::state::State;
use crate::{Ended, EngineBuilder, RunError, RunFailure, RunReport, Snapshot, Step, StopHandle};

pin_project! {
    /// Drives a feed into a bus: a stream of [`Step`]s, one per frame, each handled by every subscriber before
    /// the next is pulled from the feed (R32).
    ///
    /// [`run`](Engine::run) polls it to its end; a debugger or a test steps it. However a run ends, it goes
    /// through one orderly end (R33); an error is yielded last, with the [report](Engine::report) ready.
    ///
    /// The engine owns its services and polls them itself, in order of registration, those that were woken. It
    /// spawns nothing, so one run is one task, and the order of events does not depend on a scheduler (R35). A
    /// service that loops without ever awaiting anything cannot be interrupted by anybody.
    ///
    /// # Cancel safety
    /// A `next()` future may be dropped at any time; nothing is lost. An engine that is dropped before its end
    /// **aborts** the run: services are dropped where they stand, and what is queued for them is not delivered.
    /// To end a run before its data, [stop](Engine::stop_handle) it and poll it to its end (R30).
    ///
    /// # Panics
    /// When it has to wait for the bus on a tokio runtime that was built without timers.
    #[must_use = "streams do nothing unless polled"]
    pub struct Engine<F, B>
    where
        B: EventBus<Payload = Event>,
    {
        // Dropped when the end begins, so that what it waits for on the bus holds up nobody else.
        #[pin]
        feed: Option<F>,
        state: State,
        run: Run<B>,
        bell: Arc<Bell>,
        // Entered while it is polled, whoever polls it.
        span: Span,
    }
}

impl<F: FrameFeed, B: EventBus<Payload = Event>> Engine<F, B> {
    /// A builder, to be given a feed, a bus and a clock at least.
    pub fn builder() -> EngineBuilder<F, B> {
        EngineBuilder::new()
    }

    pub(crate) fn new(feed: F, run: Run<B>, bell: Arc<Bell>, span: Span) -> Self {
        Engine { feed: Some(feed), state: State::Starting, run, bell, span }
    }

    /// What ends the run in order, from anywhere.
    pub fn stop_handle(&self) -> StopHandle {
        self.run.stop.clone()
    }

    /// The report, once the run is over.
    pub fn report(&self) -> Option<&RunReport> {
        match &self.state {
            State::Done { report } => Some(report),
            _ => None,
        }
    }

    /// Where the run stands: at any time between polls, also while a step waits for somebody who is stuck.
    ///
    /// It takes the lock of the bus once, and copies counters of every topic, subscription and series: something
    /// to look at every second, not after every frame.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.state.name(),
            frames: self.run.course.frames,
            last_close: self.run.course.last_close,
            series: match (&self.feed, &self.state) {
                (Some(feed), _) => feed.stats(),
                (None, State::Ending { series, .. }) => series.clone(),
                (None, State::Done { report }) => report.series.clone(),
                (None, _) => Vec::new(),
            },
            bus: self.run.bus.stats(),
            waits: self.run.barrier.waits().clone(),
            waiting: self.run.barrier.waiting(),
        }
    }

    /// Polls the run to its end.
    ///
    /// # Errors
    /// What the stream would yield last.
    ///
    /// # Cancel safety
    /// Dropping the future drops the engine, which aborts the run.
    pub async fn run(self) -> Result<RunReport, RunError> {
        let mut engine = pin!(self);
        while let Some(step) = poll_fn(|cx| engine.as_mut().poll_next(cx)).await {
            step?;
        }
        Ok(engine.report().expect("a run that yielded its end has a report").clone())
    }

    /// One step, or `None` when the run is over. An error has not ended it yet: its end begins, or goes on.
    fn poll_step(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Step>, Box<RunFailure>>> {
        loop {
            let this = self.as_mut().project();
            let (mut feed, state, run) = (this.feed, this.state, this.run);
            match state {
                State::Starting => {
                    ready!(run.poll_driving(cx, |run, cx| run.outbox.poll_accepted(cx)))?;
                    ready!(run.poll_drained(cx))?;
                    *state = State::Pulling;
                }
                State::Pulling => {
                    if run.poll_pace(cx).is_pending() {
                        return run.poll_feed_waits(cx).map(Err);
                    }
                    run.drive();
                    if let Some(ended) = run.course.is_over(run.stop.requested()) {
                        self.as_mut().begin_ending(ended);
                        continue;
                    }
                    let frame = match feed.as_mut().as_pin_mut() {
                        Some(feed) => feed.poll_next(cx),
                        None => Poll::Ready(None),
                    };
                    match frame {
                        Poll::Ready(Some(frame)) => {
                            run.rest();
                            *state = State::Publishing { frame: frame? };
                        }
                        Poll::Ready(None) => self.as_mut().begin_ending(Ended::Data),
                        Poll::Pending if run.services.any_woken() => {}
                        Poll::Pending => return run.poll_feed_waits(cx).map(Err),
                    }
                }
                State::Publishing { .. } => {
                    ready!(run.poll_driving(cx, |run, cx| run.frames.poll_ready(cx)))?;
                    if let State::Publishing { frame } = mem::replace(state, State::Pulling) {
                        run.publish(frame.clone())?;
                        *state = State::Draining { step: Step { number: run.course.frames, frame } };
                    }
                }
                State::Draining { .. } => {
                    ready!(run.poll_driving(cx, |run, cx| run.frames.poll_flush(cx)))?;
                    ready!(run.poll_drained(cx))?;
                    if let State::Draining { step } = mem::replace(state, State::Pulling) {
                        return Poll::Ready(Ok(Some(step)));
                    }
                }
                State::Ending { phase, .. } => {
                    ready!(run.poll_phase(*phase, cx))?;
                    self.as_mut().end_phase();
                }
                State::Done { .. } => return Poll::Ready(Ok(None)),
            }
        }
    }

    /// Notes what went wrong, and goes on with the end.
    fn fail(mut self: Pin<&mut Self>, failure: RunFailure) {
        self.as_mut().project().run.course.fail(failure);
        match self.state {
            State::Ending { .. } => self.end_phase(),
            _ => self.begin_ending(Ended::Error),
        }
    }

    /// What is yielded last.
    fn take_error(self: Pin<&mut Self>) -> Option<RunError> {
        let this = self.project();
        let failure = this.run.course.take_failure()?;
        match this.state {
            State::Done { report } => Some(RunError::new(failure, RunReport::clone(report))),
            _ => None,
        }
    }

    /// The only way out of a run: nothing more is pulled.
    fn begin_ending(self: Pin<&mut Self>, ended: Ended) {
        let mut this = self.project();
        let series = this.feed.as_ref().as_pin_ref().map_or_else(Vec::new, |feed| feed.stats());
        this.feed.set(None);
        this.run.course.end(ended);
        *this.state = State::Ending { phase: this.run.begin_ending(), series };
    }

    /// Goes on from a phase of the end that is done or has failed.
    fn end_phase(self: Pin<&mut Self>) {
        let this = self.project();
        let State::Ending { phase, series } = this.state else { return };
        match this.run.next_phase(*phase) {
            Some(next) => *phase = next,
            None => {
                let report = Box::new(this.run.report(mem::take(series)));
                let RunReport { frames, ended, drained, .. } = &*report;
                tracing::info!(frames, ended = ended.as_str(), drained, "the run ends");
                *this.state = State::Done { report };
            }
        }
    }
}

impl<F: FrameFeed, B: EventBus<Payload = Event>> Stream for Engine<F, B> {
    type Item = Result<Step, RunError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_terminated() {
            return Poll::Ready(None);
        }
        let this = self.as_mut().project();
        let _entered = this.span.clone().entered();
        this.bell.enter(cx.waker());
        this.run.started.get_or_insert_with(|| {
            tracing::info!("the run begins");
            Instant::now()
        });
        let polled = loop {
            match self.as_mut().poll_step(cx) {
                Poll::Pending => break Poll::Pending,
                Poll::Ready(Ok(Some(step))) => break Poll::Ready(Some(Ok(step))),
                Poll::Ready(Ok(None)) => break Poll::Ready(self.as_mut().take_error().map(Err)),
                Poll::Ready(Err(failure)) => self.as_mut().fail(*failure),
            }
        };
        self.bell.leave();
        // Woken after the last look: nobody rang. After a yield the task is woken anyway.
        if polled.is_pending() && !self.run.yielded && self.run.services.any_woken() {
            cx.waker().wake_by_ref();
        }
        polled
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // One more than there are frames: the error.
        let upper = match &self.state {
            State::Starting | State::Pulling => self.frames_to_come().and_then(|n| n.checked_add(1)),
            State::Publishing { .. } | State::Draining { .. } => {
                self.frames_to_come().and_then(|n| n.checked_add(2))
            }
            State::Ending { .. } => Some(1),
            State::Done { .. } => Some(0),
        };
        (0, upper)
    }
}

impl<F: FrameFeed, B: EventBus<Payload = Event>> FusedStream for Engine<F, B> {
    fn is_terminated(&self) -> bool {
        matches!(self.state, State::Done { .. })
    }
}

impl<F: FrameFeed, B: EventBus<Payload = Event>> Engine<F, B> {
    /// At most so many frames are still to be pulled.
    fn frames_to_come(&self) -> Option<usize> {
        let feed = self.feed.as_ref().map_or(Some(0), |feed| feed.size_hint().1);
        let max = self.run.course.frames_left().and_then(|max| usize::try_from(max).ok());
        match (feed, max) {
            (Some(feed), Some(max)) => Some(feed.min(max)),
            (feed, max) => feed.or(max),
        }
    }
}

impl<F, B: EventBus<Payload = Event>> fmt::Debug for Engine<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("state", &self.state.name())
            .field("frames", &self.run.course.frames)
            .field("services", &self.run.services)
            .finish_non_exhaustive()
    }
}
