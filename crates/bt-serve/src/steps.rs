//! Limits on waiting that hold under paused time too.
//!
//! A paused clock goes to the next timer whenever its runtime waits for a socket, although what is waited for arrives in
//! no time. Steps that are short make such leaps short, so no limit is reached by one of them.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

/// No leap of a paused clock is longer while a venue is there.
pub(crate) const STEP: Duration = Duration::from_millis(20);

/// What `future` is ready with, or none if it takes longer than `limit`.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = limit;
    while !left.is_zero() {
        let step = left.min(STEP);
        if let Ok(output) = timeout(step, future.as_mut()).await {
            return Some(output);
        }
        left -= step;
    }
    None
}
