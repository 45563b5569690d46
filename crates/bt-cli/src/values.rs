//! Values of options, from text. Each says what it expected, for the parser of options shows no causes.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use bt_core::Series;
use bt_data_source::ColumnNames;
use bytesize::ByteSize;

use crate::failure::chain;

/// The longest time that can be asked for.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A whole number from `least` to `most`.
pub(crate) fn whole<N>(least: N, most: N) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync
where
    N: FromStr + PartialOrd + Display + Copy + Send + Sync + 'static,
{
    move |text| {
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| format!("expected a whole number from {least} to {most}"))
    }
}

/// A chance that is not a certainty.
pub(crate) fn chance(text: &str) -> Result<f64, String> {
    let chance = text.parse().ok().filter(|chance| (0.0..1.0).contains(chance));
    chance.ok_or_else(|| "expected a number from 0 up to but not 1".into())
}

/// A series such as `binance.spot:BTCUSDT@5m`.
pub(crate) fn series(text: &str) -> Result<Series, String> {
    text.parse::<Series>().map_err(|error| chain(&error))
}

/// Where to listen, such as `127.0.0.1:9443`.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an IP address and a port, such as 127.0.0.1:9443".into())
}

/// A length of time such as `30s`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let expected = "expected a duration above zero and of 366 days at most, such as 30s";
    match humantime::parse_duration(text) {
        Ok(duration) if !duration.is_zero() && duration <= LONGEST => Ok(duration),
        Ok(_) => Err(expected.into()),
        Err(error) => Err(format!("{error}, {expected}")),
    }
}

/// A number of bytes such as `256MiB`.
pub(crate) fn memory(text: &str) -> Result<u64, String> {
    let bytes = text.parse().ok().map(|size: ByteSize| size.as_u64());
    // What is too large for 64 bits is read as the most that they hold.
    let bytes = bytes.filter(|bytes| (1..=ByteSize::eib(1).as_u64()).contains(bytes));
    bytes.ok_or_else(|| "expected a size from 1B to 1EiB, such as 256MiB".into())
}

/// Column names as `start=ts,open=o`.
pub(crate) fn columns(text: &str) -> Result<ColumnNames, String> {
    let mut seen = BTreeSet::new();
    text.split(',').try_fold(ColumnNames::default(), |names, pair| {
        let invalid = |expected| format!("invalid pair `{pair}`, expected {expected}");
        let (column, name) = pair.split_once('=').ok_or_else(|| invalid("COLUMN=NAME"))?;
        let column = column.trim();
        if name.is_empty() {
            return Err(invalid("a name after `=`"));
        }
        if !seen.insert(column) {
            return Err(invalid("each column once"));
        }
        Ok(match column {
            "start" => names.with_start(name),
            "open" => names.with_open(name),
            "high" => names.with_high(name),
            "low" => names.with_low(name),
            "close" => names.with_close(name),
            "volume" => names.with_volume(name),
            "trades" => names.with_trades(name),
            "is_final" => names.with_is_final(name),
            // The end of a candle is its start plus the timeframe, whatever a column says (R4).
            "end" => names,
            _ => {
                return Err(invalid(
                    "one of start, open, high, low, close, volume, trades, is_final, end before `=`",
                ));
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn column_names_are_pairs() {
        assert_eq!(columns("start=ts,open=o"), Ok(ColumnNames::default().with_start("ts").with_open("o")));
        for bad in ["start", "high_ms=e", "start=", "", "start=a,,open=b", "open=a,open=b"] {
            assert!(columns(bad).is_err_and(|told| told.contains("expected")), "{bad}");
        }
    }

    #[test]
    fn numbers_sizes_and_times_have_bounds() {
        assert_eq!((whole(1_u32, 3)("3"), whole(0_u64, u64::MAX)("0")), (Ok(3), Ok(0)));
        for bad in ["0", "4", "-1", "", " 1", "1.0", "1e0", "99999999999999999999", "NaN"] {
            assert!(whole(1_u32, 3)(bad).is_err(), "{bad}");
        }
        assert_eq!((chance("0"), chance("0.999")), (Ok(0.0), Ok(0.999)));
        for bad in ["1", "-0.1", "NaN", "inf", "", "1e999"] {
            assert!(chance(bad).is_err(), "{bad}");
        }
        assert_eq!((memory("1B"), memory("1EiB"), memory("2KiB")), (Ok(1), Ok(1 << 60), Ok(2048)));
        for bad in ["0", "-1", "-1MiB", "1.5.5MiB", "NaNMiB", "infMB", "2EiB", "99999EiB", "", "many"] {
            assert!(memory(bad).is_err(), "{bad}");
        }
        assert_eq!((duration("1ns"), duration("366days")), (Ok(Duration::from_nanos(1)), Ok(LONGEST)));
        for bad in ["0s", "-1s", "5", "366days 1ns", "584542046090years", "1e3s", "", "soon"] {
            assert!(duration(bad).is_err_and(|told| told.contains("expected")), "{bad}");
        }
    }

    #[test]
    fn no_series_leaves_the_root_of_its_data_set() {
        for bad in [
            "a.b:../../x@1m",
            "a.b:..@1m",
            "../a.b:c@1m",
            "a.../b:c@1m",
            "/etc.b:passwd@1m",
            "a.b:/etc/passwd@1m",
            "a.b:c\\..\\d@1m",
            "a.b:c\0d@1m",
            "a.b:c\nd@1m",
            "a.b:.hidden@1m",
            "a.b: @1m",
            "a.b:@1m",
        ] {
            assert!(series(bad).is_err_and(|told| told.contains("expected")), "{bad:?}");
        }
        // What another program would decode stays as it is written.
        assert_eq!(series("a.b:%2e%2e@1m").unwrap().instrument().symbol(), "%2e%2e");
    }

    proptest! {
        #[test]
        fn any_text_is_a_value_or_an_error(text in r"(\PC|[\x00-\x1f/.:@=,-]){0,40}") {
            let _ = (whole(1_u32, 9)(&text), chance(&text), duration(&text), memory(&text), columns(&text));
            if let Ok(series) = series(&text) {
                for part in [series.instrument().exchange(), series.instrument().market(), series.instrument().symbol()] {
                    prop_assert!(!part.contains(['/', '\\', '\0']) && part != "." && part != "..");
                }
            }
        }
    }
}
