//! What the public types promise about threads and pinning.

use bt_core::BoxSource;
use bt_resample::{PartialPolicy, Resample};

fn is<T: Send + Unpin>() {}

#[test]
fn streams_can_move_between_threads() {
    is::<Resample<BoxSource>>();
    is::<PartialPolicy>();
}
