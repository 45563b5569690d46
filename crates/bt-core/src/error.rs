//! The errors that cross the borders between crates.
//!
//! Messages are lower-case fragments that fit after "failed to …:"; each names the offending value and what
//! was expected. Causes are `source()`s and are not repeated in the message.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::{Series, Timeframe, Timestamp};

/// Any error, for implementations of the traits that this crate does not know.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An instant, range or timeframe that cannot be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeError {
    /// A number of units that nanoseconds in 64 bits cannot hold.
    #[error("instant {value} {unit} is out of range, expected 1677-09-21 to 2262-04-11")]
    OutOfRange {
        /// The number.
        value: i64,
        /// Its unit.
        unit: &'static str,
    },
    /// A text that is no instant.
    #[error("invalid instant `{text}`, expected RFC 3339 or a date, from 1677-09-21 to 2262-04-11")]
    Invalid {
        /// The text.
        text: String,
    },
    /// A text that is no timeframe.
    #[error("invalid timeframe `{text}`, expected {expected}")]
    Timeframe {
        /// The text.
        text: String,
        /// What would have been right.
        expected: &'static str,
    },
    /// A range that holds no instant (R2).
    #[error("range from {from} to {to} is empty, expected `from` before `to`")]
    EmptyRange {
        /// Its start.
        from: Timestamp,
        /// Its end.
        to: Timestamp,
    },
}

/// A name that cannot be (R18).
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// A part of an instrument's name.
    #[error("invalid {role} `{}`, expected {expected}", .text.escape_debug())]
    Part {
        /// Which part.
        role: &'static str,
        /// The text.
        text: String,
        /// What would have been right.
        expected: &'static str,
    },
    /// A text that is no instrument.
    #[error("invalid instrument `{}`, expected EXCHANGE.MARKET:SYMBOL such as binance.spot:BTCUSDT", .text.escape_debug())]
    Instrument {
        /// The text.
        text: String,
    },
    /// A text that is no series.
    #[error("invalid series `{}`, expected INSTRUMENT@TIMEFRAME such as binance.spot:BTCUSDT@5m", .text.escape_debug())]
    Series {
        /// The text.
        text: String,
    },
    /// A series whose timeframe is none.
    #[error("invalid series `{}`", .text.escape_debug())]
    Timeframe {
        /// The text of the series.
        text: String,
        /// What is wrong with its timeframe.
        #[source]
        source: TimeError,
    },
}

/// A configuration that cannot work, found before any work.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// An invalid instant, range or timeframe.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// An invalid name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A target timeframe that is no multiple of the input's (R12).
    #[error("cannot resample {input} to {target}, expected a whole multiple of {}", .input.timeframe())]
    NotAMultiple {
        /// The input.
        input: Series,
        /// The target.
        target: Timeframe,
    },
    /// The same series twice (R18).
    #[error("series {series} is subscribed twice, expected each series once")]
    DuplicateSeries {
        /// The series.
        series: Series,
    },
    /// A feed, engine or bus without something it needs.
    #[error("no {what} given, expected at least one")]
    Missing {
        /// What is missing.
        what: &'static str,
    },
    /// A byte budget below the least that will do (R37).
    #[error("memory budget of {budget} bytes is too small, expected at least {floor} bytes for these files")]
    Budget {
        /// What was given.
        budget: u64,
        /// The least that will do.
        floor: u64,
    },
    /// A value out of its range.
    #[error("invalid {option} `{value}`, expected {expected}")]
    Invalid {
        /// Which setting.
        option: &'static str,
        /// Its value.
        value: String,
        /// What would have been right.
        expected: &'static str,
    },
    /// Anything else, from code that this crate does not know.
    #[error(transparent)]
    Other(BoxError),
}

/// What ends a source (R11). After it the stream stays ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Nothing is stored of this series.
    #[error("no candles of {series} under {}, expected a directory", .path.display())]
    NoSuchSeries {
        /// The series.
        series: Series,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file of a month is not there (R5).
    #[error("no file of {series} for {month}, expected {}", .path.display())]
    MissingPartition {
        /// The series.
        series: Series,
        /// The month, `2024-03`.
        month: String,
        /// The file that was expected.
        path: PathBuf,
    },
    /// Two files for one month (R5).
    #[error("two files of {series} for one month, {} and {}, expected one of them", .first.display(), .second.display())]
    AmbiguousPartition {
        /// The series.
        series: Series,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// The operating system's answer to reading a file or directory.
    #[error("cannot read {}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A file whose bytes do not make sense.
    #[error("{} is corrupt{}: {reason}", .path.display(), place(.row_group, .column))]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The row group, from 0, where known.
        row_group: Option<usize>,
        /// The column, where known.
        column: Option<String>,
        /// What is wrong.
        reason: String,
    },
    /// A sound file that does not hold what was asked for: a column missing, of another type or encoding.
    #[error("{} cannot be used{}: {reason}", .path.display(), place(.row_group, .column))]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The row group, from 0, where known.
        row_group: Option<usize>,
        /// The column, where known.
        column: Option<String>,
        /// What was found and what was expected.
        reason: String,
    },
    /// A bad row, in strict mode (R7).
    #[error("bad row of {series} {place}: {reason}")]
    Row {
        /// The series.
        series: Series,
        /// Where the row stands, as far as known.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Candles that go back in time, or behind a watermark (R25).
    #[error(
        "candles of {series} went back in time: {later} was reported as ended, then came one that closes at {earlier}"
    )]
    OutOfOrder {
        /// The series.
        series: Series,
        /// The instant up to which all had been delivered.
        later: Timestamp,
        /// Close instant of the candle that came after.
        earlier: Timestamp,
    },
    /// A candle that cannot be one of its series: off its grid, at or after its end, or beyond representable time.
    #[error("candle of {series} at {start} cannot be: {reason}")]
    Misplaced {
        /// The series.
        series: Series,
        /// Its start.
        start: Timestamp,
        /// Why not.
        reason: &'static str,
    },
    /// A configuration that turned out wrong when work began.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A log that was not accepted.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Anything else, from a source that this crate does not know.
    #[error(transparent)]
    Other(BoxError),
}

