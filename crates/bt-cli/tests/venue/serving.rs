//! `bt serve`, from its options to its end.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::support::{Venue, bt, data, fails, on, serve};

const RANGE: [&str; 4] = ["--from", "2024-01-30", "--to", "2024-02-02"];
const SERIES: [&str; 2] = ["binance.spot:BTCUSDT@5m", "binance.spot:BTCUSDT@1m"];

/// Everything that `target` is answered with.
fn get(address: &str, target: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_serves_until_a_signal_comes_and_says_what_it_did() {
    for (signal, summary) in [("TERM", true), ("INT", true), ("INT", false)] {
        let mut command = serve(&SERIES, &RANGE);
        command.args(["--speed", "max", "--clients", "3", "--faults", "7"]);
        if !summary {
            command.arg("-q");
        }
        let venue = Venue::start(command);
        assert!(TcpStream::connect(&venue.address).is_ok());
        let expected =
            "0 messages, 0 of them candles; connections: 0, cut for taking too little: 0; requests: 0\n";
        assert_eq!(venue.end(signal), if summary { expected } else { "" });
    }
}

#[test]
fn requests_are_answered_by_its_own_time_at_one_timeframe() {
    let venue = Venue::start(serve(&SERIES, &RANGE));
    let answer = get(&venue.address, "/api/v3/time");
    let from = 1_706_572_800_000_u64;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with(&format!(r#"{{"serverTime":{from}}}"#))
    );
    // Time has not begun: nothing is past.
    assert!(get(&venue.address, "/api/v3/klines?symbol=BTCUSDT&interval=1m").ends_with("\r\n\r\n[]"));
    assert!(get(&venue.address, "/api/v3/klines?symbol=BTCUSDT&interval=5m").contains("Invalid interval"));
    assert!(get(&venue.address, "/api/v3/klines?symbol=ETHUSDT&interval=1m").contains("Invalid symbol"));
    assert!(venue.end("TERM").ends_with("; requests: 4\n"));
}

#[test]
fn options_that_cannot_be_are_told_before_anybody_listens() {
    for (options, expected) in [
        (&["--speed", "60"][..], "expected a multiple of real time of 1000000x at most, such as 60x, or max"),
        (&["--speed", "0x"], "'--speed <X>'"),
        (&["--listen", "nowhere"], "expected an IP address and a port, such as 127.0.0.1:9443"),
        (&["--clients", "0"], "expected a whole number from 1 to 10000"),
        (&["--faults", "often"], "'--faults <SEED>': expected a whole number"),
        (&["--to", "2024-01-30"], "is empty, expected `from` before `to`"),
        (&["--to", "2024-01-31T00:00:00.0000001Z"], "cannot serve binance.spot:BTCUSDT@1m from ["),
        (&["--series", "binance.spot:BTCUSDT@90s"], "expected a whole multiple of 1m"),
        (&["--config", "/nowhere/serve.toml"], "/nowhere/serve.toml"),
    ] {
        fails(serve(&SERIES, &RANGE).args(options), 2, expected);
    }
    for missing in ["data", "series", "from", "to"] {
        fails(bt().arg("serve"), 2, &format!("no --{missing} given"));
    }
}

#[test]
fn a_configuration_is_read_and_held_to_the_same_rules() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("serve.toml");
    std::fs::write(&config, "speed = \"fast\"\nclient = 3\n").unwrap();
    let mut command = serve(&SERIES, &RANGE);
    fails(command.arg("--config").arg(&config), 2, "serve.toml:1:9: key `speed`: invalid value `fast`");
    fails(&mut command, 2, "serve.toml:2:1: key `client`: no option has this name");
    // Keys of `bt live` are passed over.
    let text = format!(
        "data = \"{}\"\nseries = [\"binance.spot:BTCUSDT@1m\"]\nfrom = \"2024-01-30\"\nto = \"2024-01-31\"\n\
         speed = \"max\"\nclients = 2\nfaults = 3\ngrace = \"3s\"\n",
        data().display()
    );
    std::fs::write(&config, text).unwrap();
    let mut command = bt();
    command.arg("serve").arg("--config").arg(&config);
    assert!(Venue::start(command).end("TERM").starts_with("0 messages"));
}

#[test]
fn what_is_not_there_is_told_before_anybody_listens() {
    for (options, expected) in [
        (&["--to", "2024-04-01"][..], "no file of binance.spot:BTCUSDT@1m for 2024-03"),
        (&["--series", "binance.spot:XYZ@1m"], "no candles of binance.spot:XYZ@1m"),
        (&["--source-timeframe", "5m"], "no candles of binance.spot:BTCUSDT@5m"),
    ] {
        fails(serve(&SERIES[..1], &RANGE).args(options), 1, expected);
    }
    let mut command = on("serve", &SERIES, &RANGE);
    fails(command.args(["--data", "/nowhere"]), 1, "cannot read /nowhere");
    // What all series take together counts.
    let many = ["binance.spot:BTCUSDT@1m", "binance.spot:ETHUSDT@1m", "binance.spot:SOLUSDT@1m"];
    fails(&mut serve(&many, &[&RANGE[..], &["--memory", "9MiB"]].concat()), 2, "is too small");
}

#[test]
fn an_address_that_cannot_be_had_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    fails(serve(&SERIES, &RANGE).args(["--listen", &address]), 1, &format!("cannot listen on {address}: "));
    drop(taken);
    let mut command = serve(&SERIES, &RANGE);
    command.args(["--listen", &address]);
    let venue = Venue::start(command);
    assert_eq!(venue.address, address);
    venue.end("INT");
}
