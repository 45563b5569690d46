//! Requests that are being answered.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// How many requests are being answered, and a place to wait for when there are none.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    served: AtomicUsize,
    empty: Notify,
}

/// A request that is being answered, until this is dropped.
#[derive(Debug)]
pub(crate) struct Served<'a>(&'a Counter);

impl Counter {
    pub(crate) fn serve(&self) -> Served<'_> {
        self.served.fetch_add(1, Ordering::Relaxed);
        Served(self)
    }

    /// Waits until nobody is served. One task may wait at a time.
    pub(crate) async fn empty(&self) {
        while self.served.load(Ordering::Relaxed) > 0 {
            self.empty.notified().await;
        }
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        self.0.served.fetch_sub(1, Ordering::Relaxed);
        self.0.empty.notify_one();
    }
}
