//! What belongs to the record of a run.

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;

use futures_sink::Sink;

use crate::{LogError, Series, Timestamp};

/// How serious a log event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// For finding faults.
    Debug,
    /// The normal course.
    Info,
    /// Data or timing that is not as it should be; the run goes on.
    Warn,
    /// Something failed.
    Error,
}

impl Level {
    /// All levels, least serious first.
    pub const ALL: [Level; 4] = [Level::Debug, Level::Info, Level::Warn, Level::Error];

    /// Lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Value of a field of a log event.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A whole number.
    Int(i64),
    /// A count.
    Count(u64),
    /// A number.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// An instant.
    Time(Timestamp),
}

macro_rules! value_from {
    ($($from:ty => $variant:ident),* $(,)?) => { $(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Value::$variant(value.into())
            }
        }
    )* };
}
value_from!(&'static str => Text, String => Text, Cow<'static, str> => Text, i64 => Int, u64 => Count,
    u32 => Count, f64 => Float, bool => Bool, Timestamp => Time);

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Value::Count(value as u64)
    }
}

/// One entry of a run's record: what a component says about a row, a file or a frame.
///
/// It holds nothing of the wall clock: two runs over the same input say the same (R35).
#[derive(Clone, Debug, PartialEq)]
pub struct LogEvent {
    /// How serious it is.
    pub level: Level,
    /// Who says it; a [`LogSink`] made for a component sets its name here.
    pub component: &'static str,
    /// What happened, in upper snake case, such as `SOURCE_GAP_DETECTED`.
    pub event: &'static str,
    /// The series it is about.
    pub series: Option<Series>,
    /// Start of the row or close of the frame it is about.
    pub sim_time: Option<Timestamp>,
    /// For people.
    pub message: Cow<'static, str>,
    /// For programs, in a fixed order.
    pub fields: Vec<(&'static str, Value)>,
}

impl LogEvent {
    /// An event without series, instant or fields.
    pub fn new(
        level: Level,
        component: &'static str,
        event: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        LogEvent {
            level,
            component,
            event,
            series: None,
            sim_time: None,
            message: message.into(),
            fields: Vec::new(),
        }
    }

    /// Says which series it is about.
    #[must_use]
    pub fn with_series(mut self, series: &Series) -> Self {
        self.series = Some(series.clone());
        self
    }

    /// Says which row (by its start) or frame (by its close) it is about.
    #[must_use]
    pub fn with_sim_time(mut self, t: Timestamp) -> Self {
        self.sim_time = Some(t);
        self
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((name, value.into()));
        self
    }
}

/// Where a component's logs go.
///
/// An event is **accepted** when `start_send` has returned after a ready `poll_ready`, and a following
/// `poll_flush` was ready; the component goes on only then (R29). On an in-process bus accepted means
/// enqueued for every log subscriber. Dropping a sink gives back what `poll_ready` had reserved.
pub trait LogSink: Sink<LogEvent, Error = LogError> + Send {}

impl<S: Sink<LogEvent, Error = LogError> + Send + ?Sized> LogSink for S {}

/// A [`LogSink`] of any kind.
pub type BoxLogSink = Pin<Box<dyn LogSink>>;
