//! The one end of every run (R33).

use std::mem;
use std::task::{Context, Poll, ready};

use bt_core::{Drain, Event, EventBus};

use crate::RunFailure;
use crate::run::Run;

/// How far the end has come. A phase that fails or outlasts its limit gives way to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The log of what failed is to be accepted.
    Explaining,
    /// The end event waits to be published.
    Telling,
    /// The end event is out; the bus is to become idle.
    Settling,
    /// The last log is to be accepted.
    Recording,
    /// The bus is closed; services finish, and the last queues are emptied.
    Joining,
}

impl<B: EventBus<Payload = Event>> Run<B> {
    /// Begins the end.
    pub(crate) fn begin_ending(&mut self) -> Ending {
        self.rest();
        self.relieved = false;
        // A frame that found no room is not published any more; the place it waits for is another's.
        self.frames.let_go();
        self.say_failure();
        Ending::Explaining
    }

    /// Ready when `phase` is done.
    pub(crate) fn poll_phase(
        &mut self,
        phase: Ending,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Box<RunFailure>>> {
        match phase {
            Ending::Explaining => self.poll_driving(cx, |run, cx| run.outbox.poll_accepted(cx)),
            Ending::Telling => {
                if !self.course.end_told {
                    ready!(self.poll_driving(cx, |run, cx| run.control.poll_ready(cx)))?;
                    self.tell_end()?;
                }
                self.poll_driving(cx, |run, cx| run.control.poll_flush(cx))
            }
            Ending::Settling => {
                ready!(self.poll_drained(cx))?;
                self.course.settled = true;
                Poll::Ready(Ok(()))
            }
            Ending::Recording => self.poll_driving(cx, |run, cx| run.outbox.poll_accepted(cx)),
            Ending::Joining => {
                ready!(self.poll_joined(cx))?;
                self.course.joined = true;
                Poll::Ready(Ok(()))
            }
        }
    }

    /// What follows a phase that is done or has failed; `None` after the last.
    pub(crate) fn next_phase(&mut self, phase: Ending) -> Option<Ending> {
        self.rest();
        if mem::take(&mut self.relieved) {
            // Who held it up is gone.
            return Some(phase);
        }
        match phase {
            Ending::Explaining => {
                self.leave_line();
                Some(Ending::Telling)
            }
            Ending::Telling => {
                // Told or not, services are free to go.
                self.course.end_told = true;
                self.control.let_go();
                Some(Ending::Settling)
            }
            Ending::Settling => {
                self.say_failure();
                self.outbox.push(self.course.ended_event());
                Some(Ending::Recording)
            }
            Ending::Recording => {
                self.bus.close(Drain::Deliver);
                Some(Ending::Joining)
            }
            Ending::Joining => None,
        }
    }

    /// Gives up the place in line of the engine's own logs: what services say comes first now. Logs that were not
    /// accepted stay parked.
    fn leave_line(&mut self) {
        if let Ok(sink) = self.bus.log_sink("engine") {
            self.outbox.redirect(sink);
        }
    }

    fn say_failure(&mut self) {
        if let Some(event) = self.course.failed_event() {
            self.outbox.push(event);
        }
    }
}
