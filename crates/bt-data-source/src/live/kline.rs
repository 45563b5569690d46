//! Messages of a venue, in Binance's public format.

use std::borrow::Cow;

use bt_core::{Candle, Timeframe, Timestamp, Trades};
use serde::Deserialize;
use thiserror::Error;

/// What a message says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message<'a> {
    /// A kline as it stands at an instant, `at`; final or still open.
    Kline {
        stream: Cow<'a, str>,
        at: Timestamp,
        symbol: Cow<'a, str>,
        interval: Timeframe,
        candle: Candle,
        closed: bool,
    },
    /// The answer to a request: done, or refused and why.
    Answer { id: Option<u64>, refused: Option<String> },
    /// An event of another kind.
    Other,
}

/// Why a message is none.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{reason}: {excerpt:?}")]
pub(crate) struct Malformed {
    reason: String,
    excerpt: String,
}

/// Characters of a malformed message that are shown.
const EXCERPT: usize = 80;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    stream: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<Data<'a>>,
    id: Option<u64>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: Option<i64>,
    msg: Option<String>,
}

#[derive(Deserialize)]
struct Data<'a> {
    e: Cow<'a, str>,
    #[serde(rename = "E")]
    at: Option<i64>,
    #[serde(borrow)]
    s: Option<Cow<'a, str>>,
    #[serde(borrow)]
    k: Option<Kline<'a>>,
}

/// All numbers but times and counts are decimal texts.
#[derive(Deserialize)]
struct Kline<'a> {
    t: i64,
    #[serde(borrow)]
    i: Cow<'a, str>,
    #[serde(borrow)]
    o: Cow<'a, str>,
    #[serde(borrow)]
    h: Cow<'a, str>,
    #[serde(borrow)]
    l: Cow<'a, str>,
    #[serde(borrow)]
    c: Cow<'a, str>,
    #[serde(borrow)]
    v: Cow<'a, str>,
    n: Option<i64>,
    x: bool,
}

/// What `text` says.
///
/// Decimal texts become the nearest `f64`.
pub(crate) fn parse(text: &str) -> Result<Message<'_>, Malformed> {
    let malformed = |reason: String| Malformed { reason, excerpt: text.chars().take(EXCERPT).collect() };
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
    let Some(data) = envelope.data else {
        let Envelope { id, error, .. } = envelope;
        if id.is_none() && error.is_none() {
            return Err(malformed("expected `data`, or the `id` of a request".to_owned()));
        }
        let refused = error.map(|Refusal { code, msg }| {
            format!("{} (code {})", msg.unwrap_or_default(), code.unwrap_or_default())
        });
        return Ok(Message::Answer { id, refused });
    };
    if data.e != "kline" {
        return Ok(Message::Other);
    }
    let at = data.at.map(Timestamp::from_millis).transpose();
    let at = at.map_err(|error| malformed(format!("`E`: {error}")))?;
    let missing = |name: &str| malformed(format!("a kline without `{name}`"));
    let Kline { t, i, o, h, l, c, v, n, x } = data.k.ok_or_else(|| missing("k"))?;
    Ok(Message::Kline {
        stream: envelope.stream.ok_or_else(|| missing("stream"))?,
        at: at.ok_or_else(|| missing("E"))?,
        symbol: data.s.ok_or_else(|| missing("s"))?,
        interval: i.parse().map_err(|error| malformed(format!("`i`: {error}")))?,
        candle: candle(t, [&o, &h, &l, &c, &v], n).map_err(malformed)?,
        closed: x,
    })
}

