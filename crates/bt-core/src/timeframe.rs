//! The length and the grid of bars.

use std::fmt;
use std::str::FromStr;

use crate::{TimeError, Timestamp};

/// A fixed timeframe: the length of a bar, anchored at the Unix epoch (R3, R4).
///
/// Written as a whole number and one of the units `ms`, `s`, `m` (minute), `h`, `d`, reduced to the largest
/// unit that divides it: `60s` is `1m`, in name, equality and directory. Calendar timeframes (`1w`, `1M`)
/// are reserved and refused. Ordered by length.
///
/// ```
/// use bt_core::{Timeframe, Timestamp};
/// let tf: Timeframe = "300s".parse()?;
/// assert_eq!(tf.to_string(), "5m");
/// let t: Timestamp = "2024-01-01T00:07:30Z".parse()?;
/// assert_eq!(tf.floor(t).unwrap().to_string(), "2024-01-01T00:05:00Z");
/// assert!("1w".parse::<Timeframe>().is_err());
/// # Ok::<(), bt_core::TimeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timeframe {
    nanos: i64,
}

/// Units from the largest to the smallest, with their length in nanoseconds.
const UNITS: [(&str, i64); 5] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
];

impl Timeframe {
    /// One minute.
    pub const MINUTE: Timeframe = Timeframe { nanos: 60_000_000_000 };

    /// The timeframe of `nanos` nanoseconds, for code that computes one.
    ///
    /// # Errors
    /// If `nanos` is not a positive whole number of milliseconds.
    pub fn from_nanos(nanos: i64) -> Result<Self, TimeError> {
        if nanos > 0 && nanos % 1_000_000 == 0 {
            Ok(Timeframe { nanos })
        } else {
            Err(TimeError::Timeframe {
                text: format!("{nanos}ns"),
                expected: "a positive number of whole milliseconds",
            })
        }
    }

    /// Length of a bar in nanoseconds; always positive.
    pub const fn as_nanos(self) -> i64 {
        self.nanos
    }

    /// Whether a bar can start (and another end) at `t`.
    pub const fn is_on_grid(self, t: Timestamp) -> bool {
        t.as_nanos() % self.nanos == 0
    }

    /// Start of the bar that holds `t`, or `None` if that start is not representable.
    pub const fn floor(self, t: Timestamp) -> Option<Timestamp> {
        t.checked_add_nanos(-t.as_nanos().rem_euclid(self.nanos))
    }

    /// Close instant of a bar that starts at `start`, or `None` if it is not representable.
    pub const fn end_of(self, start: Timestamp) -> Option<Timestamp> {
        start.checked_add_nanos(self.nanos)
    }

    /// The first close instant strictly after `t`, held at [`Timestamp::MAX`] if it is not representable.
    pub const fn next_close(self, t: Timestamp) -> Timestamp {
        t.saturating_add_nanos(self.nanos - t.as_nanos().rem_euclid(self.nanos))
    }

    /// Whether each of `starts` lies one bar behind the one before it. Instants wrap around the ends of time here:
    /// whoever has some that may do so looks at the last one too.
    pub fn separates(self, starts: &[Timestamp]) -> bool {
        // Differences are gathered, not comparisons, and there is no early way out: that is what lets the compiler
        // look at two rows at once.
        let off = |(a, b): (&Timestamp, &Timestamp)| a.as_nanos().wrapping_add(self.nanos) ^ b.as_nanos();
        starts.iter().zip(starts.iter().skip(1)).fold(0, |all, pair| all | off(pair)) == 0
    }

    /// How many bars of `part` make one bar of this timeframe; `None` unless it is a whole number (R12).
    pub const fn ratio(self, part: Timeframe) -> Option<u64> {
        if self.nanos % part.nanos == 0 { Some((self.nanos / part.nanos) as u64) } else { None }
    }
}

impl fmt::Display for Timeframe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A timeframe is a whole number of milliseconds, so the last unit always divides it.
        let (unit, length) = UNITS.iter().find(|(_, l)| self.nanos % l == 0).unwrap_or(&UNITS[4]);
        write!(f, "{}{unit}", self.nanos / length)
    }
}

