//! What was dropped and is to be announced.

use std::collections::VecDeque;
use std::sync::Arc;

use bt_core::{Level, LogEvent, TopicName};

/// Envelopes of one topic that one subscription lost.
pub(crate) struct Loss {
    pub(crate) subscription: Arc<str>,
    pub(crate) topic: usize,
    /// Number of the first.
    pub(crate) first: u64,
    /// Number of the last.
    pub(crate) last: u64,
    pub(crate) count: u64,
}

impl Loss {
    /// What the log says of it (R27).
    pub(crate) fn event(&self, topic: TopicName) -> LogEvent {
        LogEvent::new(Level::Warn, "bus", "BUS_DROPPED", "a full queue dropped envelopes by its policy")
            .with("subscription", self.subscription.to_string())
            .with("topic", topic.as_str())
            .with("first_seq", self.first)
            .with("last_seq", self.last)
            .with("dropped", self.count)
    }
}

/// Losses that are not announced yet, in order.
///
/// While the log has no room they wait in its line like any logger. What one subscription loses of one topic
/// meanwhile is told together, so there are never more of them than of such pairs.
#[derive(Default)]
pub(crate) struct Losses {
    pending: VecDeque<Loss>,
    /// When they came into the line of the log.
    pub(crate) arrival: Option<u64>,
    /// Whether there is a log to be told.
    told: bool,
    /// Whether what is queued now tells of losses. What that loses is counted and not told: to tell of it would
    /// never end.
    pub(crate) announcing: bool,
}

impl Losses {
    /// No losses yet; `told` says whether there is a log to be told.
    pub(crate) fn new(told: bool) -> Self {
        Losses { told, ..Losses::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Notes a loss, unless there are no envelopes to it.
    pub(crate) fn note(&mut self, loss: Loss) {
        if !self.told || self.announcing || loss.count == 0 {
            return;
        }
        let same = |p: &&mut Loss| p.topic == loss.topic && Arc::ptr_eq(&p.subscription, &loss.subscription);
        match self.pending.iter_mut().find(same) {
            Some(known) => {
                known.last = loss.last;
                known.count += loss.count;
            }
            None => self.pending.push_back(loss),
        }
    }

    pub(crate) fn next(&mut self) -> Option<Loss> {
        self.pending.pop_front()
    }
}
