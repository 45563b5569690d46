//! What was dropped and is to be announced.

use std::collections::VecDeque;
use std::sync::Arc;

use bt_core::{Level, LogEvent, TopicName};

/// Envelopes of one topic that one subscription lost, with consecutive numbers.
pub(crate) struct Loss {
    pub(crate) subscription: Arc<str>,
    pub(crate) topic: usize,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Loss {
    /// What the log says of it (R27).
    pub(crate) fn event(&self, topics: &[TopicName]) -> LogEvent {
        LogEvent::new(Level::Warn, "bus", "BUS_DROPPED", "a full queue dropped envelopes by its policy")
            .with("subscription", self.subscription.to_string())
            .with("topic", topics[self.topic].as_str())
            .with("first_seq", self.first)
            .with("last_seq", self.last)
            .with("dropped", self.last - self.first + 1)
    }
}

/// Losses that are not announced yet, in order.
///
/// While the log has no room they wait in its line like any logger. What is lost meanwhile joins the entry that
/// it continues, so that they stay few.
#[derive(Default)]
pub(crate) struct Losses {
    pending: VecDeque<Loss>,
    /// When they came into the line of the log.
    pub(crate) arrival: Option<u64>,
    /// Whether losses are passed over: nobody is told, or these are losses of announcements, and to announce
    /// those would never end.
    pub(crate) muted: bool,
}

impl Losses {
    /// No losses yet; `told` says whether anybody is told of them.
    pub(crate) fn new(told: bool) -> Self {
        Losses { muted: !told, ..Losses::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    pub(crate) fn note(&mut self, loss: Loss) {
        if self.muted {
            return;
        }
        let same = |p: &&mut Loss| p.topic == loss.topic && Arc::ptr_eq(&p.subscription, &loss.subscription);
        match self.pending.iter_mut().rev().find(same) {
            Some(before) if before.last + 1 == loss.first => before.last = loss.last,
            _ => self.pending.push_back(loss),
        }
    }

    pub(crate) fn next(&mut self) -> Option<Loss> {
        self.pending.pop_front()
    }
}
