//! Frames as text: CSV and JSON lines.

use std::io::{self, Write};

use bt_core::{Frame, Series, Slot, Timestamp};

use crate::args::TimeUnit;

/// The columns of every output format, in order.
pub(crate) const COLUMNS: [&str; 14] = [
    "close_time",
    "instrument",
    "timeframe",
    "kind",
    "reason",
    "start",
    "end",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "trades",
    "partial",
];

/// Which text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    Csv,
    Jsonl,
}

/// Turns frames into lines.
#[derive(Debug)]
pub(crate) struct Lines {
    text: Text,
    unit: TimeUnit,
    /// Instrument and timeframe of each series, ready to be written.
    names: Vec<String>,
}

impl Lines {
    pub(crate) fn new(text: Text, unit: TimeUnit, series: &[Series]) -> Self {
        let names = series.iter().map(|series| {
            let (instrument, timeframe) = (series.instrument().as_str(), series.timeframe());
            match text {
                Text::Csv => format!("{},{timeframe}", csv_field(instrument)),
                Text::Jsonl => format!(
                    "\"instrument\":{},\"timeframe\":\"{timeframe}\"",
                    serde_json::Value::from(instrument)
                ),
            }
        });
        Lines { text, unit, names: names.collect() }
    }

    /// What stands before the first line.
    pub(crate) fn header(&self) -> String {
        match self.text {
            Text::Csv => COLUMNS.join(",") + "\n",
            Text::Jsonl => String::new(),
        }
    }

    /// One line per slot.
    pub(crate) fn write(&self, frame: &Frame, out: &mut Vec<u8>) -> io::Result<()> {
        let close = Instant(frame.close(), self.unit, self.text);
        for ((name, series), slot) in self.names.iter().zip(frame.series()).zip(frame.slots()) {
            match self.text {
                Text::Csv => write!(out, "{close},{name},{},{}", slot.kind(), slot.reason())?,
                Text::Jsonl => {
                    write!(out, "{{\"close_time\":{close},{name},\"kind\":\"{}\",\"reason\":", slot.kind())?;
                    match slot {
                        Slot::Bar(_) => write!(out, "null")?,
                        _ => write!(out, "\"{}\"", slot.reason())?,
                    }
                }
            }
            self.write_candle(series, &slot, out)?;
        }
        Ok(())
    }

    fn write_candle(&self, series: &Series, slot: &Slot, out: &mut Vec<u8>) -> io::Result<()> {
        let Some(c) = slot.candle() else {
            return match self.text {
                Text::Csv => writeln!(out, ",,,,,,,,,"),
                Text::Jsonl => {
                    COLUMNS[5..].iter().try_for_each(|key| write!(out, ",\"{key}\":null"))?;
                    writeln!(out, "}}")
                }
            };
        };
        let end = series.timeframe().end_of(c.start).unwrap_or(Timestamp::MAX);
        let (start, end) = (Instant(c.start, self.unit, self.text), Instant(end, self.unit, self.text));
        let trades = c.trades.get();
        match self.text {
            Text::Csv => {
                write!(out, ",{start},{end},{},{},{},{},{},", c.open, c.high, c.low, c.close, c.volume)?;
                if let Some(trades) = trades {
                    write!(out, "{trades}")?;
                }
                writeln!(out, ",{}", c.partial)
            }
            Text::Jsonl => {
                write!(out, ",\"start\":{start},\"end\":{end},\"open\":{},\"high\":{}", c.open, c.high)?;
                write!(out, ",\"low\":{},\"close\":{},\"volume\":{},\"trades\":", c.low, c.close, c.volume)?;
                match trades {
                    Some(trades) => write!(out, "{trades}")?,
                    None => write!(out, "null")?,
                }
                writeln!(out, ",\"partial\":{}}}", c.partial)
            }
        }
    }
}

/// An instant in the unit asked for; a fraction of the unit is written as decimals, never lost.
struct Instant(Timestamp, TimeUnit, Text);

