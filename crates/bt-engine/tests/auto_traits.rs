//! What the public types are, so that a change does not go unnoticed.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use static_assert::*;

mod static_assert {
    pub(crate) const fn send<T: Send>() {}
    pub(crate) const fn sync<T: Sync>() {}
    pub(crate) const fn unpin<T: Unpin>() {}
}

use bt_engine::*;
use support::{ScriptedFeed, TestBus};

/// Fails to compile if `$t` is `$not`: then both implementations apply.
macro_rules! assert_not {
    ($t:ty, $not:path) => {
        const _: fn() = || {
            trait Ambiguous<A> {
                fn check() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            struct Is;
            impl<T: ?Sized + $not> Ambiguous<Is> for T {}
            <$t as Ambiguous<_>>::check();
        };
    };
}

struct PinnedFeed(ScriptedFeed, std::marker::PhantomPinned);

type E = Engine<ScriptedFeed, TestBus>;

const _: () = {
    send::<E>();
    unpin::<E>();
    send::<EngineBuilder<ScriptedFeed, TestBus>>();
    send::<ServiceContext<TestBus>>();
    unpin::<ServiceContext<TestBus>>();
    send::<StopHandle>();
    sync::<StopHandle>();
    unpin::<StopHandle>();
    send::<RunError>();
    sync::<RunError>();
    send::<RunReport>();
    sync::<RunReport>();
    send::<Snapshot>();
    sync::<Snapshot>();
    send::<Step>();
    sync::<Step>();
    send::<TokioYield>();
    unpin::<TokioYield>();
};
// Services are futures, which need not be `Sync`.
assert_not!(E, Sync);
// An engine is `Unpin` exactly if its feed is.
assert_not!(Engine<PinnedFeed, TestBus>, Unpin);

#[test]
fn a_run_is_send_and_static() {
    fn check(_: impl Future<Output = Result<RunReport, RunError>> + Send + 'static) {}
    let bus = support::bus();
    check(support::builder(&bus, ScriptedFeed::new(&bus, [])).build().unwrap().run());
    let _ = |feed: PinnedFeed| (feed.0, feed.1);
}
