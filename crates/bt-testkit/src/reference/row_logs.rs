//! How much is logged of what there is to say about rows.

use std::collections::BTreeMap;

use bt_core::Timestamp;

use super::{CheckedRows, FailReason, Month, Note, Remark};

/// Remarks that are counted together, in the order in which they are summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RemarkKind {
    /// Failed rows, by reason.
    Failed(FailReason),
    /// Rows out of order.
    OutOfOrder,
    /// Duplicates.
    Duplicate,
    /// Gaps.
    Gap,
}

impl RemarkKind {
    /// The kind of a remark.
    pub fn of(remark: Remark) -> Self {
        match remark {
            Remark::Failed(reason) => RemarkKind::Failed(reason),
            Remark::OutOfOrder => RemarkKind::OutOfOrder,
            Remark::Duplicate => RemarkKind::Duplicate,
            Remark::Gap(_) => RemarkKind::Gap,
        }
    }
}

/// Something that is logged of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowLog {
    /// One remark.
    One(Note),
    /// Remarks of a kind that were not logged one by one.
    Sum {
        /// Number of candles emitted before it.
        position: usize,
        /// What they have in common.
        kind: RemarkKind,
        /// How many.
        count: u64,
        /// Missing bars, of gaps.
        missing: u64,
        /// Start of the first and the last row that has one.
        span: Option<(Timestamp, Timestamp)>,
    },
}

/// What is logged of `checked`: in each calendar month the first `most` remarks of a kind, then how many more there
/// were. A remark belongs to the month of the row emitted last, one on a gap to that of the row behind the gap.
pub fn row_logs(checked: &CheckedRows, most: u64) -> Vec<RowLog> {
    let mut logs = Vec::new();
    let mut month = None;
    let mut of_month: BTreeMap<RemarkKind, Vec<Note>> = BTreeMap::new();
    for position in 0..=checked.emitted.len() {
        let notes = || checked.notes.iter().filter(move |note| note.position == position);
        let is_gap = |note: &&Note| matches!(note.remark, Remark::Gap(_));
        notes().filter(|note| !is_gap(note)).for_each(|note| log(&mut logs, &mut of_month, note, most));
        let next = checked.emitted.get(position).map(|candle| Month::of(candle.start));
        if next.is_none() || next != month {
            sum_up(&mut logs, &mut of_month, position, most);
            month = next;
        }
        notes().filter(is_gap).for_each(|note| log(&mut logs, &mut of_month, note, most));
    }
    logs
}

fn log(logs: &mut Vec<RowLog>, of_month: &mut BTreeMap<RemarkKind, Vec<Note>>, note: &Note, most: u64) {
    let notes = of_month.entry(RemarkKind::of(note.remark)).or_default();
    notes.push(*note);
    if notes.len() as u64 <= most {
        logs.push(RowLog::One(*note));
    }
}

fn sum_up(
    logs: &mut Vec<RowLog>,
    of_month: &mut BTreeMap<RemarkKind, Vec<Note>>,
    position: usize,
    most: u64,
) {
    for (kind, notes) in std::mem::take(of_month) {
        let rest = &notes[notes.len().min(most as usize)..];
        if rest.is_empty() {
            continue;
        }
        let missing = |note: &Note| if let Remark::Gap(missing) = note.remark { missing } else { 0 };
        let starts: Vec<_> = rest.iter().filter_map(|note| note.start).collect();
        logs.push(RowLog::Sum {
            position,
            kind,
            count: rest.len() as u64,
            missing: rest.iter().map(missing).sum(),
            span: starts.first().copied().zip(starts.last().copied()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{RawRow, check_rows};
    use bt_core::{TimeRange, Timeframe};

    fn at(text: &str) -> RawRow {
        RawRow::plain(text.parse::<Timestamp>().unwrap().as_nanos())
    }

    #[test]
    fn months_are_summed_up_before_the_next_one_begins() {
        let [a, b, c] = ["2024-01-30", "2024-01-31", "2024-02-02"].map(at);
        let bad = RawRow { volume: -1.0, ..c };
        let rows = [a, a, a, a, b, bad, bad, c, c, c];
        let day = "1d".parse::<Timeframe>().unwrap();
        let checked = check_rows(&[rows.to_vec()], day, TimeRange::ALL, false);
        let found: Vec<_> = row_logs(&checked, 1)
            .iter()
            .map(|log| match log {
                RowLog::One(note) => (note.position, RemarkKind::of(note.remark), 1),
                RowLog::Sum { position, kind, count, .. } => (*position, *kind, *count),
            })
            .collect();
        let failed = RemarkKind::Failed(FailReason::Volume);
        let expected = [
            (1, RemarkKind::Duplicate, 1),
            (2, failed, 1),
            (2, failed, 1),
            (2, RemarkKind::Duplicate, 2),
            (2, RemarkKind::Gap, 1),
            (3, RemarkKind::Duplicate, 1),
            (3, RemarkKind::Duplicate, 1),
        ];
        assert_eq!(found, expected);
        assert_eq!(row_logs(&checked, 9).len(), checked.notes.len());
    }
}
