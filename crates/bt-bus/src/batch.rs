//! A batch on its way.

use std::vec::Drain;

use bt_core::Message;

/// Messages that are taken from the front of a caller's buffer, any number at a time, in linear time altogether.
///
/// If they are not all taken at once, the buffer is turned round, so that those behind need not move up again and
/// again. What was not taken is in order when this is dropped.
pub(crate) struct Batch<'a, E> {
    messages: &'a mut Vec<Message<E>>,
    reversed: bool,
}

impl<'a, E> Batch<'a, E> {
    pub(crate) fn new(messages: &'a mut Vec<Message<E>>) -> Self {
        Batch { messages, reversed: false }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// The next `count`, which is at most as many as there are.
    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Drain<'_, Message<E>> {
        let from = self.messages.len() - count;
        if from > 0 && !self.reversed {
            self.messages.reverse();
            self.reversed = true;
        }
        if self.reversed {
            self.messages[from..].reverse();
        }
        self.messages.drain(from..)
    }
}

impl<E> Drop for Batch<'_, E> {
    fn drop(&mut self) {
        if self.reversed {
            self.messages.reverse();
        }
    }
}
