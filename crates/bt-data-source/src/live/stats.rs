//! What is counted of connections.

use std::fmt;

use bt_core::Timestamp;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// Tries for the first time.
    #[default]
    Connecting,
    /// Has had a message, and the last one is not long ago.
    Live,
    /// Was cut off, and tries again.
    Reconnecting,
    /// Has been silent, or away, for so long that its series follow the time of others.
    Stale,
    /// Was refused, and tries no more.
    Ended,
}

impl ConnectionState {
    /// Lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            ConnectionState::Connecting => "connecting",
            ConnectionState::Live => "live",
            ConnectionState::Reconnecting => "reconnecting",
            ConnectionState::Stale => "stale",
            ConnectionState::Ended => "ended",
        }
    }
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The counters of one connection. All counts are of messages unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionStats {
    /// Where it stands.
    pub state: ConnectionState,
    /// Times that it became live.
    pub connects: u64,
    /// All that arrived.
    pub messages: u64,
    /// Those that made no sense, or were too long.
    pub malformed: u64,
    /// Those of series, or of kinds, that nobody asked for.
    pub foreign: u64,
    /// Candles that a full queue lost.
    pub dropped: u64,
    /// The latest instant that the venue put on a message, or the end of the kline in it if that is earlier.
    pub event_time: Option<Timestamp>,
}
