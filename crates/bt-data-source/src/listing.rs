//! Which files a series has in a range: R5.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bt_core::{Series, SourceError, TimeRange, Timestamp};
use chrono::Datelike;

use crate::layout;

/// What becomes of a month of the range that has no file (R5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingPolicy {
    /// Opening fails with [`SourceError::MissingPartition`].
    #[default]
    Error,
    /// It is logged (`SOURCE_PARTITION_MISSING`) when its turn comes, and passed over.
    Skip,
}

/// A calendar month in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Month {
    year: i32,
    month: u32,
}

impl Month {
    fn of(t: Timestamp) -> Self {
        let date = t.to_utc();
        Month { year: date.year(), month: date.month() }
    }

    fn next(self) -> Self {
        if self.month == 12 {
            Month { year: self.year + 1, month: 1 }
        } else {
            Month { month: self.month + 1, ..self }
        }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

/// The months that intersect a range, in order: a `to` at midnight on the first needs none of that month.
pub(crate) fn months_of(range: TimeRange) -> impl Iterator<Item = Month> {
    let last = Month::of(range.to().saturating_add_nanos(-1));
    std::iter::successors(Some(Month::of(range.from())), |month| Some(month.next()))
        .take_while(move |month| *month <= last)
}

/// A file that was found, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    File(PathBuf),
    Missing { month: Month, path: PathBuf },
}

/// Finds the month files of a series.
///
/// # Errors
/// No root, no such series, two files for one month, and a missing month unless those are skipped.
pub(crate) fn list(
    root: &Path,
    series: &Series,
    range: TimeRange,
    missing: MissingPolicy,
) -> Result<Vec<Listed>, SourceError> {
    let failed = |source| SourceError::Io { path: root.to_path_buf(), source };
    if !fs::metadata(root).map_err(failed)?.is_dir() {
        return Err(failed(io::Error::new(
            io::ErrorKind::NotADirectory,
            "it is not a directory, expected one",
        )));
    }
    let dir = layout::series_dir(root, series);
    if !exists(&dir)? {
        return Err(SourceError::NoSuchSeries { series: series.clone(), path: dir });
    }
    months_of(range).map(|month| find(root, series, month, missing)).collect()
}

fn find(root: &Path, series: &Series, month: Month, missing: MissingPolicy) -> Result<Listed, SourceError> {
    let path = layout::month_path(root, series, month.year, month.month);
    let padded = layout::padded_month_path(root, series, month.year, month.month);
    match (exists(&path)?, padded != path && exists(&padded)?) {
        (true, false) => Ok(Listed::File(path)),
        (false, true) => Ok(Listed::File(padded)),
        (true, true) => {
            Err(SourceError::AmbiguousPartition { series: series.clone(), first: path, second: padded })
        }
        (false, false) => match missing {
            MissingPolicy::Skip => Ok(Listed::Missing { month, path }),
            MissingPolicy::Error => {
                Err(SourceError::MissingPartition { series: series.clone(), month: month.to_string(), path })
            }
        },
    }
}

/// Whether there is something of that name. A link that leads nowhere is there: reading it is an error, not
/// a missing month.
fn exists(path: &Path) -> Result<bool, SourceError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(SourceError::Io { path: path.to_path_buf(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: &str, to: &str) -> TimeRange {
        TimeRange::new(from.parse().unwrap(), to.parse().unwrap()).unwrap()
    }

    fn months(from: &str, to: &str) -> Vec<String> {
        months_of(range(from, to)).map(|month| month.to_string()).collect()
    }

    fn series() -> Series {
        "binance.spot:BTCUSDT@60s".parse().unwrap()
    }

    /// A data set with empty files of these names in the year's directory.
    fn data_set(names: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let year = root
            .path()
            .join("exchange=binance/market=spot/symbol=BTCUSDT/type=candle/timeframe=1m/year=2024");
        fs::create_dir_all(&year).unwrap();
        for name in names {
            fs::write(year.join(name), b"").unwrap();
        }
        root
    }

    #[test]
    fn r5_months_that_intersect_the_range() {
        assert_eq!(months("2024-01-31", "2024-02-01"), ["2024-01"]);
        assert_eq!(months("2024-01-31", "2024-02-01T00:00:00.000000001Z"), ["2024-01", "2024-02"]);
        assert_eq!(months("2023-11-15", "2024-02-01"), ["2023-11", "2023-12", "2024-01"]);
        assert_eq!(months("1969-12-31", "1970-01-02"), ["1969-12", "1970-01"]);
        assert_eq!(months_of(TimeRange::ALL).count(), 584 * 12 + 8);
    }

    #[test]
    fn r5_both_spellings_are_found_and_both_at_once_are_refused() {
        let root = data_set(&["BTCUSDT-1m-2024-1.parquet", "BTCUSDT-1m-2024-02.parquet"]);
        let list = |to| list(root.path(), &series(), range("2024-01-01", to), MissingPolicy::Error);
        let found: Vec<_> = list("2024-03-01")
            .unwrap()
            .into_iter()
            .map(|listed| match listed {
                Listed::File(path) => path.file_name().unwrap().to_str().unwrap().to_owned(),
                Listed::Missing { month, .. } => panic!("{month} is missing"),
            })
            .collect();
        assert_eq!(found, ["BTCUSDT-1m-2024-1.parquet", "BTCUSDT-1m-2024-02.parquet"]);
        let error = list("2024-03-02").unwrap_err();
        assert!(matches!(&error, SourceError::MissingPartition { month, .. } if month == "2024-03"));
        assert!(error.to_string().contains("BTCUSDT-1m-2024-3.parquet"), "{error}");

        let root = data_set(&["BTCUSDT-1m-2024-1.parquet", "BTCUSDT-1m-2024-01.parquet"]);
        let range = range("2024-01-01", "2024-02-01");
        let error = super::list(root.path(), &series(), range, MissingPolicy::Skip).unwrap_err();
        assert!(matches!(error, SourceError::AmbiguousPartition { .. }));
    }

    #[test]
    fn r5_missing_months_are_listed_to_be_skipped() {
        let root = data_set(&["BTCUSDT-1m-2024-11.parquet"]);
        let range = range("2024-10-01", "2025-01-01");
        let listed = list(root.path(), &series(), range, MissingPolicy::Skip).unwrap();
        let missing = |listed: &Listed| matches!(listed, Listed::Missing { .. });
        assert_eq!(listed.iter().map(missing).collect::<Vec<_>>(), [true, false, true]);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let root = data_set(&[]);
        let range = range("2024-10-01", "2025-01-01");
        let other = "binance.spot:ETHUSDT@1m".parse().unwrap();
        let error = list(root.path(), &other, range, MissingPolicy::Skip).unwrap_err();
        assert!(
            matches!(&error, SourceError::NoSuchSeries { path, .. } if path.to_string_lossy().contains("ETH"))
        );
        let error = list(&root.path().join("no"), &series(), range, MissingPolicy::Skip).unwrap_err();
        assert!(matches!(&error, SourceError::Io { path, .. } if path.ends_with("no")));
        let file = root.path().join("file");
        fs::write(&file, b"").unwrap();
        let error = list(&file, &series(), range, MissingPolicy::Skip).unwrap_err();
        assert!(matches!(&error, SourceError::Io { path, .. } if *path == file));
    }

    #[cfg(unix)]
    #[test]
    fn r11_a_link_that_leads_nowhere_is_no_missing_month() {
        let root = data_set(&[]);
        let dir = layout::month_path(root.path(), &series(), 2024, 1);
        std::os::unix::fs::symlink("nowhere", &dir).unwrap();
        let listed = list(root.path(), &series(), range("2024-01-01", "2024-02-01"), MissingPolicy::Skip);
        assert_eq!(listed.unwrap(), [Listed::File(dir)]);
    }
}
