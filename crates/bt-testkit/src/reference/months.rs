//! Which month files there are: R5 and R6.

use std::fmt;

use bt_core::{TimeRange, Timestamp};

use super::RawRow;

/// A calendar month in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    /// Year, such as 2024.
    pub year: i32,
    /// Month, 1 to 12.
    pub month: u32,
}

impl Month {
    /// The month that holds `t`.
    pub fn of(t: Timestamp) -> Self {
        // The written form begins with YYYY-MM; representable years have four digits.
        let text = t.to_string();
        let number = |part: &str| part.parse::<u32>().expect("an instant is written as YYYY-MM-DD…");
        Month { year: number(&text[0..4]) as i32, month: number(&text[5..7]) }
    }

    /// The month after this one.
    #[must_use]
    pub fn next(self) -> Self {
        if self.month == 12 {
            Month { year: self.year + 1, month: 1 }
        } else {
            Month { month: self.month + 1, ..self }
        }
    }

    /// Its first instant.
    ///
    /// # Panics
    /// If that is not representable.
    pub fn start(self) -> Timestamp {
        format!("{self}-01").parse().expect("the month is representable")
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

/// The months that intersect `range`, in order (R5).
pub fn months_of(range: TimeRange) -> Vec<Month> {
    let mut months = vec![Month::of(range.from())];
    loop {
        let next = months[months.len() - 1].next();
        if next.start() >= range.to() {
            return months;
        }
        months.push(next);
    }
}

/// Cuts rows into month files, in order, as a collector would write them: a file begins with the first row
/// of a later month, and a row that comes late or has no start stays in the file that is being written.
pub fn by_month(rows: &[RawRow]) -> Vec<(Month, Vec<RawRow>)> {
    let mut files: Vec<(Month, Vec<RawRow>)> = Vec::new();
    // Rows before the first one with a start go into its file.
    let mut headless = Vec::new();
    for row in rows {
        let month = row.start.map(|start| Month::of(Timestamp::from_nanos(start)));
        match (files.last_mut(), month) {
            (Some((current, file)), month) if month.is_none_or(|month| month <= *current) => file.push(*row),
            (_, Some(month)) => {
                let mut file = std::mem::take(&mut headless);
                file.push(*row);
                files.push((month, file));
            }
            (_, None) => headless.push(*row),
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: &str, to: &str) -> TimeRange {
        TimeRange::new(from.parse().unwrap(), to.parse().unwrap()).unwrap()
    }

    fn shown(range: TimeRange) -> Vec<String> {
        months_of(range).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn r5_months_that_intersect_the_range() {
        assert_eq!(shown(range("2024-01-31T23:59:00Z", "2024-02-01T00:00:00Z")), ["2024-01"]);
        assert_eq!(shown(range("2024-01-31", "2024-02-01T00:00:00.000000001Z")), ["2024-01", "2024-02"]);
        assert_eq!(shown(range("2023-12-01", "2024-02-01")), ["2023-12", "2024-01"]);
        assert_eq!(shown(range("1969-12-31", "1970-01-02")), ["1969-12", "1970-01"]);
    }

    #[test]
    fn r6_rows_are_cut_at_the_first_row_of_a_later_month() {
        let edge = Month { year: 2024, month: 2 }.start().as_nanos();
        let [before, after] = [edge - 60_000_000_000, edge].map(RawRow::plain);
        let lost = RawRow { start: None, ..before };
        let files = by_month(&[lost, before, lost, before, after, before]);
        let shape: Vec<_> = files.iter().map(|(m, rows)| (m.to_string(), rows.len())).collect();
        assert_eq!(shape, [("2024-01".to_owned(), 4), ("2024-02".to_owned(), 2)]);
        assert!(by_month(&[lost]).is_empty());
    }
}