fn place(row_group: &Option<usize>, column: &Option<String>) -> String {
    let group = row_group.map(|g| format!(" in row group {g}")).unwrap_or_default();
    let column = column.as_ref().map(|c| format!(" in column `{c}`")).unwrap_or_default();
    group + &column
}

/// What ends a feed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FeedError {
    /// A source failed (R25 `fail`).
    #[error("source of {series} failed")]
    Source {
        /// Its series.
        series: Series,
        /// Its error.
        #[source]
        source: SourceError,
    },
    /// A log that was not accepted.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Anything else, from a feed that this crate does not know.
    #[error(transparent)]
    Other(BoxError),
}

/// A log that was not accepted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LogError {
    /// The bus refuses it (R31).
    #[error("log was not accepted")]
    Refused(#[source] BusError),
    /// Anything else, from a sink that this crate does not know.
    #[error("log was not accepted")]
    Other(#[source] BoxError),
}

/// What a bus answers when it cannot do as asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BusError {
    /// Publishing to a bus that is closing or closed (R31).
    #[error("bus is closed, cannot publish to topic `{topic}`")]
    Closed {
        /// The topic.
        topic: String,
    },
    /// A topic that was not registered (R31).
    #[error("unknown topic `{topic}`, expected one of: {}", .known.join(", "))]
    UnknownTopic {
        /// The topic.
        topic: String,
        /// The topics that there are.
        known: Vec<String>,
    },
    /// A bus none of whose topics takes logs.
    #[error("bus has no topic for logs, expected one when it was built")]
    NoLog,
    /// A second subscription of one name.
    #[error("subscription `{name}` exists already, expected another name")]
    DuplicateSubscription {
        /// The name.
        name: String,
    },
    /// A publisher that waited for room longer than its subscription allows.
    #[error("subscription `{subscription}` left no room on topic `{topic}` for {limit:?}")]
    Blocked {
        /// The subscription that is full.
        subscription: String,
        /// The topic that was published to.
        topic: String,
        /// How long was waited.
        limit: Duration,
    },
    /// A barrier that outlasted its limit (R28).
    #[error("bus was not idle within {limit:?}, stuck: {}", .stuck.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Stuck {
        /// The limit.
        limit: Duration,
        /// Who did not keep up.
        stuck: Vec<StuckSubscription>,
    },
    /// Anything else, from a bus that this crate does not know.
    #[error(transparent)]
    Other(BoxError),
}

/// A subscription that holds up a barrier (R28), with the oldest envelope it has not acknowledged; or, with nothing
/// queued or unacknowledged, one whose room other publishers hold, with the envelope that comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckSubscription {
    /// Name of the subscription.
    pub subscription: String,
    /// Topic of the envelope.
    pub topic: String,
    /// Sequence number of the envelope.
    pub seq: u64,
    /// Envelopes still queued.
    pub queued: usize,
    /// Deliveries taken and not acknowledged.
    pub unacknowledged: usize,
    /// Publishers that wait for room in its queue. If it waits for one of them in turn, that is a cycle: a
    /// consumer that publishes into a queue which only it empties.
    pub waiting: usize,
}

impl std::fmt::Display for StuckSubscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let StuckSubscription { subscription, topic, seq, queued, unacknowledged, waiting } = self;
        write!(
            f,
            "subscription `{subscription}` on topic `{topic}` at sequence number {seq} \
             ({queued} queued, {unacknowledged} unacknowledged"
        )?;
        match waiting {
            0 => f.write_str(")"),
            1 => f.write_str(", 1 publisher waits for room in its queue)"),
            _ => write!(f, ", {waiting} publishers wait for room in its queue)"),
        }
    }
}

/// An error and its causes on one line, each said once: for messages to people and for log events.
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // A transparent error speaks for its cause.
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_says_each_cause_once() {
        let io = std::io::Error::other("the disk is gone");
        let source = SourceError::Io { path: "a/b".into(), source: io };
        let series: Series = "a.b:C@1m".parse().unwrap();
        let feed = FeedError::Source { series, source };
        assert_eq!(error_chain(&feed), "source of a.b:C@1m failed: cannot read a/b: the disk is gone");
        let transparent = ConfigError::Time(TimeError::Invalid { text: "x".into() });
        assert_eq!(error_chain(&transparent), transparent.to_string());
    }
}
