//! The order of one live series: which row is next, what is missing, what comes too late. No clock, no waker.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use bt_core::{Candle, Timeframe, Timestamp};

/// What is to be done next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Hand these rows on; each directly follows the one before it.
    Rows(Vec<Candle>),
    /// Rows that start in here may have been lost on the way: fetch them, then [say so](Tape::fetched).
    Fetch(Range<Timestamp>),
    /// No later row ends at or before this instant of the grid.
    Time(Timestamp),
    /// Nothing, before the next row comes or the venue's time reaches this instant.
    Wait(Timestamp),
    /// Everything before the declared end is handed on or known not to come.
    End,
}

/// What became of a row that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It waits for its turn.
    Taken,
    /// Another with its start came before.
    Duplicate,
    /// Time has passed it: it was missed already.
    Late,
    /// Not a row of this series and range, for the checks of rows to say why (R7).
    Odd,
}

/// Puts the candles of one series in order, once each, as time allows.
///
/// Time is the venue's: the largest instant that it put on its messages. A row that is missing is waited for until
/// time is `grace` past its end; then, if it may have been lost on the way, it is fetched, and else it is passed
/// over. So rows that overtake each other by less than `grace` come out in order, and a quiet market holds up
/// nothing for longer.
#[derive(Debug)]
pub(crate) struct Tape {
    timeframe: Timeframe,
    grace: i64,
    /// Start of the first row that there can be.
    begin: Timestamp,
    end: Timestamp,
    /// Start of the row that is next.
    next: Timestamp,
    /// Time is told up to here.
    told: Timestamp,
    /// Rows whose turn has not come, by start.
    held: BTreeMap<Timestamp, Candle>,
    /// Rows that end at or before it may have been lost, unless they start before `cleared`.
    suspect: Timestamp,
    cleared: Timestamp,
    /// Where rows were passed over, latest last.
    passed: VecDeque<Range<Timestamp>>,
}

/// Stretches that were passed over and are remembered, to tell a late row from one that came twice.
const PASSED: usize = 64;

/// Rows handed on in one go.
const ROWS: usize = 1024;

impl Tape {
    /// The rows that start in `range`.
    pub(crate) fn new(timeframe: Timeframe, range: Range<Timestamp>, grace: i64) -> Self {
        let next = ceil(timeframe, range.start);
        Tape {
            timeframe,
            grace,
            begin: next,
            end: range.end,
            next,
            told: next,
            held: BTreeMap::new(),
            suspect: Timestamp::MIN,
            cleared: Timestamp::MIN,
            passed: VecDeque::new(),
        }
    }

    /// Start of the row that is next.
    pub(crate) fn next(&self) -> Timestamp {
        self.next
    }

    /// Rows that end at or before `until` may have been lost on the way.
    pub(crate) fn suspect(&mut self, until: Timestamp) {
        self.suspect = self.suspect.max(until);
    }

    /// Start of the first row that cannot have been lost, once those before it were fetched or passed over.
    pub(crate) fn caught_up(&self) -> Option<Timestamp> {
        let suspect = self.timeframe.floor(self.suspect).unwrap_or(Timestamp::MIN);
        (self.next.max(self.cleared) >= suspect).then(|| self.next.max(suspect))
    }

    /// A row has arrived.
    pub(crate) fn arrive(&mut self, candle: Candle) -> Arrival {
        let start = candle.start;
        let is_wanted = (self.begin..self.end).contains(&start);
        if !is_wanted || !self.timeframe.is_on_grid(start) || self.timeframe.end_of(start).is_none() {
            return Arrival::Odd;
        }
        if start < self.next {
            let late = self.passed.iter().any(|passed| passed.contains(&start));
            return if late { Arrival::Late } else { Arrival::Duplicate };
        }
        match self.held.entry(start) {
            std::collections::btree_map::Entry::Vacant(vacant) => {
                vacant.insert(candle);
                Arrival::Taken
            }
            std::collections::btree_map::Entry::Occupied(_) => Arrival::Duplicate,
        }
    }