impl FromStr for Timeframe {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let refuse = |expected| TimeError::Timeframe { text: text.to_owned(), expected };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = text.split_at(digits);
        if count.is_empty() {
            return Err(refuse("a whole number and a unit, such as `5m`"));
        }
        let length = match UNITS.iter().find(|(name, _)| *name == unit) {
            Some((_, length)) => *length,
            None if matches!(unit, "w" | "M" | "y") => {
                return Err(refuse("a fixed timeframe (calendar timeframes are reserved), such as `7d`"));
            }
            None => return Err(refuse("one of the units ms, s, m, h, d after a whole number")),
        };
        let count: i64 = count.parse().map_err(|_| refuse("a number that fits 64 bits"))?;
        match count.checked_mul(length) {
            Some(nanos) if nanos > 0 => Ok(Timeframe { nanos }),
            Some(_) => Err(refuse("a length above zero")),
            None => Err(refuse("a length below 292 years")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tf(text: &str) -> Timeframe {
        text.parse().unwrap()
    }

    #[test]
    fn r3_names_are_reduced_to_the_largest_unit() {
        for (text, name) in [
            ("60s", "1m"),
            ("250ms", "250ms"),
            ("1000ms", "1s"),
            ("90m", "90m"),
            ("24h", "1d"),
            ("007m", "7m"),
            ("240m", "4h"),
        ] {
            assert_eq!(tf(text).to_string(), name);
            assert_eq!(tf(text), tf(name));
        }
        assert!(tf("59s") < tf("1m") && tf("1m") < tf("1h"));
    }

    #[test]
    fn bars_that_follow_one_another_are_one_apart() {
        let step = Timeframe::MINUTE.as_nanos();
        let starts =
            |count: i64| -> Vec<_> { (0..count).map(|n| Timestamp::from_nanos(7 + n * step)).collect() };
        for count in 0..70 {
            assert!(Timeframe::MINUTE.separates(&starts(count)), "{count}");
            for row in 1..count as usize {
                for by in [-1, 1, step] {
                    let mut wrong = starts(count);
                    wrong[row] = wrong[row].saturating_add_nanos(by);
                    assert!(!Timeframe::MINUTE.separates(&wrong), "{row} of {count} by {by}");
                }
            }
        }
        let around = [i64::MAX, i64::MAX.wrapping_add(step)].map(Timestamp::from_nanos);
        assert!(Timeframe::MINUTE.separates(&around));
    }

    #[test]
    fn r3_what_is_no_timeframe_is_named() {
        for bad in [
            "",
            "m",
            "0m",
            "-1m",
            "+1m",
            "1.5m",
            "5",
            "5min",
            "5 m",
            "1w",
            "1M",
            "1H",
            "9999999999999999999m",
            "200000d",
            "٣m",
        ] {
            let error = bad.parse::<Timeframe>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{bad}`")), "{error}");
        }
        assert!(Timeframe::from_nanos(1).is_err() && Timeframe::from_nanos(0).is_err());
    }

    #[test]
    fn floors_at_the_ends_of_time_are_refused_not_wrapped() {
        assert_eq!(tf("1d").floor(Timestamp::MIN), None);
        assert_eq!(tf("1d").end_of(Timestamp::MAX), None);
        assert_eq!(tf("1d").next_close(Timestamp::MAX), Timestamp::MAX);
        assert!(tf("1d").floor(Timestamp::MAX).is_some());
    }

    proptest! {
        #[test]
        fn r4_the_grid_is_anchored_at_the_epoch(n in -1_000_000_000_000_000_000i64..1_000_000_000_000_000_000, ms in 1i64..100_000_000) {
            let tf = Timeframe::from_nanos(ms * 1_000_000).unwrap();
            let t = Timestamp::from_nanos(n);
            let floor = tf.floor(t).unwrap();
            prop_assert!(tf.is_on_grid(floor) && floor <= t && t < tf.end_of(floor).unwrap());
            prop_assert_eq!(tf.next_close(t), tf.end_of(floor).unwrap());
            prop_assert_eq!(tf.to_string().parse::<Timeframe>().unwrap(), tf);
        }
    }
}
