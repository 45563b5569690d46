//! Pins which kit may move between threads and between tasks.

use bt_testkit::source_contract::SourceContract;
use bt_testkit::{Chop, Gate, Jitter, Recorder, RecordingSink, ScriptedSource, Step};

fn send<T: Send>() {}
fn sync<T: Sync>() {}
fn unpin<T: Unpin>() {}

#[test]
fn auto_traits() {
    send::<ScriptedSource>();
    unpin::<ScriptedSource>();
    send::<Jitter<ScriptedSource>>();
    unpin::<Jitter<ScriptedSource>>();
    send::<RecordingSink>();
    unpin::<RecordingSink>();
    send::<Recorder>();
    sync::<Recorder>();
    send::<Gate>();
    sync::<Gate>();
    send::<Step>();
    sync::<Chop>();
    unpin::<SourceContract>();
}
