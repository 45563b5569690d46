//! Who listens, and what is sent to them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bt_core::Candle;
use tokio::sync::Notify;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// What happens at one instant.
#[derive(Debug, PartialEq)]
pub(crate) struct Beat {
    /// The present, in milliseconds.
    pub(crate) at: i64,
    /// Candles that close, with the numbers of their series.
    pub(crate) closed: Vec<(usize, Candle)>,
    /// Whether all open klines are to be told of.
    pub(crate) open: bool,
}

/// Connections that have subscribed to something.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    seats: Mutex<Vec<(u64, Sender<Arc<Beat>>)>>,
    /// Somebody has come.
    came: Notify,
}

/// A place in the roster, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    roster: Arc<Roster>,
    number: u64,
    pub(crate) beats: Receiver<Arc<Beat>>,
}

impl Roster {
    /// A seat for the connection of this number, for which so many beats may wait.
    pub(crate) fn join(self: &Arc<Self>, number: u64, room: usize) -> Seat {
        let (sender, beats) = channel(room);
        self.seats().push((number, sender));
        self.came.notify_one();
        Seat { roster: Arc::clone(self), number, beats }
    }

    /// Waits until there are so many. One task may wait at a time.
    pub(crate) async fn wait_for(&self, many: usize) {
        while self.seats().len() < many {
            self.came.notified().await;
        }
    }

    /// Sends to everybody, and waits for those who have no room.
    pub(crate) async fn send(&self, beat: Beat) {
        let beat = Arc::new(beat);
        let seats = self.seats().clone();
        for (_, seat) in seats {
            // Whoever has left meanwhile misses nothing.
            let _ = seat.send(Arc::clone(&beat)).await;
        }
    }

    /// Sends to everybody who has room. The others lose their seats; returns how many they are.
    pub(crate) fn try_send(&self, beat: Beat) -> u64 {
        let beat = Arc::new(beat);
        let mut lost = 0;
        self.seats().retain(|(_, seat)| match seat.try_send(Arc::clone(&beat)) {
            Ok(()) | Err(TrySendError::Closed(_)) => true,
            Err(TrySendError::Full(_)) => {
                lost += 1;
                false
            }
        });
        lost
    }

    fn seats(&self) -> MutexGuard<'_, Vec<(u64, Sender<Arc<Beat>>)>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.roster.seats().retain(|(number, _)| *number != self.number);
    }
}
