//! What a venue counts.

use std::sync::{Mutex, PoisonError};

use crate::faults::FaultKind;

/// What a venue has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServeStats {
    /// WebSockets that were made.
    pub connections: u64,
    /// Clients that were cut because they took too little for too long.
    pub cut_off: u64,
    /// Messages that were sent over WebSockets, whole or not.
    pub messages: u64,
    /// Closed klines among them that were sent as they should be, each once for every connection.
    pub candles: u64,
    /// REST requests that were answered.
    pub requests: u64,
    /// Those among them that were over the limit of requests.
    pub over_limit: u64,
    faults: [u64; FaultKind::ALL.len()],
}

impl ServeStats {
    /// How often a fault of this kind happened.
    pub fn fault(&self, kind: FaultKind) -> u64 {
        self.faults[kind as usize]
    }

    /// All kinds of faults, and how often each happened.
    pub fn faults(&self) -> impl Iterator<Item = (FaultKind, u64)> + '_ {
        FaultKind::ALL.iter().map(|kind| (*kind, self.fault(*kind)))
    }
}

/// Counters that are shared by tasks.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<ServeStats>);

impl Tally {
    pub(crate) fn count(&self, what: impl FnOnce(&mut ServeStats)) {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn fault(&self, kind: FaultKind) {
        self.count(|stats| stats.faults[kind as usize] += 1);
    }

    pub(crate) fn snapshot(&self) -> ServeStats {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
