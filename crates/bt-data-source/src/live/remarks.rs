//! What live sources and their connections have to say.

use std::ops::Range;

use bt_core::{Level, LogEvent, Series, Timestamp};

use super::stats::ConnectionState;

const COMPONENT: &str = "source";

/// A connection is in another state.
pub(crate) fn state(
    connection: usize,
    entered: ConnectionState,
    at: Option<Timestamp>,
    why: &str,
) -> LogEvent {
    let level = match entered {
        ConnectionState::Reconnecting | ConnectionState::Stale | ConnectionState::Ended => Level::Warn,
        _ => Level::Info,
    };
    let message = format!("connection {connection} is {entered}: {why}");
    let event = LogEvent::new(level, COMPONENT, "SOURCE_CONNECTION_STATE", message)
        .with("connection", connection)
        .with("state", entered.as_str())
        .with("reason", why.to_owned());
    timed(event, at)
}

/// A message makes no sense.
pub(crate) fn malformed(connection: usize, at: Option<Timestamp>, reason: &str) -> LogEvent {
    let message = format!("message of connection {connection} passed over: {reason}");
    let event = LogEvent::new(Level::Warn, COMPONENT, "SOURCE_MESSAGE_MALFORMED", message)
        .with("connection", connection)
        .with("reason", reason.to_owned());
    timed(event, at)
}

/// Nobody took so many of these remarks in time.
pub(crate) fn unsaid(count: u64) -> LogEvent {
    let message = format!("{count} remarks on connections dropped: they were not taken in time");
    LogEvent::new(Level::Warn, COMPONENT, "SOURCE_REMARKS_DROPPED", message).with("count", count)
}

/// A series is up to date.
pub(crate) fn live(series: &Series, next: Timestamp) -> LogEvent {
    let message = format!("is live from {next} on");
    LogEvent::new(Level::Info, COMPONENT, "SOURCE_LIVE", message).with_series(series).with_sim_time(next)
}

/// A full queue lost rows.
pub(crate) fn dropped(series: &Series, count: u64) -> LogEvent {
    let message = format!("{count} rows dropped: they were not taken in time");
    LogEvent::new(Level::Warn, COMPONENT, "SOURCE_LIVE_DROPPED", message)
        .with_series(series)
        .with("count", count)
}

/// Rows were fetched.
pub(crate) fn filled(series: &Series, range: &Range<Timestamp>, rows: usize) -> LogEvent {
    let message = format!("{rows} rows fetched from {} to {}", range.start, range.end);
    let event = LogEvent::new(Level::Info, COMPONENT, "SOURCE_BACKFILLED", message).with_series(series);
    event.with("rows", rows).with("from", range.start).with("to", range.end)
}

/// Rows could not be fetched.
pub(crate) fn unfilled(series: &Series, range: &Range<Timestamp>, reason: &str) -> LogEvent {
    let message = format!("rows from {} to {} could not be fetched: {reason}", range.start, range.end);
    LogEvent::new(Level::Warn, COMPONENT, "SOURCE_BACKFILL_FAILED", message)
        .with_series(series)
        .with("from", range.start)
        .with("to", range.end)
        .with("reason", reason.to_owned())
}

fn timed(event: LogEvent, at: Option<Timestamp>) -> LogEvent {
    match at {
        Some(at) => event.with_sim_time(at),
        None => event,
    }
}
