//! What the rows of a source are held against.

use crate::{Series, SourceError, Timeframe, Timestamp};

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

/// What became of rows: the first of them were admitted, and no other was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "only these rows were admitted"]
pub struct AdmittedRun {
    /// How many were admitted. At least one, if there were any; these directly follow one another.
    pub rows: usize,
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

    /// Checks the next row.
    ///
    /// # Errors
    /// [`SourceError::Misplaced`], [`SourceError::OutOfOrder`] if it is refused. It is then not counted as
    /// delivered.
    pub fn admit(&mut self, start: Timestamp) -> Result<(), SourceError> {
        self.admit_run(&[start]).map(|_| ())
    }

    /// Checks the first of the next rows, and with it those behind it that directly follow one another. The rest
    /// is neither admitted nor refused: it is for the next call.
    ///
    /// # Errors
    /// As [`admit`](Admission::admit), if the first of them is refused.
    pub fn admit_run(&mut self, starts: &[Timestamp]) -> Result<AdmittedRun, SourceError> {
        let Some(&first) = starts.first() else { return Ok(AdmittedRun { rows: 0 }) };
        self.reached = self.close_of(first)?;
        let timeframe = self.series.timeframe();
        let step = timeframe.as_nanos();
        let mut rows = rows_in_step(starts, timeframe);
        let last = starts[rows - 1];
        // Where the last of them belongs, so do those before it; unless they went around the end of time.
        let belongs = step.checked_mul(rows as i64 - 1).and_then(|length| first.checked_add_nanos(length))
            == Some(last)
            && timeframe.end_of(last).is_some()
            && !self.is_past_end(last);
        if !belongs {
            let last_start =
                self.end.map_or(i64::MAX - step, |end| (end.as_nanos() - 1).min(i64::MAX - step));
            let fit = 1 + last_start.abs_diff(first.as_nanos()) / step.unsigned_abs();
            rows = rows.min(usize::try_from(fit).unwrap_or(usize::MAX));
        }
        self.reached = starts[rows - 1].saturating_add_nanos(step);
        self.next = Some(self.reached);
        Ok(AdmittedRun { rows })
    }

    /// Checks a row, and returns its close instant.
    fn close_of(&self, start: Timestamp) -> Result<Timestamp, SourceError> {
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
        if self.is_past_end(start) {
            return Err(misplaced("it starts at or after the declared end of its series"));
        }
        Ok(close)
    }

    fn is_past_end(&self, start: Timestamp) -> bool {
        self.end.is_some_and(|end| start >= end)
    }

    /// Takes a promise that no later row closes at or before `watermark`.
    pub fn pass(&mut self, watermark: Timestamp) {
        self.reached = self.reached.max(watermark);
    }
}

/// How many of `starts`, the first included, follow one another (wrapping around).
fn rows_in_step(starts: &[Timestamp], timeframe: Timeframe) -> usize {
    let mut rows = 1;
    while starts.get(rows - 1..rows + BLOCK).is_some_and(|block| timeframe.separates(block)) {
        rows += BLOCK;
    }
    rows + starts[rows - 1..].windows(2).take_while(|pair| timeframe.separates(pair)).count()
}

/// Rows that are looked at in one go.
const BLOCK: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_secs(60 * minute).unwrap()
    }

    fn admission(end: Option<i64>) -> Admission {
        Admission::new("a.b:C@1m".parse().unwrap(), end.map(at))
    }

    #[test]
    fn r25_rows_go_forward_on_their_grid_until_the_end() {
        let mut admission = admission(Some(9));
        admission.admit(at(0)).unwrap();
        assert!(matches!(admission.admit(at(0)), Err(SourceError::OutOfOrder { .. })));
        admission.admit(at(1)).unwrap();
        assert_eq!(admission.reached(), at(2));
        admission.pass(at(5));
        let error = admission.admit(at(4)).unwrap_err().to_string();
        assert!(error.contains("00:05:00Z") && error.contains("a.b:C@1m"), "{error}");
        let off = Timestamp::from_nanos(at(6).as_nanos() + 1);
        assert!(admission.admit(off).unwrap_err().to_string().contains("grid"));
        assert!(admission.admit(at(9)).unwrap_err().to_string().contains("declared end"));
        admission.admit(at(8)).unwrap();
        assert_eq!(admission.reached(), at(9));
        assert_eq!(admission.admit_run(&[]).unwrap().rows, 0);
    }

    #[test]
    fn times_at_the_ends_are_refused_not_wrapped() {
        let mut admission = admission(None);
        assert!(admission.admit(Timestamp::MAX).unwrap_err().to_string().contains("representable"));
        let last = Timeframe::MINUTE.floor(Timestamp::MAX).unwrap().as_nanos() - 60_000_000_000;
        let wrapping: Vec<_> =
            (-3..4).map(|n| Timestamp::from_nanos(last.wrapping_add(n * 60_000_000_000))).collect();
        assert_eq!(admission.admit_run(&wrapping).unwrap().rows, 4);
        assert_eq!(admission.reached().as_nanos(), last + 60_000_000_000);
        assert!(admission.admit_run(&wrapping[4..]).unwrap_err().to_string().contains("representable"));
        admission.pass(Timestamp::MAX);
        assert!(admission.admit(Timestamp::from_nanos(last)).is_err());
    }

    /// Rows admitted one by one, and the word of the first that is refused.
    fn one_by_one(admission: &mut Admission, starts: &[Timestamp]) -> (usize, Option<String>) {
        for (row, start) in starts.iter().enumerate() {
            if let Err(error) = admission.admit(*start) {
                return (row, Some(error.to_string()));
            }
        }
        (starts.len(), None)
    }

    proptest! {
        #[test]
        fn runs_are_what_rows_are_one_by_one(
            steps in prop::collection::vec((0..40usize, -1i64..4, 0i64..2), 0..8),
            end in prop::option::of(0i64..150),
        ) {
            let mut starts = vec![at(0)];
            for (run, minutes, nanos) in steps {
                let last = starts[starts.len() - 1].as_nanos();
                starts.extend((1..=run as i64).map(|n| Timestamp::from_nanos(last + n * 60_000_000_000)));
                let last = starts[starts.len() - 1].as_nanos();
                // Mostly on the grid.
                starts.push(Timestamp::from_nanos(last + minutes * 60_000_000_000 + nanos / 2));
                if nanos == 1 && run % 7 == 0 {
                    starts.push(Timestamp::from_nanos(last + 60_000_000_001));
                }
            }
            let (mut by_row, mut by_run) = (admission(end), admission(end));
            let (expected, refusal) = one_by_one(&mut by_row, &starts);
            let mut admitted = 0;
            let refused = loop {
                match by_run.admit_run(&starts[admitted..]) {
                    Ok(AdmittedRun { rows: 0 }) => break None,
                    Ok(AdmittedRun { rows }) => {
                        let last = starts[admitted + rows - 1];
                        for pair in starts[admitted..admitted + rows].windows(2) {
                            prop_assert_eq!(pair[0].as_nanos() + 60_000_000_000, pair[1].as_nanos());
                        }
                        admitted += rows;
                        prop_assert_eq!(Some(by_run.reached()), Timeframe::MINUTE.end_of(last));
                        // No shorter than it need be.
                        if let Some(next) = starts.get(admitted) {
                            prop_assert!(*next != by_run.reached() || end.is_some_and(|end| *next >= at(end)));
                        }
                    }
                    Err(error) => break Some(error.to_string()),
                }
            };
            prop_assert_eq!((admitted, refused), (expected, refusal));
            prop_assert_eq!(by_run.reached(), by_row.reached());
        }
    }
}
