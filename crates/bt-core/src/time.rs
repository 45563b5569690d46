//! Instants and ranges of instants.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime, SecondsFormat, Utc};

use crate::TimeError;

/// An instant: nanoseconds since the Unix epoch, UTC (R1).
///
/// Covers 1677-09-21 to 2262-04-11. Every conversion into it is checked: what does not fit is an error,
/// never a wrap. It is written and read as RFC 3339; a bare date means its midnight.
///
/// ```
/// use bt_core::Timestamp;
/// let t: Timestamp = "2024-01-01T00:05:00Z".parse()?;
/// assert_eq!(t, Timestamp::from_millis(1_704_067_500_000)?);
/// assert_eq!(t.to_string(), "2024-01-01T00:05:00Z");
/// assert_eq!("2024-01-01".parse::<Timestamp>()?.as_nanos(), 1_704_067_200_000_000_000);
/// # Ok::<(), bt_core::TimeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Timestamp = Timestamp(0);
    /// The earliest instant.
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    /// The latest instant.
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// The instant `nanos` nanoseconds after the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Timestamp(nanos)
    }

    /// The instant `micros` microseconds after the epoch; an error if it is not representable.
    pub fn from_micros(micros: i64) -> Result<Self, TimeError> {
        Self::scaled(micros, 1_000, "us")
    }

    /// The instant `millis` milliseconds after the epoch; an error if it is not representable.
    pub fn from_millis(millis: i64) -> Result<Self, TimeError> {
        Self::scaled(millis, 1_000_000, "ms")
    }

    /// The instant `secs` seconds after the epoch; an error if it is not representable.
    pub fn from_secs(secs: i64) -> Result<Self, TimeError> {
        Self::scaled(secs, 1_000_000_000, "s")
    }

    fn scaled(value: i64, factor: i64, unit: &'static str) -> Result<Self, TimeError> {
        value.checked_mul(factor).map(Timestamp).ok_or(TimeError::OutOfRange { value, unit })
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// This instant moved by `nanos` nanoseconds, or `None` if that is not representable.
    pub const fn checked_add_nanos(self, nanos: i64) -> Option<Self> {
        match self.0.checked_add(nanos) {
            Some(n) => Some(Timestamp(n)),
            None => None,
        }
    }

    /// This instant moved by `nanos` nanoseconds, held at the ends of the representable range.
    pub const fn saturating_add_nanos(self, nanos: i64) -> Self {
        Timestamp(self.0.saturating_add(nanos))
    }

    /// The first instant of the calendar month after that of this one, held at [`Timestamp::MAX`] if it is not
    /// representable.
    pub fn next_month(self) -> Self {
        let first = self.to_utc().date_naive().with_day(1);
        first
            .and_then(|first| first.checked_add_months(Months::new(1)))
            .and_then(|next| next.and_time(NaiveTime::MIN).and_utc().timestamp_nanos_opt())
            .map_or(Timestamp::MAX, Timestamp)
    }

    /// The calendar date and time of this instant.
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_nanos(self.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_utc().to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let invalid = || TimeError::Invalid { text: text.to_owned() };
        let fraction =
            text.split('.').nth(1).map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
        let utc = match DateTime::parse_from_rfc3339(text) {
            // What chrono would round: more digits than nanoseconds have, and leap seconds.
            Ok(t) if fraction > 9 || t.timestamp_subsec_nanos() >= 1_000_000_000 => return Err(invalid()),
            Ok(t) => t.to_utc(),
            // A date has just one form here, `2024-01-31`; chrono alone would also take ` 2024-1-31`.
            Err(_) => NaiveDate::from_str(text)
                .ok()
                .filter(|date| date.to_string() == text)
                .and_then(|d| d.and_hms_opt(0, 0, 0))
                .ok_or_else(invalid)?
                .and_utc(),
        };
        utc.timestamp_nanos_opt().map(Timestamp).ok_or_else(invalid)
    }
}

/// A half-open range of instants `[from, to)` (R2). Never empty.
///
/// Of candles it selects those whose **start** lies in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeRange {
    from: Timestamp,
    to: Timestamp,
}

impl TimeRange {
    /// Every instant but the very last, which no candle can start at.
    pub const ALL: TimeRange = TimeRange { from: Timestamp::MIN, to: Timestamp::MAX };

    /// The range `[from, to)`; an error if it is empty or inverted.
    pub fn new(from: Timestamp, to: Timestamp) -> Result<Self, TimeError> {
        if from < to { Ok(TimeRange { from, to }) } else { Err(TimeError::EmptyRange { from, to }) }
    }

    /// The first instant of the range.
    pub const fn from(self) -> Timestamp {
        self.from
    }

    /// The first instant after the range.
    pub const fn to(self) -> Timestamp {
        self.to
    }

    /// Whether `t` lies in the range.
    pub fn contains(self, t: Timestamp) -> bool {
        self.from <= t && t < self.to
    }
}

impl fmt::Display for TimeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r1_conversions_are_checked() {
        assert_eq!(Timestamp::from_secs(1).unwrap().as_nanos(), 1_000_000_000);
        assert_eq!(Timestamp::from_micros(-1).unwrap().as_nanos(), -1_000);
        for bad in [i64::MAX, i64::MIN, i64::MAX / 1_000_000 + 1] {
            assert!(Timestamp::from_millis(bad).is_err(), "{bad}");
        }
        let edge = i64::MAX / 1_000_000;
        assert_eq!(Timestamp::from_millis(edge).unwrap().as_nanos(), edge * 1_000_000);
    }

    #[test]
    fn instants_are_read_and_written_as_rfc_3339() {
        for text in ["2024-02-29T23:59:59.250Z", "1969-12-31T23:59:59.999999999Z", "2024-01-01T00:00:00Z"] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
        let zoned: Timestamp = "2024-01-01T02:00:00+02:00".parse().unwrap();
        assert_eq!(zoned.to_string(), "2024-01-01T00:00:00Z");
        for bad in [
            "",
            "yesterday",
            "2024-13-01",
            "2024-01-01T00:00",
            "9999-01-01",
            "2024-01-01 ",
            "2024-1-31 ",
            " 2024-1-31",
            "2024-06-15T12:30:60Z",
            "2024-06-15T12:30:00.1234567890Z",
        ] {
            let error = bad.parse::<Timestamp>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{bad}`")), "{error}");
        }
        for t in [Timestamp::MIN, Timestamp::MAX] {
            assert_eq!(t.to_string().parse::<Timestamp>().unwrap(), t);
        }
    }

    #[test]
    fn months_follow_one_another_and_end_with_time() {
        for (text, next) in [
            ("2024-01-31T23:59:59.999999999Z", "2024-02-01"),
            ("2024-02-01", "2024-03-01"),
            ("2023-12-05", "2024-01-01"),
            ("1969-12-31", "1970-01-01"),
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().next_month(), next.parse().unwrap());
        }
        assert_eq!(Timestamp::MIN.next_month(), "1677-10-01".parse().unwrap());
        assert_eq!(Timestamp::MAX.next_month(), Timestamp::MAX);
    }

    #[test]
    fn r2_ranges_are_half_open_and_never_empty() {
        let (a, b) = (Timestamp::from_nanos(5), Timestamp::from_nanos(9));
        let range = TimeRange::new(a, b).unwrap();
        assert!(range.contains(a) && !range.contains(b));
        assert!(TimeRange::new(a, a).is_err());
        assert!(TimeRange::new(b, a).unwrap_err().to_string().contains("1970"));
    }
}
