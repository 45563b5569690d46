//! Where the files of a series are.

#[cfg(feature = "parquet")]
use std::path::{Path, PathBuf};

#[cfg(feature = "parquet")]
use bt_core::Series;
#[cfg(any(feature = "synth", feature = "write"))]
use bt_core::{TimeRange, Timestamp};

/// The directory of a series under a data set's root.
#[cfg(feature = "parquet")]
pub(crate) fn series_dir(root: &Path, series: &Series) -> PathBuf {
    let instrument = series.instrument();
    root.join(format!("exchange={}", instrument.exchange()))
        .join(format!("market={}", instrument.market()))
        .join(format!("symbol={}", instrument.symbol()))
        .join("type=candle")
        .join(format!("timeframe={}", series.timeframe()))
}

/// The file of a month (1 to 12, not padded in the name) of a series.
#[cfg(feature = "parquet")]
pub(crate) fn month_path(root: &Path, series: &Series, year: i32, month: u32) -> PathBuf {
    let (symbol, timeframe) = (series.instrument().symbol(), series.timeframe());
    series_dir(root, series)
        .join(format!("year={year:04}"))
        .join(format!("{symbol}-{timeframe}-{year:04}-{month}.parquet"))
}

/// The instants of a month (1 to 12); `None` if they are beyond what a timestamp holds.
#[cfg(any(feature = "synth", feature = "write"))]
pub(crate) fn month_range(year: i32, month: u32) -> Option<TimeRange> {
    let (next_year, next) = if month == 12 { (year.checked_add(1)?, 1) } else { (year, month + 1) };
    TimeRange::new(month_start(year, month)?, month_start(next_year, next)?).ok()
}

/// The first instant of a month (1 to 12); `None` if it is beyond what a timestamp holds.
#[cfg(any(feature = "synth", feature = "write"))]
pub(crate) fn month_start(year: i32, month: u32) -> Option<Timestamp> {
    // Days since 1970-01-01 in the proleptic Gregorian calendar, counted in years that begin in March.
    let year = i64::from(year) - i64::from(month <= 2);
    let (era, month) = (year.div_euclid(400), i64::from((month + 9) % 12));
    let year_of_era = year.rem_euclid(400);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + (153 * month + 2) / 5;
    let days = era * 146_097 + day_of_era - 719_468;
    Timestamp::from_secs(days.checked_mul(86_400)?).ok()
}

/// The same file with the month padded to two digits in its name, as some collectors write it.
#[cfg(feature = "parquet")]
pub(crate) fn padded_month_path(root: &Path, series: &Series, year: i32, month: u32) -> PathBuf {
    let (symbol, timeframe) = (series.instrument().symbol(), series.timeframe());
    month_path(root, series, year, month)
        .with_file_name(format!("{symbol}-{timeframe}-{year:04}-{month:02}.parquet"))
}

#[cfg(all(test, feature = "write"))]
mod tests {
    use super::*;

    #[test]
    fn r5_a_month_is_half_open_and_months_follow_on() {
        let month = |year, month| month_range(year, month).unwrap().to_string();
        assert_eq!(month(1970, 1), "[1970-01-01T00:00:00Z, 1970-02-01T00:00:00Z)");
        assert_eq!(month(2024, 2), "[2024-02-01T00:00:00Z, 2024-03-01T00:00:00Z)");
        assert_eq!(month(1999, 12), "[1999-12-01T00:00:00Z, 2000-01-01T00:00:00Z)");
        let days = |y| (1..=12).map(move |m| month_range(y, m).unwrap());
        let days = |y| days(y).map(|r| (r.to().as_nanos() - r.from().as_nanos()) / 86_400_000_000_000);
        assert_eq!(days(2000).collect::<Vec<_>>(), [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]);
        assert_eq!(
            (days(2100).sum::<i64>(), days(2023).sum::<i64>(), days(1968).sum::<i64>()),
            (365, 365, 366)
        );
        assert_eq!(month_range(2262, 4), None, "it ends beyond what a timestamp holds");
        assert!(month_range(2262, 3).is_some() && month_range(1677, 9).is_none());
    }
}
