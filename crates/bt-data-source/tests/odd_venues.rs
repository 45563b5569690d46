//! Live sources against venues that say what no venue should.

#![cfg(feature = "live")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod venue;

use std::time::Duration;

use bt_data_source::Live;

use venue::{at, closed, config, minutes, series, venue};

#[tokio::test]
async fn limits_that_never_come_are_limits() {
    let never = Duration::MAX;
    let config = config()
        .with_handshake_limit(never)
        .with_idle_limit(never)
        .with_stale_after(never)
        .with_ping_every(never)
        .with_reconnect_every(never);
    let url = venue(vec![closed("BTCUSDT", 0..3)]).await;
    let mut live = Live::builder(url, [series("BTCUSDT")]).config(config).build().unwrap();
    let source = live.source(&series("BTCUSDT"), at(0)).unwrap().until(at(3)).build().unwrap();
    let all = tokio::time::timeout(Duration::from_secs(5), minutes(source)).await;
    assert_eq!(all.unwrap(), [0, 1, 2]);
}
