//! What the rows of a source are held against.

use crate::{Series, SourceError, Timestamp};

/// Holds the rows of one series against what every source promises: on the grid, strictly forward, never
/// behind a watermark, before the declared end, representable (R4, R23, R25).
///
/// Whoever takes candles from a source that it does not know checks them with this, in the order in which
/// they come.
#[derive(Clone, Debug)]
pub struct Admission {
    series: Series,
    end: Option<Timestamp>,
    /// Everything up to here was delivered: the next row closes later.
    reached: Timestamp,
    /// Start of the row that would follow the last one directly: on the grid, since that one was.
    next: Option<Timestamp>,
}

impl Admission {
    /// Of the rows of `series`, which ends by declaration at `end`.
    pub fn new(series: Series, end: Option<Timestamp>) -> Self {
        Admission { series, end, reached: Timestamp::MIN, next: None }
    }

    /// The series.
    pub fn series(&self) -> &Series {
        &self.series
    }

    /// The instant up to which everything was delivered.
    pub fn reached(&self) -> Timestamp {
        self.reached
    }

    /// Checks the next row, and returns its close instant.
    ///
    /// # Errors
    /// [`SourceError::Misplaced`], [`SourceError::OutOfOrder`]. The row is then not counted as delivered.
    pub fn admit(&mut self, start: Timestamp) -> Result<Timestamp, SourceError> {
        let timeframe = self.series.timeframe();
        let misplaced = |reason| SourceError::Misplaced { series: self.series.clone(), start, reason };
        let close =
            timeframe.end_of(start).ok_or_else(|| misplaced("its close instant is not representable"))?;
        if close <= self.reached {
            return Err(SourceError::OutOfOrder {
                series: self.series.clone(),
                later: self.reached,
                earlier: close,
            });
        }
        // A row that follows the last one directly needs no division.
        if self.next != Some(start) && !timeframe.is_on_grid(start) {
            return Err(misplaced("it is not on the grid of its timeframe"));
        }
        if self.end.is_some_and(|end| start >= end) {
            return Err(misplaced("it starts at or after the declared end of its series"));
        }
        self.reached = close;
        self.next = Some(close);
        Ok(close)
    }

    /// Takes a promise that no later row closes at or before `watermark`.
    pub fn pass(&mut self, watermark: Timestamp) {
        self.reached = self.reached.max(watermark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_secs(60 * minute).unwrap()
    }

    fn admission(end: Option<i64>) -> Admission {
        Admission::new("a.b:C@1m".parse().unwrap(), end.map(at))
    }

    #[test]
    fn r25_rows_go_forward_on_their_grid_until_the_end() {
        let mut admission = admission(Some(9));
        assert_eq!(admission.admit(at(0)).unwrap(), at(1));
        assert!(matches!(admission.admit(at(0)), Err(SourceError::OutOfOrder { .. })));
        assert_eq!(admission.admit(at(1)).unwrap(), at(2));
        admission.pass(at(5));
        let error = admission.admit(at(4)).unwrap_err().to_string();
        assert!(error.contains("00:05:00Z") && error.contains("a.b:C@1m"), "{error}");
        let off = Timestamp::from_nanos(at(6).as_nanos() + 1);
        assert!(admission.admit(off).unwrap_err().to_string().contains("grid"));
        assert!(admission.admit(at(9)).unwrap_err().to_string().contains("declared end"));
        assert_eq!(admission.admit(at(8)).unwrap(), at(9));
        assert_eq!(admission.reached(), at(9));
    }

    #[test]
    fn times_at_the_ends_are_refused_not_wrapped() {
        let mut admission = admission(None);
        assert!(admission.admit(Timestamp::MAX).unwrap_err().to_string().contains("representable"));
        admission.pass(Timestamp::MAX);
        let last = Timestamp::from_nanos(i64::MAX - 60_000_000_000);
        assert!(admission.admit(last).is_err());
    }
}
