//! Live sources against a venue that is made with another library, with certificates of an authority of its own.
//!
//! `serve.py` is that venue, run by the interpreter that `BT_PYTHON` names. Without it there is nobody to talk to, which
//! is said on stderr; `.ci/run` makes an interpreter with what it needs.

#![cfg(feature = "live")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::{collections::BTreeMap, env};

use bt_core::{Candle, CandleSourceExt, Series, SourceError, Timestamp, Trades};
use bt_data_source::{Backfill, Live, LiveConfig, RestBackfill, RestConfig};
use futures::TryStreamExt;
use futures::future::try_join_all;
use tempfile::TempDir;

/// The venue's process, and where it listens.
struct Venue {
    child: Child,
    ports: BTreeMap<String, u16>,
    dir: TempDir,
}

impl Drop for Venue {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A venue, if there is an interpreter for it.
fn venue() -> Option<Venue> {
    let Some(python) = env::var_os("BT_PYTHON") else {
        // Past the harness, which keeps what tests print to itself.
        let line = "skipped: a venue by `websockets`, for BT_PYTHON names no interpreter";
        let mut stderr = io::stderr();
        writeln!(stderr, "{line}").unwrap();
        return None;
    };
    let dir = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/venues/serve.py");
    let mut command = Command::new(python);
    command.arg(script).arg(dir.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ports = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
    Some(Venue { child, ports, dir })
}

impl Venue {
    fn authority(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    fn address(&self, name: &str, secure: bool, scheme: &str) -> String {
        format!("{scheme}{}://127.0.0.1:{}", if secure { "s" } else { "" }, self.ports[name])
    }
}

const SYMBOLS: [&str; 2] = ["BTCUSDT", "SOLUSDC"];

fn series(symbol: &str) -> Series {
    format!("binance.spot:{symbol}@1m").parse().unwrap()
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_secs(60 * minute).unwrap()
}

/// The candle of a minute, made of the same texts as the venue's.
fn candle(symbol: &str, minute: i64) -> Candle {
    let price = format!("{}.{minute:03}12345678901234567", symbol.len());
    Candle {
        start: at(minute),
        open: price.parse().unwrap(),
        high: format!("{price}9").parse().unwrap(),
        low: 0.000001,
        close: price.parse().unwrap(),
        volume: minute as f64 + 0.5,
        trades: Trades::from(minute as u32),
        partial: false,
    }
}

/// All candles of an hour, of each series.
async fn hour(url: &str, rest: &str, authority: Option<&Path>) -> Result<Vec<Vec<Candle>>, SourceError> {
    let config = LiveConfig::default().with_backoff(std::time::Duration::from_millis(1)).with_seed(Some(3));
    let mut builder = Live::builder(url, SYMBOLS.map(series)).config(config);
    if let Some(path) = authority {
        builder = builder.tls_ca(path);
    }
    let mut live = builder.build().unwrap();
    let archive: Arc<dyn Backfill> =
        Arc::new(RestBackfill::new(rest, authority, RestConfig::default()).unwrap());
    let sources = SYMBOLS.map(|symbol| {
        let source = live.source(&series(symbol), at(0)).unwrap().until(at(60));
        source.backfill(Arc::clone(&archive)).build().unwrap()
    });
    try_join_all(sources.map(|source| source.candles().try_collect::<Vec<_>>())).await
}

#[tokio::test]
async fn an_hour_comes_whole_from_a_venue_of_another_library() {
    let Some(venue) = venue() else { return };
    for (name, secure) in [("plain", false), ("tls", true)] {
        let (url, rest) = (venue.address(name, secure, "ws"), venue.address(name, secure, "http"));
        let authority = venue.authority();
        let hours = hour(&url, &rest, secure.then_some(&*authority)).await.unwrap();
        for (symbol, hour) in SYMBOLS.iter().zip(hours) {
            let expected: Vec<_> = (0..60).map(|minute| candle(symbol, minute)).collect();
            assert_eq!(hour, expected, "{symbol}, {name}");
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_an_error() {
    let Some(venue) = venue() else { return };
    let authority = venue.authority();
    for (name, authority, expected) in [
        ("tls", None, "UnknownIssuer"),
        ("foreign", Some(&*authority), "not valid for"),
        ("expired", Some(&*authority), "expired"),
    ] {
        let (url, rest) = (venue.address(name, true, "ws"), venue.address(name, true, "http"));
        let error = bt_core::error_chain(&hour(&url, &rest, authority).await.unwrap_err());
        assert!(error.contains(expected) && error.contains("binance.spot:"), "{error}");

        let archive = RestBackfill::new(&rest, authority, RestConfig::default()).unwrap();
        let error = archive.fetch(&series("BTCUSDT"), at(0)..at(9), 9).await.unwrap_err();
        let error = bt_core::error_chain(&error);
        assert!(error.contains(expected) && error.contains(&rest), "{error}");
    }
}
