//! How much a source says of its rows: the first few remarks of a kind in full, the rest as a count.

use std::collections::BTreeMap;

use bt_core::{Timeframe, Timestamp};

use crate::remark::{Kind, Remark};

/// Lets the first remarks of a kind through in each calendar month (UTC), and sums the others up.
///
/// The month is that of the row handed on last, and of a gap that of the row behind it. So it never goes back,
/// whatever starts faulty rows have, and does not depend on how rows were cut (R35). What is owed for a month is
/// settled before the first row of a later one is handed on, and before the source ends. Months without remarks
/// cost nothing.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Remarks of a kind that are said in full in a month.
    limit: u64,
    /// Where the month ends that the counts are of.
    month_end: Timestamp,
    counts: BTreeMap<Kind, Count>,
    /// Whether anything was passed over in silence in this month.
    owing: bool,
}

/// Remarks of one kind.
#[derive(Debug, Default)]
struct Count {
    said: u64,
    withheld: Withheld,
}

/// What is to be said of remarks that were not made one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Withheld {
    /// How many.
    pub(crate) count: u64,
    /// Bars that are missing, of gaps.
    pub(crate) missing: u64,
    /// Start of the first and the last row that has one.
    pub(crate) span: Option<(Timestamp, Timestamp)>,
}

impl Tally {
    pub(crate) fn new(limit: u64) -> Self {
        Tally { limit, month_end: Timestamp::MIN, counts: BTreeMap::new(), owing: false }
    }

    /// The remark, if it is to be said now; `at` is the start of the row handed on last, or of the row behind a gap.
    pub(crate) fn admit(&mut self, remark: Remark, at: Option<Timestamp>) -> Option<Remark> {
        let Some(kind) = remark.kind() else { return Some(remark) };
        if let Some(at) = at.filter(|at| *at >= self.month_end) {
            debug_assert!(!self.owing, "a row of a later month was handed on with a month unsettled");
            self.month_end = at.next_month();
            self.counts.clear();
        }
        let count = self.counts.entry(kind).or_default();
        if count.said < self.limit {
            count.said += 1;
            return Some(remark);
        }
        self.owing = true;
        count.withheld.add(&remark);
        None
    }

    /// What is owed before the row at `start` may be handed on; ask until there is nothing.
    pub(crate) fn settle_before(&mut self, start: Timestamp) -> Option<Remark> {
        if self.owing && start >= self.month_end { self.settle() } else { None }
    }

    /// What is owed; ask until there is nothing.
    pub(crate) fn settle(&mut self) -> Option<Remark> {
        while let Some((kind, count)) = self.counts.pop_first() {
            if count.withheld.count > 0 {
                return Some(Remark::Suppressed { kind, withheld: count.withheld });
            }
        }
        self.owing = false;
        None
    }

    /// How many rows from the one at `start` on may be handed on before something has to be settled, if they follow
    /// one another directly. At least one, if nothing is owed before that.
    pub(crate) fn room(&self, start: Timestamp, timeframe: Timeframe) -> usize {
        if !self.owing {
            return usize::MAX;
        }
        let nanos = self.month_end.as_nanos().abs_diff(start.as_nanos());
        usize::try_from(nanos.div_ceil(timeframe.as_nanos().unsigned_abs())).unwrap_or(usize::MAX)
    }
}

impl Withheld {
    fn add(&mut self, remark: &Remark) {
        self.count += 1;
        if let Remark::Gap { missing, .. } = remark {
            self.missing = self.missing.saturating_add(*missing);
        }
        if let Some(start) = remark.start() {
            self.span = Some((self.span.map_or(start, |(first, _)| first), start));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Reason;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn duplicate(text: &str) -> Remark {
        Remark::Duplicate { start: at(text) }
    }

    #[test]
    fn what_is_not_said_is_summed_up_by_kind_before_the_next_month() {
        let mut tally = Tally::new(1);
        let january = Some(at("2024-01-30"));
        let failed = |start| Remark::Failed { start, reason: Reason::Volume };
        assert!(tally.admit(duplicate("2024-01-30"), january).is_some());
        assert!(tally.admit(failed(None), january).is_some());
        assert_eq!(tally.settle_before(at("2024-02-01")), None, "all was said");
        for start in [None, Some(at("2030-01-01")), Some(at("2024-01-29")), None] {
            assert_eq!(tally.admit(failed(start), january), None);
        }
        assert_eq!(tally.admit(duplicate("2024-01-30"), january), None);
        assert_eq!(tally.settle_before(at("2024-01-31T23:59:00Z")), None);
        let span = Some((at("2030-01-01"), at("2024-01-29")));
        let summary = |kind, withheld| Some(Remark::Suppressed { kind, withheld });
        let failures = Withheld { count: 4, missing: 0, span };
        assert_eq!(tally.settle_before(at("2024-02-01")), summary(Kind::Failed(Reason::Volume), failures));
        let duplicates = Withheld { count: 1, missing: 0, span: Some((at("2024-01-30"), at("2024-01-30"))) };
        assert_eq!(tally.settle_before(at("2024-02-01")), summary(Kind::Duplicate, duplicates));
        assert_eq!((tally.settle_before(at("2024-02-01")), tally.settle()), (None, None));
        assert!(tally.admit(duplicate("2024-02-01"), Some(at("2024-02-01"))).is_some(), "a new month");
    }

    #[test]
    fn a_month_without_anything_owed_is_forgotten() {
        let mut tally = Tally::new(1);
        for month in ["2024-01-31", "2024-02-01", "2024-12-31T23:59:00Z", "2025-01-01"] {
            assert!(tally.admit(duplicate(month), Some(at(month))).is_some(), "{month}");
        }
        assert_eq!(tally.settle(), None);
    }

    #[test]
    fn rows_are_handed_on_up_to_the_end_of_a_month_that_is_owed_for() {
        let mut tally = Tally::new(0);
        let five: Timeframe = "5m".parse().unwrap();
        assert_eq!(tally.room(at("2024-01-31T23:00:00Z"), five), usize::MAX);
        tally.admit(duplicate("2024-01-31"), Some(at("2024-01-31")));
        assert_eq!(tally.room(at("2024-01-31T23:00:00Z"), five), 12);
        assert_eq!(tally.room(at("2024-01-31T23:55:00Z"), five), 1);
        let week: Timeframe = "7d".parse().unwrap();
        assert_eq!(tally.room(at("2024-01-25"), week), 1);
    }
}
