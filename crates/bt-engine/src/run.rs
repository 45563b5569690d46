//! What every state of the run works with.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bt_core::{
    BusError, Clock, Control, Event, EventBus, Frame, Message, Outbox, Pacer, SeriesStats, SlotCounts,
};

use crate::barrier::{Barrier, Overdue};
use crate::course::Course;
use crate::outlet::Outlet;
use crate::service::Services;
use crate::{RunFailure, RunReport, ServiceReport, StopHandle, Wall};

/// A poll of a service counts as much work as this many candles (R36), and those of one round together as no less than
/// any piece of work.
const SERVICE_POLL: usize = 8;

/// Rounds of services in one barrier before the bus is asked although some want to go on: what a service does
/// without holding a delivery holds up no barrier (R28).
const ROUNDS: u32 = 64;

/// Everything of an engine but the feed and the state. No method leaves a woken service waiting.
pub(crate) struct Run<B: EventBus<Payload = Event>> {
    pub(crate) bus: B,
    pub(crate) frames: Outlet<B::Publisher>,
    pub(crate) control: Outlet<B::Publisher>,
    pub(crate) outbox: Outbox,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) services: Services,
    pub(crate) barrier: Barrier<B>,
    pub(crate) pacer: Pacer,
    /// Whether the last poll ended by giving the thread back.
    pub(crate) yielded: bool,
    /// Whether a service that held up the bus was dropped, so that what failed may be tried again.
    pub(crate) relieved: bool,
    /// Rounds of services in the barrier at hand.
    pub(crate) rounds: u32,
    pub(crate) course: Course,
    pub(crate) stop: StopHandle,
    /// When the engine was polled first.
    pub(crate) started: Option<Instant>,
}

impl<B: EventBus<Payload = Event>> Run<B> {
    /// Pending when it is time to give the thread back. Limits are looked at then, too: a service that wakes
    /// itself over and over must not keep them from being noticed.
    pub(crate) fn poll_pace(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let pace = self.pacer.poll_ready(cx);
        self.yielded = pace.is_pending();
        pace
    }

    /// Polls once each service that was woken. A failure is noted; the frame in hand is still finished.
    pub(crate) fn drive(&mut self) {
        let Run { services, course, pacer, .. } = self;
        let polled = services.drive(|service, fate| {
            if let Some(failure) = fate.failure(service, course.end_told) {
                course.fail(failure);
            }
        });
        if polled > 0 {
            pacer.charge(SERVICE_POLL * polled);
        }
    }

    /// Ready when the bus is idle and no service has just been woken (R28).
    pub(crate) fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Box<RunFailure>>> {
        loop {
            if self.poll_pace(cx).is_pending() {
                return self.poll_overdue(cx);
            }
            if self.rounds < ROUNDS && self.services.any_woken() {
                self.rounds += 1;
                self.drive();
            } else if self.barrier.poll_idle(cx).is_ready() {
                self.rest();
                return Poll::Ready(Ok(()));
            } else if self.services.any_woken() {
                self.drive();
            } else {
                return self.poll_overdue(cx);
            }
        }
    }