impl std::fmt::Display for Instant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Instant(t, unit, text) = self;
        let (factor, digits) = match unit {
            TimeUnit::Rfc3339 if *text == Text::Jsonl => return write!(f, "\"{t}\""),
            TimeUnit::Rfc3339 => return t.fmt(f),
            TimeUnit::S => (1_000_000_000, 9),
            TimeUnit::Ms => (1_000_000, 6),
            TimeUnit::Us => (1_000, 3),
            TimeUnit::Ns => return write!(f, "{}", t.as_nanos()),
        };
        let nanos = t.as_nanos();
        let fraction = (nanos % factor).unsigned_abs();
        if nanos < 0 && nanos > -factor && fraction != 0 {
            f.write_str("-")?;
        }
        write!(f, "{}", nanos / factor)?;
        if fraction != 0 {
            let decimals = format!("{fraction:0digits$}");
            write!(f, ".{}", decimals.trim_end_matches('0'))?;
        }
        Ok(())
    }
}

fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bt_core::{Candle, EmptyReason, FillReason, FrameBlock, Trades};
    use std::sync::Arc;

    fn frame() -> Frame {
        let series: Vec<Series> = ["a.b:C,D@1m", "a.b:E@1m", "a.b:F@5m"].map(|s| s.parse().unwrap()).to_vec();
        let start = Timestamp::from_secs(1_704_067_200).unwrap();
        let candle = Candle {
            start,
            open: 0.1,
            high: 1e21,
            low: 1e-7,
            close: 2.0,
            volume: 0.30000000000000004,
            trades: Trades::UNKNOWN,
            partial: true,
        };
        let mut block = FrameBlock::new(series.into());
        block.begin(Timestamp::from_secs(1_704_067_260).unwrap());
        block.push(Slot::Bar(candle));
        block.push(Slot::Filled {
            candle: Candle { trades: Trades::ZERO, ..candle },
            reason: FillReason::Quiet,
        });
        block.push(Slot::Empty(EmptyReason::NotDue));
        Frame::new(Arc::new(block), 0)
    }

    fn lines(text: Text, unit: TimeUnit) -> String {
        let frame = frame();
        let mut out = Vec::new();
        Lines::new(text, unit, frame.series()).write(&frame, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn csv_has_a_line_per_slot() {
        let csv = lines(Text::Csv, TimeUnit::Rfc3339);
        let rows: Vec<&str> = csv.lines().collect();
        assert_eq!(
            rows[0],
            "2024-01-01T00:01:00Z,\"a.b:C,D\",1m,bar,,2024-01-01T00:00:00Z,2024-01-01T00:01:00Z,0.1,1000000000000000000000,0.0000001,2,0.30000000000000004,,true"
        );
        assert!(rows[1].contains(",a.b:E,1m,filled,quiet,") && rows[1].ends_with(",0,true"));
        assert_eq!(rows[2], "2024-01-01T00:01:00Z,a.b:F,5m,empty,not_due,,,,,,,,,");
        assert_eq!(rows[2].matches(',').count(), COLUMNS.len() - 1);
    }

    #[test]
    fn json_lines_have_the_same_keys_in_the_same_order() {
        for line in lines(Text::Jsonl, TimeUnit::Ms).lines() {
            let value: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
            assert_eq!(value.len(), COLUMNS.len());
            let mut at = 0;
            for key in COLUMNS {
                at += line[at..].find(&format!("\"{key}\":")).expect(key);
            }
            assert_eq!(value["close_time"], 1_704_067_260_000u64);
        }
    }

    #[test]
    fn a_fraction_of_the_unit_is_not_lost() {
        let text = |nanos, unit| Instant(Timestamp::from_nanos(nanos), unit, Text::Csv).to_string();
        assert_eq!(text(1_250_000_000, TimeUnit::S), "1.25");
        assert_eq!(text(-250_000_000, TimeUnit::S), "-0.25");
        assert_eq!(text(-1_000_000, TimeUnit::Ms), "-1");
        assert_eq!(text(1_000_001, TimeUnit::Ms), "1.000001");
        assert_eq!(text(7, TimeUnit::Ns), "7");
    }
}