    /// Loses the latest rows whose turn has not come, as far as there are more than `most`, to be fetched when it does;
    /// none that was fetched. Returns how many they are.
    pub(crate) fn lose_beyond(&mut self, most: usize) -> u64 {
        let mut lost = 0;
        while self.held.len() > most
            && let Some(start) = self.held.keys().next_back().copied()
            && start >= self.cleared
        {
            self.held.remove(&start);
            self.suspect(start.saturating_add_nanos(self.timeframe.as_nanos()));
            lost += 1;
        }
        lost
    }

    /// Rows that start before `until` were fetched, as far as there are any, and have arrived.
    pub(crate) fn fetched(&mut self, until: Timestamp) {
        self.cleared = self.cleared.max(until);
    }

    /// What is to be done when the venue's time is `now`.
    pub(crate) fn step(&mut self, now: Option<Timestamp>) -> Step {
        loop {
            if self.next >= self.end {
                return Step::End;
            }
            if let Some(rows) = self.take_in_step() {
                return Step::Rows(rows);
            }
            let horizon = self.horizon(now);
            if horizon <= self.next {
                let close = self.next.saturating_add_nanos(self.timeframe.as_nanos());
                return Step::Wait(close.saturating_add_nanos(self.grace));
            }
            let first = self.held.keys().next().copied().unwrap_or(Timestamp::MAX);
            let missing = self.next..horizon.min(first).min(self.end);
            if let Some(lost) = self.lost(&missing) {
                return Step::Fetch(lost);
            }
            self.pass(missing);
            if !self.held.contains_key(&self.next) {
                self.told = self.next;
                return Step::Time(self.told);
            }
        }
    }

    /// The rows in hand from the next on that directly follow one another.
    pub(crate) fn take_in_step(&mut self) -> Option<Vec<Candle>> {
        let mut rows = Vec::new();
        while rows.len() < ROWS
            && let Some(row) = self.held.remove(&self.next)
        {
            rows.push(row);
            self.next = self.next.saturating_add_nanos(self.timeframe.as_nanos());
        }
        self.told = self.told.max(self.next);
        (!rows.is_empty()).then_some(rows)
    }

    /// Rows that start before it are not waited for.
    fn horizon(&self, now: Option<Timestamp>) -> Timestamp {
        let waited = now.and_then(|now| now.checked_add_nanos(-self.grace));
        waited.and_then(|waited| self.timeframe.floor(waited)).unwrap_or(Timestamp::MIN)
    }

    /// The part of `missing`, from its beginning, that is to be fetched.
    fn lost(&self, missing: &Range<Timestamp>) -> Option<Range<Timestamp>> {
        let suspect = self.timeframe.floor(self.suspect).unwrap_or(Timestamp::MIN);
        let lost = missing.start.max(self.cleared)..missing.end.min(suspect);
        (lost.start < lost.end).then_some(lost)
    }

    /// Waits no longer for the rows of `missing`.
    fn pass(&mut self, missing: Range<Timestamp>) {
        self.next = missing.end;
        match self.passed.back_mut() {
            Some(last) if last.end == missing.start => last.end = missing.end,
            _ => {
                if self.passed.len() == PASSED {
                    self.passed.pop_front();
                }
                self.passed.push_back(missing);
            }
        }
    }
}

