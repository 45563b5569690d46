//! What was dropped, said in the log.

use super::{Announcer, Core, Stamp};
use crate::after::After;
use crate::draft::Draft;

impl<E> Core<E> {
    /// Announces what was lost, or, while the log has no room, stands in its line.
    pub(super) fn announce(&mut self, after: &mut After<E>) {
        let Some(Announcer { log, .. }) = self.announcer else { return };
        if self.losses.arrival.is_none() {
            self.losses.arrival = Some(self.waiters.arrive());
        }
        // Those who were in line before go first.
        while !self.losses.is_empty() && self.topics[log].line.is_empty() && self.room_or_want(log) > 0 {
            self.announce_one(after);
        }
    }

    /// Announces one loss, room or not.
    pub(super) fn announce_one(&mut self, after: &mut After<E>) {
        let Some(Announcer { log, payload }) = self.announcer else { return };
        let Some(loss) = self.losses.next() else { return };
        if self.losses.is_empty() {
            self.losses.arrival = None;
        }
        let event = loss.event(self.topics[loss.topic].name);
        let draft = Draft::new(self.topics[log].name, self.latest, payload(event));
        self.losses.announcing = true;
        self.publish(log, draft, Stamp::Latest, after);
        self.losses.announcing = false;
    }

    /// When the losses that wait in the line of the log came there, and that topic.
    pub(super) fn losses_in_line(&self) -> Option<(u64, usize)> {
        Some((self.losses.arrival?, self.announcer.as_ref()?.log))
    }
}
