//! One event, one line.

use std::fmt::Display;
use std::io::Write;

use bt_core::{Level, LogEvent, Series, Timestamp, Value};

/// Appends the journal's line of an event to `out`, with its line feed.
///
/// A JSON object with the keys `seq`, `topic`, `level`, `component`, `event`, `series`, `sim_time`, `message`,
/// `fields`, in this order, without blanks. `series` is a string or null, `sim_time` RFC 3339 or null; `fields`
/// is an object in the order of [`LogEvent::fields`], with floats as the shortest text that reads back as the
/// same number, NaN and infinities as null, and instants as RFC 3339 strings. Equal events give equal bytes, so
/// a fingerprint of a log sequence may be taken over these lines.
pub fn encode_line(topic: &str, seq: u64, event: &LogEvent, out: &mut Vec<u8>) {
    Line {
        seq,
        topic,
        level: event.level,
        component: event.component,
        event: event.event,
        series: event.series.as_ref(),
        sim_time: event.sim_time,
        message: &event.message,
        fields: event.fields.iter().map(|(name, value)| (*name, value)),
    }
    .encode(out);
}

/// What a line says, from wherever.
pub(super) struct Line<'a, F> {
    pub(super) seq: u64,
    pub(super) topic: &'a str,
    pub(super) level: Level,
    pub(super) component: &'a str,
    pub(super) event: &'a str,
    pub(super) series: Option<&'a Series>,
    pub(super) sim_time: Option<Timestamp>,
    pub(super) message: &'a str,
    pub(super) fields: F,
}

impl<'a, F: Iterator<Item = (&'a str, &'a Value)>> Line<'a, F> {
    pub(super) fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"seq\":");
        plain(self.seq, out);
        out.extend_from_slice(b",\"topic\":");
        text(self.topic, out);
        out.extend_from_slice(b",\"level\":");
        text(self.level.as_str(), out);
        out.extend_from_slice(b",\"component\":");
        text(self.component, out);
        out.extend_from_slice(b",\"event\":");
        text(self.event, out);
        out.extend_from_slice(b",\"series\":");
        match self.series {
            Some(series) => text(&series.to_string(), out),
            None => null(out),
        }
        out.extend_from_slice(b",\"sim_time\":");
        match self.sim_time {
            Some(t) => instant(t, out),
            None => null(out),
        }
        out.extend_from_slice(b",\"message\":");
        text(self.message, out);
        out.extend_from_slice(b",\"fields\":{");
        for (at, (name, content)) in self.fields.enumerate() {
            if at > 0 {
                out.push(b',');
            }
            text(name, out);
            out.push(b':');
            value(content, out);
        }
        out.extend_from_slice(b"}}\n");
    }
}

fn value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Text(content) => text(content, out),
        Value::Int(number) => plain(number, out),
        Value::Count(number) => plain(number, out),
        Value::Float(number) => json(number, out),
        Value::Bool(content) => plain(content, out),
        Value::Time(t) => instant(*t, out),
        // Kinds to come are written as they print, until they are given a form of their own here.
        other => text(&format!("{other:?}"), out),
    }
}

fn null(out: &mut Vec<u8>) {
    out.extend_from_slice(b"null");
}

/// An instant's text needs no escapes.
fn instant(t: Timestamp, out: &mut Vec<u8>) {
    out.push(b'"');
    plain(t, out);
    out.push(b'"');
}

fn text(text: &str, out: &mut Vec<u8>) {
    json(text, out);
}

fn json<T: serde::Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("strings and numbers are JSON, and a Vec takes all bytes");
}

fn plain(value: impl Display, out: &mut Vec<u8>) {
    write!(out, "{value}").expect("a Vec takes all bytes");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(event: &LogEvent) -> String {
        let mut out = Vec::new();
        encode_line("log", 7, event, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn keys_stand_in_the_order_of_the_contract() {
        let event = LogEvent::new(Level::Warn, "source", "SOURCE_GAP_DETECTED", "a gap")
            .with_series(&"binance.spot:BTCUSDT@5m".parse().unwrap())
            .with_sim_time("2024-01-01T00:05:00Z".parse().unwrap())
            .with("missing", 3_u64)
            .with("at", "x\"y\\\n\u{1}é");
        assert_eq!(
            line(&event),
            concat!(
                r#"{"seq":7,"topic":"log","level":"warn","component":"source","event":"SOURCE_GAP_DETECTED","#,
                r#""series":"binance.spot:BTCUSDT@5m","sim_time":"2024-01-01T00:05:00Z","message":"a gap","#,
                r#""fields":{"missing":3,"at":"x\"y\\\n\u0001é"}}"#,
                "\n"
            )
        );
        let bare = line(&LogEvent::new(Level::Info, "c", "E", ""));
        assert!(bare.ends_with("\"series\":null,\"sim_time\":null,\"message\":\"\",\"fields\":{}}\n"));
    }

    #[test]
    fn numbers_are_written_shortest_and_whole() {
        let event = LogEvent::new(Level::Info, "c", "E", "")
            .with("a", 0.1)
            .with("b", 1.0)
            .with("c", f64::NAN)
            .with("d", f64::NEG_INFINITY)
            .with("e", u64::MAX)
            .with("f", i64::MIN)
            .with("g", 1e300)
            .with("h", true);
        let expected = concat!(
            r#"{"a":0.1,"b":1.0,"c":null,"d":null,"e":18446744073709551615,"f":-9223372036854775808,"#,
            r#""g":1e+300,"h":true}}"#
        );
        assert!(line(&event).contains(expected), "{}", line(&event));
    }
}