/// The first instant of the grid at or after `t`.
fn ceil(timeframe: Timeframe, t: Timestamp) -> Timestamp {
    if timeframe.is_on_grid(t) { t } else { timeframe.next_close(t) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bt_core::Trades;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const MINUTE: i64 = 60_000_000_000;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_nanos(minute * MINUTE)
    }

    fn candle(minute: i64) -> Candle {
        Candle {
            start: at(minute),
            open: 1.0,
            high: 1.0,
            low: 1.0,
            close: 1.0,
            volume: minute as f64,
            trades: Trades::UNKNOWN,
            partial: false,
        }
    }

    fn tape(from: i64, to: i64) -> Tape {
        Tape::new(Timeframe::MINUTE, at(from)..at(to), MINUTE / 2)
    }

    fn minutes(step: &Step) -> Vec<i64> {
        let Step::Rows(rows) = step else { panic!("{step:?}") };
        rows.iter().map(|row| row.start.as_nanos() / MINUTE).collect()
    }

    #[test]
    fn rows_that_overtake_each_other_come_in_order_and_once() {
        let mut tape = tape(0, 9);
        let wait = |minute: i64| Step::Wait(Timestamp::from_nanos(minute * MINUTE + MINUTE / 2));
        assert_eq!(tape.step(None), wait(1));
        assert_eq!(tape.arrive(candle(1)), Arrival::Taken);
        assert_eq!(tape.step(Some(at(1))), wait(1));
        assert_eq!(tape.arrive(candle(1)), Arrival::Duplicate);
        assert_eq!(tape.arrive(candle(0)), Arrival::Taken);
        assert_eq!(minutes(&tape.step(Some(at(1)))), [0, 1]);
        assert_eq!(tape.arrive(candle(0)), Arrival::Duplicate);
        assert_eq!(tape.step(Some(at(2))), wait(3));
    }

    #[test]
    fn a_missing_row_is_waited_for_until_grace_is_over_and_is_late_then() {
        let mut tape = tape(0, 9);
        tape.arrive(candle(1));
        let just = Timestamp::from_nanos(MINUTE + MINUTE / 2);
        assert!(
            matches!(tape.step(Some(Timestamp::from_nanos(just.as_nanos() - 1))), Step::Wait(t) if t == just)
        );
        assert_eq!(minutes(&tape.step(Some(just))), [1]);
        assert_eq!(tape.arrive(candle(0)), Arrival::Late);
        assert_eq!(tape.step(Some(at(4))), Step::Time(at(3)), "time goes on without rows");
        assert_eq!(tape.arrive(candle(2)), Arrival::Late);
        assert_eq!(tape.arrive(candle(1)), Arrival::Duplicate);
    }

    #[test]
    fn what_may_have_been_lost_is_fetched_before_time_passes_it() {
        let mut tape = tape(0, 20);
        tape.suspect(at(10));
        assert_eq!(tape.step(Some(at(10))), Step::Fetch(at(0)..at(9)));
        (0..5).for_each(|minute| assert_eq!(tape.arrive(candle(minute)), Arrival::Taken));
        tape.fetched(at(5));
        assert_eq!(minutes(&tape.step(Some(at(10)))), [0, 1, 2, 3, 4]);
        assert_eq!(tape.step(Some(at(10))), Step::Fetch(at(5)..at(9)), "the next page");
        tape.fetched(at(9));
        assert_eq!(tape.step(Some(at(10))), Step::Time(at(9)));
        assert_eq!(tape.step(Some(at(12))), Step::Fetch(at(9)..at(10)), "no more than is suspect");
        tape.fetched(at(10));
        assert_eq!(tape.step(Some(at(12))), Step::Time(at(11)));
    }

    #[test]
    fn it_ends_where_it_was_told_to_and_refuses_what_is_no_row_of_it() {
        let mut tape = tape(0, 2);
        assert_eq!(tape.arrive(candle(2)), Arrival::Odd);
        assert_eq!(tape.arrive(candle(-1)), Arrival::Odd);
        assert_eq!(tape.arrive(Candle { start: Timestamp::from_nanos(7), ..candle(0) }), Arrival::Odd);
        tape.arrive(candle(0));
        tape.arrive(candle(1));
        assert_eq!(minutes(&tape.step(None)), [0, 1]);
        assert_eq!(tape.step(None), Step::End);
        let mut tape = super::Tape::new(Timeframe::MINUTE, at(0)..at(2), 0);
        assert_eq!(tape.step(Some(at(7))), Step::Time(at(2)));
        assert_eq!(tape.step(Some(at(7))), Step::End, "none came");
    }

    #[test]
    fn rows_far_ahead_are_not_held_without_end_and_fetched_in_their_time() {
        let mut tape = tape(0, 20);
        (2..8).for_each(|minute| assert_eq!(tape.arrive(candle(minute)), Arrival::Taken));
        assert_eq!((tape.lose_beyond(6), tape.lose_beyond(4), tape.lose_beyond(4)), (0, 2, 0));
        assert_eq!(tape.step(Some(at(3))), Step::Fetch(at(0)..at(2)));
        tape.fetched(at(2));
        assert_eq!(minutes(&tape.step(Some(at(3)))), [2, 3, 4, 5]);
        assert_eq!(tape.step(Some(at(9))), Step::Fetch(at(6)..at(8)));
    }

    /// What happens to a tape, in some order.
    #[derive(Clone, Copy, Debug)]
    enum Event {
        Row(i64),
        Time(i64),
    }

    proptest! {
        /// Every row is handed on once, in order, or was late: never lost, never twice. With a perfect archive and
        /// everything suspect, none is missing.
        #[test]
        fn every_row_has_one_fate(
            rows in prop::collection::vec(0i64..40, 0..60),
            times in prop::collection::vec(0i64..80, 0..60),
            order in prop::collection::vec(any::<bool>(), 120),
            archive in any::<bool>(),
        ) {
            let mut tape = tape(0, 40);
            let (mut rows, mut times) = (rows.into_iter(), times.into_iter());
            let events = order.into_iter().map_while(|row| match row {
                true => rows.next().map(Event::Row).or_else(|| times.next().map(Event::Time)),
                false => times.next().map(Event::Time).or_else(|| rows.next().map(Event::Row)),
            });
            let mut now: Option<Timestamp> = None;
            let mut handed: Vec<i64> = Vec::new();
            let mut told = at(0);
            let (mut taken, mut late) = (BTreeSet::new(), BTreeSet::new());
            for event in events {
                match event {
                    Event::Row(minute) => match tape.arrive(candle(minute)) {
                        Arrival::Taken => prop_assert!(taken.insert(minute)),
                        Arrival::Late => {
                            prop_assert!(!taken.contains(&minute) && at(minute) < told);
                            late.insert(minute);
                        }
                        Arrival::Duplicate => prop_assert!(taken.contains(&minute)),
                        Arrival::Odd => prop_assert!(false, "all are on the grid"),
                    },
                    Event::Time(half) => {
                        now = now.max(Some(Timestamp::from_nanos(half * MINUTE / 2)));
                        if archive {
                            tape.suspect(now.unwrap());
                        }
                    }
                }
                loop {
                    match tape.step(now) {
                        step @ Step::Rows(_) => {
                            handed.extend(minutes(&step));
                            told = tape.next();
                        }
                        Step::Time(reached) => {
                            prop_assert!(reached > told);
                            told = reached;
                        }
                        Step::Fetch(range) => {
                            prop_assert!(archive && range.start >= told);
                            for minute in range.start.as_nanos() / MINUTE..range.end.as_nanos() / MINUTE {
                                prop_assert_eq!(tape.arrive(candle(minute)), Arrival::Taken);
                                taken.insert(minute);
                            }
                            tape.fetched(range.end);
                        }
                        Step::Wait(until) => {
                            prop_assert!(now.is_none_or(|now| now < until));
                            break;
                        }
                        Step::End => break,
                    }
                }
            }
            prop_assert!(handed.is_sorted_by(|a, b| a < b));
            prop_assert!(handed.iter().all(|minute| taken.contains(minute) && !late.contains(minute)));
            if archive {
                prop_assert!(late.is_empty());
                prop_assert_eq!(handed.len() as i64, tape.next().as_nanos() / MINUTE);
            }
        }
    }
}
