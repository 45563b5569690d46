//! When each series is to be looked at next.

use std::collections::BTreeMap;

use bt_core::Timestamp;

/// Indices of series, by the instant at which they are to be looked at.
///
/// Where many series close together they share one entry, so the cost of the ordered map is paid per instant
/// and not per series; the entry that is being filled stays outside the map.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    later: BTreeMap<Timestamp, Vec<usize>>,
    filling: Option<(Timestamp, Vec<usize>)>,
    /// Emptied lists, to be filled again.
    spare: Vec<Vec<usize>>,
}

impl Agenda {
    /// Enters a series at `at`.
    pub(crate) fn put(&mut self, at: Timestamp, lane: usize) {
        match &mut self.filling {
            Some((instant, lanes)) if *instant == at => lanes.push(lane),
            _ => {
                self.file();
                let mut lanes = self.spare.pop().unwrap_or_default();
                lanes.push(lane);
                self.filling = Some((at, lanes));
            }
        }
    }

    /// Takes out the earliest instant and swaps its series, in ascending order, into `lanes`.
    pub(crate) fn take_first(&mut self, lanes: &mut Vec<usize>) -> Option<Timestamp> {
        let filling_is_first = match (&self.filling, self.later.first_key_value()) {
            (Some((filling, _)), Some((first, _))) => filling < first,
            (filling, _) => filling.is_some(),
        };
        if !filling_is_first {
            self.file();
        }
        let (at, mut taken) = if filling_is_first { self.filling.take() } else { self.later.pop_first() }?;
        if !taken.is_sorted() {
            taken.sort_unstable();
        }
        std::mem::swap(lanes, &mut taken);
        taken.clear();
        self.spare.push(taken);
        Some(at)
    }

    /// Moves the entry that is being filled into the map.
    fn file(&mut self) {
        if let Some((at, mut lanes)) = self.filling.take() {
            match self.later.get_mut(&at) {
                Some(there) => {
                    there.append(&mut lanes);
                    self.spare.push(lanes);
                }
                None => {
                    self.later.insert(at, lanes);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn entries_come_out_by_instant_then_by_index(
            puts in prop::collection::vec((0i64..8, prop::bool::weighted(0.3)), 0..60),
        ) {
            let mut agenda = Agenda::default();
            let mut model: BTreeMap<Timestamp, Vec<usize>> = BTreeMap::new();
            let mut lanes = Vec::new();
            for (lane, (at, take)) in puts.into_iter().enumerate() {
                agenda.put(Timestamp::from_nanos(at), lane);
                model.entry(Timestamp::from_nanos(at)).or_default().push(lane);
                if take {
                    let (at, expected) = model.pop_first().unwrap();
                    prop_assert_eq!(agenda.take_first(&mut lanes), Some(at));
                    prop_assert_eq!(&lanes, &expected);
                }
            }
            while let Some((at, expected)) = model.pop_first() {
                prop_assert_eq!(agenda.take_first(&mut lanes), Some(at));
                prop_assert_eq!(&lanes, &expected);
            }
            prop_assert_eq!(agenda.take_first(&mut lanes), None);
        }
    }
}
