//! How the rows of files are cut into units of work: pure arithmetic on row counts.

use std::ops::Range;

use bt_core::Columns;

use crate::files::Entry;

/// Most rows that are decoded in one go. A larger row group is cut into slices, always at the same rows, so
/// that where an error shows does not depend on the memory at hand (R35).
pub(crate) const SLICE_ROWS: usize = 64 * 1024;

/// A place in a source's files: the next row to be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) entry: usize,
    group: usize,
    row: usize,
    /// The number of that row in its file.
    number: u64,
}

/// Rows of one row group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) group: usize,
    pub(super) rows: Range<usize>,
    /// The number of the first of them in the file.
    pub(super) number: u64,
}

/// What one thread does in one go: rows of one file, at least one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) entry: usize,
    pub(super) parts: Vec<Part>,
}

impl Unit {
    pub(super) fn rows(&self) -> usize {
        self.parts.iter().map(|part| part.rows.len()).sum()
    }

    pub(super) fn bytes(&self) -> u64 {
        bytes(self.rows())
    }
}

/// Bytes that so many decoded rows take.
pub(super) fn bytes(rows: usize) -> u64 {
    rows as u64 * Columns::ROW_BYTES as u64
}

impl Cursor {
    /// The next part at or after this place, and the place after it.
    fn part(mut self, entries: &[Entry]) -> Option<(usize, Part, Cursor)> {
        loop {
            let groups = match entries.get(self.entry)? {
                Entry::File(info) => &info.groups[..],
                Entry::Missing { .. } => &[],
            };
            match groups.get(self.group) {
                None => self = Cursor { entry: self.entry + 1, ..Cursor::default() },
                Some(&rows) if self.row >= rows as usize => {
                    self = Cursor { group: self.group + 1, row: 0, ..self };
                }
                Some(&rows) => {
                    let slice = self.row..(rows as usize).min(self.row + SLICE_ROWS);
                    let after = Cursor { row: slice.end, number: self.number + slice.len() as u64, ..self };
                    let part = Part { group: self.group, rows: slice, number: self.number };
                    return Some((self.entry, part, after));
                }
            }
        }
    }

    /// The next unit and the place after it: as many parts of one file as `target` rows allow, but at least
    /// one; `None` at the end.
    pub(super) fn unit(self, entries: &[Entry], target: usize) -> Option<(Unit, Cursor)> {
        let (entry, first, mut after) = self.part(entries)?;
        let mut rows = first.rows.len();
        let mut unit = Unit { entry, parts: vec![first] };
        while let Some((next, part, end)) = after.part(entries)
            && next == entry
            && rows + part.rows.len() <= target
        {
            rows += part.rows.len();
            unit.parts.push(part);
            after = end;
        }
        Some((unit, after))
    }

    /// Bytes of the smallest next unit; `None` at the end.
    pub(super) fn least(self, entries: &[Entry]) -> Option<u64> {
        self.part(entries).map(|(_, part, _)| bytes(part.rows.len()))
    }
}

/// Bytes of the largest part of all files, and the largest transient.
pub(super) fn largest(entries: &[Entry]) -> (u64, u64) {
    let files = entries.iter().filter_map(|entry| match entry {
        Entry::File(info) => Some(info),
        Entry::Missing { .. } => None,
    });
    files.fold((0, 0), |(part, transient), info| {
        let rows = info.groups.iter().max().map_or(0, |rows| (*rows as usize).min(SLICE_ROWS));
        (part.max(bytes(rows)), transient.max(info.transient))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::FileInfo;

    fn entries(files: &[&[u32]]) -> Vec<Entry> {
        let entry = |groups: &&[u32]| Entry::File(FileInfo::for_test(groups));
        let mut entries: Vec<_> = files.iter().map(entry).collect();
        entries.insert(1, Entry::Missing { month: "2024-02".into(), shown: "b".into() });
        entries
    }

    /// All units, as (entry, rows of the parts).
    fn units(entries: &[Entry], target: usize) -> Vec<(usize, Vec<usize>)> {
        let mut cursor = Cursor::default();
        let mut units = Vec::new();
        while let Some((unit, after)) = cursor.unit(entries, target) {
            assert_eq!(cursor.least(entries), Some(bytes(unit.parts[0].rows.len())));
            units.push((unit.entry, unit.parts.iter().map(|part| part.rows.len()).collect()));
            cursor = after;
        }
        assert_eq!(cursor.least(entries), None);
        units
    }

    #[test]
    fn units_are_whole_row_groups_of_one_file_up_to_the_target() {
        let entries = entries(&[&[10, 20, 30], &[], &[0, 5, 0]]);
        assert_eq!(units(&entries, 30), [(0, vec![10, 20]), (0, vec![30]), (3, vec![5])]);
        assert_eq!(units(&entries, 1000), [(0, vec![10, 20, 30]), (3, vec![5])]);
        assert_eq!(units(&entries, 0), [(0, vec![10]), (0, vec![20]), (0, vec![30]), (3, vec![5])]);
    }

    #[test]
    fn r35_large_row_groups_are_cut_at_the_same_rows_whatever_the_target() {
        let rows = 2 * SLICE_ROWS as u32 + 7;
        let entries = entries(&[&[3, rows]]);
        let slices = [3, SLICE_ROWS, SLICE_ROWS, 7];
        for target in [0, 100, SLICE_ROWS, 3 * SLICE_ROWS] {
            let parts: Vec<_> = units(&entries, target).into_iter().flat_map(|(_, parts)| parts).collect();
            assert_eq!(parts, slices, "{target}");
        }
        let (unit, _) = Cursor::default().unit(&entries, usize::MAX).unwrap();
        let last = unit.parts.last().unwrap();
        assert_eq!((last.group, last.rows.start), (1, 2 * SLICE_ROWS));
        assert_eq!(last.number, 3 + 2 * SLICE_ROWS as u64);
        assert_eq!(largest(&entries), (bytes(SLICE_ROWS), 0));
    }
}
