//! Messages to tell apart, and questions that are asked once.

use std::pin::pin;

use bt_core::{Envelope, Event, EventBus, Level, LogError, LogEvent, Message, Timestamp, Value};
use futures::{FutureExt, Sink, SinkExt};

pub(super) fn log(id: i64) -> LogEvent {
    LogEvent::new(Level::Info, "", "TEST", "").with("id", id)
}

pub(super) fn message(id: i64) -> Message<Event> {
    Message { instant: Timestamp::from_nanos(id), payload: Event::Log(log(id)) }
}

pub(super) fn id(envelope: &Envelope<Event>) -> i64 {
    match &envelope.payload {
        Event::Log(LogEvent { fields, .. }) => match fields[..] {
            [("id", Value::Int(id))] => id,
            _ => panic!("the payload was changed: {fields:?}"),
        },
        other => panic!("the payload was changed: {other:?}"),
    }
}

pub(super) fn place(envelope: &Envelope<Event>) -> (&str, u64, i64) {
    (&envelope.topic, envelope.seq, id(envelope))
}

/// Whether the barrier, asked once, is not ready.
pub(super) fn is_busy<B: EventBus>(bus: &B) -> bool {
    bus.idle().now_or_never().is_none()
}

/// Whether a sink, asked once, has room.
pub(super) fn is_ready(sink: &mut (impl Sink<LogEvent, Error = LogError> + Unpin)) -> bool {
    let ready = pin!(futures::future::poll_fn(|cx| sink.poll_ready_unpin(cx)));
    ready.now_or_never().is_some()
}
