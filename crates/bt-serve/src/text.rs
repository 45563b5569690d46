//! Messages and rows, as Binance writes them.

use std::fmt::Write;

use bt_core::{Candle, Timestamp};
use serde_json::{Value, json};

use crate::listing::{Listed, NANOS};
use crate::query::BadRequest;

/// A kline of a series, as it stands at `at` (milliseconds): final, or still open.
///
/// Decimals are the shortest that read back as the same number, without exponents.
pub(crate) fn kline(listed: &Listed, candle: &Candle, at: i64, closed: bool) -> String {
    let Candle { open, high, low, close, volume, trades, .. } = candle;
    let (start, end) = span(listed, candle.start);
    let (stream, symbol) = (quoted(&listed.stream), quoted(&listed.symbol));
    let interval = &listed.interval;
    let mut text = String::with_capacity(320);
    // Writing to a string does not fail.
    let _ = write!(
        text,
        r#"{{"stream":{stream},"data":{{"e":"kline","E":{at},"s":{symbol},"k":{{"t":{start},"T":{},"s":{symbol},"i":"{interval}","f":0,"L":0,"o":"{open}","c":"{close}","h":"{high}","l":"{low}","v":"{volume}","n":"#,
        end - 1,
    );
    let _ = match trades.get() {
        Some(trades) => write!(text, "{trades}"),
        None => write!(text, "null"),
    };
    let _ = write!(text, r#","x":{closed},"q":"0","V":"0","Q":"0","B":"0"}}}}}}"#);
    text
}

/// A candle of a series, as a row of an answer.
pub(crate) fn row(listed: &Listed, candle: &Candle) -> String {
    let Candle { open, high, low, close, volume, trades, .. } = candle;
    let (start, end) = span(listed, candle.start);
    let trades = trades.get().map_or("null".to_owned(), |trades| trades.to_string());
    format!(
        r#"[{start},"{open}","{high}","{low}","{close}","{volume}",{},"0",{trades},"0","0","0"]"#,
        end - 1
    )
}

/// Why a request is refused.
pub(crate) fn refusal(refused: &BadRequest) -> String {
    json!({ "code": refused.code, "msg": refused.message }).to_string()
}

/// The answer to a request over a WebSocket: what came of it, or why nothing did.
pub(crate) fn answer(id: &Value, result: Result<Value, String>) -> String {
    match result {
        Ok(result) => json!({ "result": result, "id": id }),
        Err(why) => json!({ "error": { "code": 2, "msg": format!("Invalid request: {why}") }, "id": id }),
    }
    .to_string()
}

/// First instant and first instant after, in milliseconds.
fn span(listed: &Listed, start: Timestamp) -> (i64, i64) {
    let start = start.as_nanos() / NANOS;
    (start, start + listed.timeframe().as_nanos() / NANOS)
}

fn quoted(text: &str) -> Value {
    Value::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Listing;
    use bt_core::Trades;
    use proptest::prelude::*;

    fn listing(symbol: &str) -> Listing {
        Listing::new([format!("binance.spot:{symbol}@1m").parse().unwrap()]).unwrap()
    }

    fn candle(open: f64, trades: Trades) -> Candle {
        Candle {
            start: Timestamp::from_millis(1_672_515_780_000).unwrap(),
            open,
            high: 1e21,
            low: 1e-7,
            close: 0.1,
            volume: 5.0,
            trades,
            partial: false,
        }
    }

    #[test]
    fn a_kline_is_written_as_the_venue_does() {
        let listing = listing("BTCUSDT");
        let text = kline(listing.at(0), &candle(1.5, Trades::from(7)), 1_672_515_840_001, true);
        assert_eq!(
            text,
            r#"{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1672515840001,"s":"BTCUSDT","k":{"t":1672515780000,"T":1672515839999,"s":"BTCUSDT","i":"1m","f":0,"L":0,"o":"1.5","c":"0.1","h":"1000000000000000000000","l":"0.0000001","v":"5","n":7,"x":true,"q":"0","V":"0","Q":"0","B":"0"}}}"#
        );
        let open = kline(listing.at(0), &candle(1.5, Trades::UNKNOWN), 1_672_515_840_001, false);
        assert!(open.contains(r#""n":null,"x":false"#), "{open}");
    }

    #[test]
    fn a_row_has_twelve_columns() {
        let listing = listing("BTCUSDT");
        assert_eq!(
            row(listing.at(0), &candle(1.5, Trades::from(7))),
            r#"[1672515780000,"1.5","1000000000000000000000","0.0000001","0.1","5",1672515839999,"0",7,"0","0","0"]"#
        );
        assert!(row(listing.at(0), &candle(1.5, Trades::UNKNOWN)).contains(r#","0",null,"#));
    }

    #[test]
    fn requests_are_answered_by_their_id() {
        assert_eq!(answer(&json!(1), Ok(Value::Null)), r#"{"id":1,"result":null}"#);
        let refused = answer(&json!("a"), Err("no \"x\"".into()));
        assert_eq!(refused, r#"{"error":{"code":2,"msg":"Invalid request: no \"x\""},"id":"a"}"#);
    }

    proptest! {
        #[test]
        fn decimals_read_back_and_names_are_quoted(
            open in any::<f64>().prop_filter("finite", |v| v.is_finite()),
            symbol in "[A-Z\"{}:,]{1,10}",
        ) {
            let listing = listing(&symbol);
            let text = kline(listing.at(0), &candle(open, Trades::ZERO), 0, false);
            let read: Value = serde_json::from_str(&text).unwrap();
            let decimal = read["data"]["k"]["o"].as_str().unwrap();
            prop_assert!(!decimal.contains(['e', 'E']));
            prop_assert_eq!(decimal.parse::<f64>().unwrap().to_bits(), open.to_bits());
            prop_assert_eq!(read["data"]["s"].as_str().unwrap(), symbol);
        }
    }
}