    /// Ready when `wanted` is. Meanwhile services are driven: it may wait for one of them to make room.
    ///
    /// Asked again when it has been ready, it must be ready at once; whoever asks calls [`rest`](Run::rest) when
    /// the state is done with, so that one limit holds for all that a state waits for.
    pub(crate) fn poll_driving<E: Into<Box<RunFailure>>>(
        &mut self,
        cx: &mut Context<'_>,
        mut wanted: impl FnMut(&mut Self, &mut Context<'_>) -> Poll<Result<(), E>>,
    ) -> Poll<Result<(), Box<RunFailure>>> {
        loop {
            if self.poll_pace(cx).is_pending() {
                return self.poll_overdue(cx);
            }
            if let Poll::Ready(result) = wanted(self, cx) {
                return Poll::Ready(result.map_err(Into::into));
            } else if self.services.any_woken() {
                self.drive();
            } else {
                return self.poll_overdue(cx);
            }
        }
    }

    /// Ready when every service has finished and the bus is idle.
    ///
    /// Nothing is published any more. So whoever keeps moving comes to an end, and is waited for (R30).
    pub(crate) fn poll_joined(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Box<RunFailure>>> {
        loop {
            let paced = self.poll_pace(cx).is_ready();
            if paced && self.services.any_woken() {
                self.drive();
            } else if paced && self.services.all_finished() && self.barrier.poll_idle(cx).is_ready() {
                self.rest();
                return Poll::Ready(Ok(()));
            } else {
                let overdue = ready!(self.barrier.poll_overdue(cx));
                self.rest();
                if let Some(failure) = self.give_up_joining(overdue) {
                    return Poll::Ready(Err(failure));
                }
            }
        }
    }

    /// Drops the services that keep the run from its end; `None` if all that it waits for moves.
    fn give_up_joining(&mut self, overdue: Overdue) -> Option<Box<RunFailure>> {
        let services = self.services.cancel_unless(|name| overdue.is_moving(name));
        let failure = if !services.is_empty() {
            self.course.outlasted = true;
            Box::new(RunFailure::ServicesUnfinished { services, limit: self.barrier.limit() })
        } else if !overdue.motionless.is_empty() {
            self.give_up(overdue)
        } else {
            return None;
        };
        // Those that move are waited for all the same.
        self.relieved = !self.services.all_finished();
        Some(failure)
    }

    /// Waits with a feed that is pending. It may wait for the world, as long as that takes, or for a bus on which
    /// somebody is stuck, and that has its limit. A bus may be idle and have no room: others may hold it and not use
    /// it.
    pub(crate) fn poll_feed_waits(&mut self, cx: &mut Context<'_>) -> Poll<Box<RunFailure>> {
        loop {
            if self.barrier.poll_idle(cx).is_ready() && self.bus.stuck().is_empty() {
                self.rest();
                return Poll::Pending;
            }
            let overdue = ready!(self.barrier.poll_overdue(cx));
            if !overdue.motionless.is_empty() {
                return Poll::Ready(self.give_up(overdue));
            }
            // Busy, but moving: the wait begins anew.
            self.rest();
        }
    }

    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Box<RunFailure>>> {
        self.barrier.poll_overdue(cx).map(|overdue| Err(self.give_up(overdue)))
    }

    /// A bus that did not become idle in time. The services that hold it up are dropped where they stand, which
    /// acknowledges what they hold, so that the others can still come to an end in order.
    fn give_up(&mut self, Overdue { stuck, motionless }: Overdue) -> Box<RunFailure> {
        self.rest();
        self.course.outlasted = true;
        // One that has nothing to answer is not the cause, whoever holds the room in its queue.
        for held_up in motionless.iter().filter(|m| m.queued + m.unacknowledged > 0) {
            let name = &held_up.subscription;
            if self.services.cancel(name) {
                self.relieved = true;
                tracing::error!(service = name, "a service that does not answer is dropped");
            }
        }
        Box::new(BusError::Stuck { limit: self.barrier.limit(), stuck }.into())
    }

    /// What was waited for is there, or given up.
    pub(crate) fn rest(&mut self) {
        self.rounds = 0;
        self.barrier.rest();
    }

    /// Moves the clock, then publishes the frame (R32). Room has been made.
    pub(crate) fn publish(&mut self, frame: Frame) -> Result<(), BusError> {
        let (close, slots) = (frame.close(), frame.len());
        self.clock.advance_to(close);
        self.frames.send(Message { instant: close, payload: Event::Frame(frame) })?;
        self.rest();
        self.course.publish(close);
        self.pacer.charge(slots);
        Ok(())
    }

    /// Publishes the end event. Room has been made.
    pub(crate) fn tell_end(&mut self) -> Result<(), BusError> {
        let instant = self.course.last_close.unwrap_or_else(|| self.clock.now());
        // Whether it is accepted or not: from now on services may return.
        self.course.end_told = true;
        self.control.send(Message { instant, payload: Event::Control(Control::End) })
    }

    /// The report, when the run is over.
    pub(crate) fn report(&self, series: Vec<SeriesStats>) -> RunReport {
        let bus = self.bus.stats();
        let mut slots = SlotCounts::default();
        series.iter().for_each(|stats| slots += stats.slots);
        RunReport {
            frames: self.course.frames,
            slots,
            first_close: self.course.first_close,
            last_close: self.course.last_close,
            drained: self.course.drained(),
            ended: self.course.ended(),
            series,
            services: self.services.names().map(|name| ServiceReport::new(name, &bus)).collect(),
            bus,
            wall: Wall {
                elapsed: self.started.map_or_else(Default::default, |started| started.elapsed()),
                waits: self.barrier.waits().clone(),
            },
        }
    }
}
