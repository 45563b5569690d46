//! What the public types promise about threads and pinning.

use bt_feeder::{Align, BarFeed, BarFeedBuilder, Fill, OnSourceError};

fn is<T: Send + Unpin>() {}

#[test]
fn feeds_can_move_between_threads() {
    is::<BarFeed>();
    is::<BarFeedBuilder>();
    is::<(Align, Fill, OnSourceError)>();
}