/// The candle of a kline that starts at `t`, in milliseconds; `ohlcv` are its decimal texts, `n` its trades.
///
/// # Errors
/// What is wrong with which field, in words.
pub(crate) fn candle(t: i64, ohlcv: [&str; 5], n: Option<i64>) -> Result<Candle, String> {
    let number = |name: &str, text: &str| {
        text.parse::<f64>().map_err(|_| format!("`{name}` is {text:?}, expected a decimal"))
    };
    let trades = match n {
        None => Trades::UNKNOWN,
        Some(n) => (u64::try_from(n).ok().and_then(Trades::new))
            .ok_or_else(|| format!("`n` is {n}, expected a count"))?,
    };
    let [open, high, low, close, volume] = ohlcv;
    Ok(Candle {
        start: Timestamp::from_millis(t).map_err(|error| format!("`t`: {error}"))?,
        open: number("o", open)?,
        high: number("h", high)?,
        low: number("l", low)?,
        close: number("c", close)?,
        volume: number("v", volume)?,
        trades,
        partial: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KLINE: &str = r#"{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1672515782136,"s":"BTCUSDT",
        "k":{"t":1672515780000,"T":1672515839999,"s":"BTCUSDT","i":"1m","f":100,"L":200,"o":"0.0010","c":"0.0020",
        "h":"0.0025","l":"0.0015","v":"1000","n":100,"x":true,"q":"1.0000","V":"500","Q":"0.500","B":"123456"}}}"#;

    #[test]
    fn a_kline_is_a_candle_at_an_instant() {
        let Message::Kline { stream, at, symbol, interval, candle, closed } = parse(KLINE).unwrap() else {
            panic!("a kline");
        };
        assert_eq!((&*stream, &*symbol, interval), ("btcusdt@kline_1m", "BTCUSDT", Timeframe::MINUTE));
        assert_eq!(at.as_nanos(), 1_672_515_782_136_000_000);
        assert_eq!(candle.start.as_nanos(), 1_672_515_780_000_000_000);
        assert_eq!((candle.open, candle.high, candle.low, candle.close), (0.001, 0.0025, 0.0015, 0.002));
        assert_eq!((candle.volume, candle.trades.get(), closed), (1000.0, Some(100), true));
    }

    #[test]
    fn what_makes_no_sense_is_shown_in_part() {
        let long = format!("{}{}", r#"{"stream":""#, "ä".repeat(1000));
        for (text, expected) in [
            ("", "EOF"),
            ("[]", "expected struct"),
            ("{}", "`data`"),
            (&KLINE.replace("\"0.0010\"", "\"1,5\""), "`o` is \"1,5\", expected a decimal"),
            (&KLINE.replace("\"n\":100", "\"n\":-1"), "`n` is -1"),
            (&KLINE.replace("1672515782136", "9223372036854775807"), "`E`"),
            (&KLINE.replace("\"i\":\"1m\"", "\"i\":\"1M\""), "`i`"),
            (&KLINE.replace("\"stream\":\"btcusdt@kline_1m\",", ""), "`stream`"),
            (&long, "EOF"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(error.len() < 400, "{error}");
        }
    }

    #[test]
    fn answers_and_other_events_are_no_klines() {
        let refused = parse(r#"{"error":{"code":2,"msg":"Invalid request"},"id":7}"#).unwrap();
        assert_eq!(
            refused,
            Message::Answer { id: Some(7), refused: Some("Invalid request (code 2)".into()) }
        );
        assert_eq!(
            parse(r#"{"result":null,"id":1}"#).unwrap(),
            Message::Answer { id: Some(1), refused: None }
        );
        assert_eq!(parse(r#"{"stream":"x","data":{"e":"trade","E":5}}"#).unwrap(), Message::Other);
    }

    proptest! {
        #[test]
        fn decimals_are_read_exactly_and_nothing_panics(
            value in any::<f64>().prop_filter("finite", |v| v.is_finite()),
            cut in 0..KLINE.len(),
            flip in any::<u8>(),
        ) {
            let text = KLINE.replace("\"0.0010\"", &format!("\"{value}\""));
            let Ok(Message::Kline { candle, .. }) = parse(&text) else { panic!("a kline") };
            prop_assert_eq!(candle.open.to_bits(), value.to_bits());
            let _ = parse(&KLINE[..cut]);
            let mut bytes = KLINE.as_bytes().to_vec();
            bytes[cut] = flip;
            let _ = String::from_utf8(bytes).map(|text| parse(&text).is_ok());
        }
    }
}
