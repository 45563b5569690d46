//! Who is served next, and how much memory is spoken for. Plain data: no threads, no files.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bt_core::{Columns, ConfigError, Timestamp};

use super::job::{Failure, Finished, Id, Job, Parcel, Reading, Task, Work};
use super::place::{Arrival, Client, Place};
use super::unit::{self, Cursor, SLICE_ROWS, Unit};

/// All that the threads and the sources of a pool share.
pub(super) struct State {
    pub(super) budget: u64,
    /// The budget is raised as needed instead of being too small.
    elastic: bool,
    pub(super) threads: usize,
    pub(super) closing: bool,
    /// Threads that have nothing to do.
    pub(super) idle: usize,
    tasks: VecDeque<(Arrival, Task)>,
    clients: BTreeMap<Id, Client>,
    line: BTreeSet<(Place, Id)>,
    arrivals: Arrival,
    next_id: Id,
    slots: u64,
    excess: u64,
    /// The transients of the clients there are, and how many have each.
    transients: BTreeMap<u64, usize>,
    pub(super) reserved: u64,
    pub(super) peak: u64,
    pub(super) started: u64,
    free: Vec<Columns>,
    free_rows: usize,
}

impl State {
    pub(super) fn new(budget: u64, elastic: bool, threads: usize) -> Self {
        State {
            budget,
            elastic,
            threads,
            closing: false,
            idle: 0,
            tasks: VecDeque::new(),
            clients: BTreeMap::new(),
            line: BTreeSet::new(),
            arrivals: 0,
            next_id: 0,
            slots: 0,
            excess: 0,
            transients: BTreeMap::new(),
            reserved: 0,
            peak: 0,
            started: 0,
            free: Vec::new(),
            free_rows: 0,
        }
    }

    pub(super) fn clients(&self) -> usize {
        self.clients.len()
    }

    /// The least budget that will do for the clients there are.
    pub(super) fn floor(&self) -> u64 {
        let transient = self.transients.last_key_value().map_or(0, |(most, _)| *most);
        self.slots.saturating_add(transient.saturating_mul(self.threads as u64))
    }

    pub(super) fn check_budget(&self) -> Result<(), ConfigError> {
        let (budget, floor) = (self.limit(), self.floor());
        if floor > budget { Err(ConfigError::Budget { budget, floor }) } else { Ok(()) }
    }

    /// Bytes that may be reserved, decoding included.
    fn limit(&self) -> u64 {
        if self.elastic { self.budget.max(self.floor().saturating_add(self.slots)) } else { self.budget }
    }

    /// Bytes that may be reserved beyond slots.
    fn shared(&self) -> u64 {
        self.limit().saturating_sub(self.floor())
    }

    /// Those of them that are left.
    fn room(&self) -> u64 {
        self.shared().saturating_sub(self.excess)
    }

    /// Rows that a unit should have, so that all clients can have one in hand and one in work.
    fn target(&self) -> usize {
        let share = self.limit() / (2 * self.clients.len().max(1) as u64) / Columns::ROW_BYTES as u64;
        usize::try_from(share).map_or(SLICE_ROWS, |rows| rows.min(SLICE_ROWS))
    }

    pub(super) fn register(&mut self, reading: Arc<Reading>) -> Id {
        let id = self.next_id;
        self.next_id += 1;
        let (slot, transient) = unit::largest(&reading.entries);
        self.slots = self.slots.saturating_add(slot);
        *self.transients.entry(transient).or_default() += 1;
        let client = Client {
            cursor: Cursor::default(),
            least: Cursor::default().least(&reading.entries),
            slot,
            transient,
            held: 0,
            in_flight: None,
            ready: VecDeque::new(),
            failure: None,
            plan: None,
            frontier: reading.rules.range.from(),
            polled: false,
            waker: None,
            arrival: 0,
            place: None,
            reading,
        };
        self.clients.insert(id, client);
        self.queue(id);
        id
    }

    /// Withdraws all work of a client (R38). What it held is returned, to be dropped without the lock.
    pub(super) fn remove(&mut self, id: Id) -> impl Sized + use<> {
        let client = self.clients.remove(&id)?;
        if let Some(place) = client.place {
            self.line.remove(&(place, id));
        }
        self.excess -= client.excess();
        self.reserved -= client.held;
        self.slots = self.slots.saturating_sub(client.slot);
        match self.transients.get_mut(&client.transient) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.transients.remove(&client.transient)),
        }
        Some(client)
    }

    /// Puts a client in line where it belongs now.
    fn queue(&mut self, id: Id) {
        let (target, shared) = (unit::bytes(self.target()), self.shared());
        let Some(client) = self.clients.get_mut(&id) else { return };
        let place = client.place(target, shared);
        let before = std::mem::replace(&mut client.place, place);
        if before == place {
            return;
        }
        if let Some(place) = before {
            self.line.remove(&(place, id));
        }
        if let Some(place) = place {
            self.line.insert((place, id));
        }
    }

    /// Adds a task, which is waited for from now on.
    pub(super) fn add_task(&mut self, task: Task) {
        let arrival = self.arrive();
        self.tasks.push_back((arrival, task));
    }

    fn arrive(&mut self) -> Arrival {
        self.arrivals += 1;
        self.arrivals
    }

    /// Who is to be served next.
    fn candidate(&mut self) -> Option<Id> {
        let (mut place, mut id) = *self.line.first()?;
        // There may be less to share, and among more, than when it took its place.
        while let Place::Ahead(_) = place {
            self.queue(id);
            let first = *self.line.first()?;
            if first == (place, id) {
                break;
            }
            (place, id) = first;
        }
        let served = match place {
            Place::Waiting(_) => true,
            // The slots alone are too much: nothing is read ahead, and the first poll says why.
            _ if self.check_budget().is_err() => false,
            Place::Hungry(_) => true,
            // Only the first: were a smaller one let past, a large one might never get room.
            Place::Ahead(_) => {
                let client = self.clients.get(&id);
                client.is_some_and(|c| c.least.is_some_and(|bytes| c.cost(bytes) <= self.room()))
            }
        };
        served.then_some(id)
    }

    /// Whether an idle thread should be woken.
    pub(super) fn needs_thread(&mut self) -> bool {
        self.idle > 0 && self.has_work()
    }

    /// Whether a thread is at work, or work waits for one.
    pub(super) fn is_busy(&mut self) -> bool {
        self.idle < self.threads || self.has_work()
    }

    fn has_work(&mut self) -> bool {
        !self.tasks.is_empty() || self.candidate().is_some()
    }

    /// Takes on the next work: what is being waited for, in order of arrival, and then what is read ahead.
    pub(super) fn next_work(&mut self) -> Option<Work> {
        let waiting = self.line.first().map(|(place, _)| *place);
        let task = self.tasks.front().map(|(arrival, _)| Place::Waiting(*arrival));
        if task.is_some_and(|task| waiting.is_none_or(|waiting| task < waiting)) {
            return self.tasks.pop_front().map(|(_, task)| Work::Task(task));
        }
        let id = self.candidate()?;
        let (target, room) = (self.target(), self.room());
        let client = self.clients.get_mut(&id)?;
        let entries = &client.reading.entries;
        // Nobody has asked for it yet: one slice is enough to answer the first question.
        let target = if client.polled { target } else { 0 };
        let (unit, after) = client
            .cursor
            .unit(entries, target)
            .filter(|(unit, _)| client.cost(unit.bytes()) <= room)
            .or_else(|| client.cursor.unit(entries, 0))?;
        let bytes = unit.bytes();
        let cost = client.cost(bytes);
        let plan = client.plan.as_ref().filter(|(entry, _)| *entry == unit.entry);
        let plan = plan.map(|(_, plan)| Arc::clone(plan));
        client.cursor = after;
        client.least = after.least(entries);
        client.held += bytes;
        client.in_flight = Some(bytes);
        let reading = Arc::clone(&client.reading);
        self.excess += cost;
        self.reserved += bytes;
        self.peak = self.peak.max(self.reserved);
        self.started += 1;
        let wanted = unit.rows().div_ceil(reading.chunk_rows);
        // Bytes are counted by rows: in a buffer that is much larger, a few of them would hold far more (R37).
        let most = 2 * unit.rows().min(reading.chunk_rows);
        let fits = |columns: &mut Columns| columns.start.capacity() <= most;
        let buffers: Vec<Columns> = self.free.extract_if(.., fits).take(wanted).collect();
        self.free_rows -= buffers.iter().map(|columns| columns.start.capacity()).sum::<usize>();
        self.queue(id);
        Some(Work::Unit(Job { id, reading, unit, plan, buffers }))
    }

    /// Hands the chunks of a part of a unit to its client. Returns whether the client is still there, and
    /// whom to wake, without the lock.
    pub(super) fn deliver(&mut self, id: Id, parcels: Vec<Parcel>) -> (bool, Option<Waker>) {
        let Some(client) = self.clients.get_mut(&id) else { return (false, None) };
        for parcel in &parcels {
            if let Some(left) = &mut client.in_flight {
                *left = left.saturating_sub(parcel.bytes);
            }
            client.frontier = client.frontier.max(parcel.reached.unwrap_or(Timestamp::MIN));
        }
        client.ready.extend(parcels);
        let waker = if client.ready.is_empty() { None } else { client.waker.take() };
        self.queue(id);
        (true, waker)
    }

    /// Ends a unit. Returns whom to wake.
    pub(super) fn finish(&mut self, id: Id, unit: &Unit, finished: Finished) -> Option<Waker> {
        let Finished { plan, buffers, error } = finished;
        for columns in buffers {
            self.give_back(columns);
        }
        let client = self.clients.get_mut(&id)?;
        let left = client.in_flight.take().unwrap_or(0);
        client.plan = plan.filter(|_| client.cursor.entry == unit.entry).map(|plan| (unit.entry, plan));
        if let Some(error) = error {
            client.least = None;
            client.failure = Some(Failure { entry: unit.entry, error });
        }
        let over = client.least.is_none();
        let waker = if over || !client.ready.is_empty() { client.waker.take() } else { None };
        self.release(id, left);
        waker
    }

    /// Frees bytes that a client had reserved.
    pub(super) fn release(&mut self, id: Id, bytes: u64) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let before = client.excess();
        client.held -= bytes;
        self.excess -= before - client.excess();
        self.reserved -= bytes;
        self.queue(id);
    }

    /// Keeps columns to be used again, if there are not too many.
    pub(super) fn give_back(&mut self, columns: Columns) {
        let rows = columns.start.capacity();
        if self.free_rows + rows <= (self.threads + 1) * SLICE_ROWS {
            self.free_rows += rows;
            self.free.push(columns);
        }
    }

    /// The next chunk of a client, or its error, or its end. If there is none yet, it is waited for. Returns
    /// a waker that is no longer needed too, to be dropped without the lock.
    pub(super) fn poll(&mut self, id: Id, cx: &Context<'_>) -> (Polled, Option<Waker>) {
        let now = self.arrive();
        let Some(client) = self.clients.get_mut(&id) else { return (Poll::Ready(None), None) };
        client.polled = true;
        let polled = if let Some(parcel) = client.ready.pop_front() {
            Poll::Ready(Some(Ok(parcel)))
        } else if client.in_flight.is_some() {
            Poll::Pending
        } else if let Some(failure) = client.failure.take() {
            Poll::Ready(Some(Err(failure)))
        } else if client.least.is_none() {
            Poll::Ready(None)
        } else {
            Poll::Pending
        };
        let old = if polled.is_pending() {
            if client.waker.is_none() {
                client.arrival = now;
            }
            match &client.waker {
                Some(waker) if waker.will_wake(cx.waker()) => None,
                _ => client.waker.replace(cx.waker().clone()),
            }
        } else {
            client.waker.take()
        };
        self.queue(id);
        (polled, old)
    }
}

pub(super) type Polled = Poll<Option<Result<Parcel, Failure>>>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Reason, Rules, Run, Verdict};
    use crate::chunk::Chunk;
    use crate::files::Entry;
    use crate::files::FileInfo;
    use crate::limits::Terms;
    use bt_core::{TimeRange, Timeframe};
    use futures::task::noop_waker_ref;

    const MINUTE: i64 = 60_000_000_000;
    const ROW: u64 = Columns::ROW_BYTES as u64;

    /// A source of row groups of 100 rows, from a minute on.
    fn reading(from: i64, groups: usize) -> Arc<Reading> {
        reading_of(from, &vec![100; groups])
    }

    fn reading_of(from: i64, groups: &[u32]) -> Arc<Reading> {
        let [from, to] = [from, 1_000_000].map(|minute| Timestamp::from_nanos(minute * MINUTE));
        Arc::new(Reading {
            entries: vec![Entry::File(FileInfo::for_test(groups))],
            terms: Terms::default(),
            rules: Rules { timeframe: Timeframe::MINUTE, range: TimeRange::new(from, to).unwrap() },
            chunk_rows: 100,
        })
    }

    fn job(state: &mut State) -> Option<Job> {
        match state.next_work()? {
            Work::Unit(job) => Some(job),
            Work::Task(_) => panic!("a task"),
        }
    }

    /// Does a unit as a thread would, with rows that end at a minute.
    fn done(state: &mut State, job: Job, last: i64) -> bool {
        done_with(state, job, last, &[])
    }

    /// Does a unit as a thread would, with rows that end at a minute, but for the last ones: these are of other
    /// minutes, and something else.
    fn done_with(state: &mut State, job: Job, last: i64, others: &[(i64, Verdict)]) -> bool {
        let Job { id, unit, .. } = job;
        let parcels = unit.parts.iter().map(|part| {
            let fine = part.rows.len() - others.len();
            let mut start = vec![Timestamp::from_nanos(last * MINUTE); fine];
            let mut runs = vec![Run { end: fine as u32, verdict: Verdict::Fine }];
            for (minute, verdict) in others {
                start.push(Timestamp::from_nanos(minute * MINUTE));
                runs.push(Run { end: start.len() as u32, verdict: *verdict });
            }
            let columns = Arc::new(Columns { start, ..Columns::default() });
            let chunk = Chunk { rows: 0..columns.start.len(), columns, runs, number: 0 };
            Parcel::new(0, chunk)
        });
        let woken = state.deliver(id, parcels.collect()).1.is_some();
        state.finish(id, &unit, Finished { plan: None, buffers: Vec::new(), error: None }).is_some() || woken
    }

    fn poll(state: &mut State, id: Id) -> Polled {
        state.poll(id, &Context::from_waker(noop_waker_ref())).0
    }

    #[test]
    fn r37_a_few_rows_are_not_put_into_a_large_buffer() {
        let mut state = State::new(1 << 30, false, 1);
        state.register(reading(0, 9));
        for rows in [8192, 150, 201, 100] {
            state.give_back(Columns { start: Vec::with_capacity(rows), ..Columns::default() });
        }
        let job = job(&mut state).unwrap();
        let capacities: Vec<usize> = job.buffers.iter().map(|columns| columns.start.capacity()).collect();
        assert_eq!((job.unit.rows(), capacities), (100, vec![150]));
        let left: Vec<usize> = state.free.iter().map(|columns| columns.start.capacity()).collect();
        assert_eq!((left, state.free_rows), (vec![8192, 201, 100], 8493));
    }

    #[test]
    fn the_client_that_is_waited_for_comes_first_then_the_one_that_was_read_least_far() {
        let mut state = State::new(1 << 30, false, 1);
        let ids = [30, 10, 20].map(|from| state.register(reading(from, 9)));
        assert!(poll(&mut state, ids[0]).is_pending());
        let waited = job(&mut state).unwrap();
        assert_eq!(waited.id, ids[0]);
        assert_eq!(job(&mut state).unwrap().id, ids[1]);
        assert_eq!(job(&mut state).unwrap().id, ids[2]);
        // One unit of each is in work, and more than one never is.
        assert!(job(&mut state).is_none());
        assert!(done(&mut state, waited, 500));
        assert!(poll(&mut state, ids[0]).is_ready());
    }

    #[test]
    fn what_is_waited_for_is_served_in_order_of_arrival_and_reading_ahead_comes_after_it() {
        let mut state = State::new(1 << 30, false, 1);
        let ids = [40, 10, 20, 30].map(|from| state.register(reading(from, 9)));
        state.add_task(Box::new(|| {}));
        for id in [ids[3], ids[2], ids[3]] {
            assert!(poll(&mut state, id).is_pending());
        }
        state.add_task(Box::new(|| {}));
        assert!(poll(&mut state, ids[0]).is_pending());
        let mut served = Vec::new();
        while let Some(work) = state.next_work() {
            served.push(match work {
                Work::Unit(job) => Some(job.id),
                Work::Task(_) => None,
            });
        }
        assert_eq!(served, [None, Some(ids[3]), Some(ids[2]), None, Some(ids[0]), Some(ids[1])]);
    }

    #[test]
    fn whoever_always_waits_again_holds_nobody_up() {
        let mut state = State::new(1 << 30, false, 1);
        let [greedy, other] = [10, 900].map(|from| state.register(reading(from, 1_000_000)));
        assert!(poll(&mut state, greedy).is_pending());
        assert!(poll(&mut state, other).is_pending());
        let first = job(&mut state).unwrap();
        assert_eq!(first.id, greedy);
        state.add_task(Box::new(|| {}));
        done(&mut state, first, 11);
        // It takes all that there is, and waits again before anybody else is served.
        while let Poll::Ready(Some(Ok(parcel))) = poll(&mut state, greedy) {
            state.release(greedy, parcel.bytes);
        }
        assert_eq!(job(&mut state).unwrap().id, other);
        assert!(matches!(state.next_work(), Some(Work::Task(_))));
        assert_eq!(job(&mut state).unwrap().id, greedy);
    }

    #[test]
    fn a_start_that_is_wrong_changes_nobodys_place() {
        for (wrong, verdict) in [
            (0, Verdict::Failed(Reason::Time)),
            (0, Verdict::Ignored),
            (100_000_000, Verdict::Ignored),
            (100_000, Verdict::Failed(Reason::OffGrid)),
            (100_000, Verdict::NotFinal),
        ] {
            let mut state = State::new(1 << 30, false, 1);
            let ids = [10, 20, 30].map(|from| state.register(reading(from, 100_000)));
            for (id, (last, others)) in
                ids.into_iter().zip([(800, &[][..]), (700, &[(wrong, verdict)]), (900, &[])])
            {
                assert!(poll(&mut state, id).is_pending());
                let next = job(&mut state).unwrap();
                done_with(&mut state, next, last, others);
                while poll(&mut state, id).is_ready() {}
                // All is still held, and nobody waits.
                assert!(poll(&mut state, id).is_pending());
                drop(state.clients.get_mut(&id).unwrap().waker.take());
                state.queue(id);
            }
            let order = [1, 0, 2].map(|client: usize| ids[client]);
            assert_eq!([(); 3].map(|()| job(&mut state).unwrap().id), order, "{wrong} {verdict:?}");
        }
    }

    #[test]
    fn r37_the_floor_is_that_of_the_clients_there_are() {
        let mut state = State::new(1 << 30, false, 2);
        let ids = [3, 7, 7].map(|transient| {
            let mut reading = reading(10, 9);
            for entry in &mut Arc::get_mut(&mut reading).unwrap().entries {
                if let Entry::File(info) = entry {
                    info.transient = transient;
                }
            }
            state.register(reading)
        });
        let slots = |count: u64| count * 100 * ROW;
        assert_eq!(state.floor(), slots(3) + 2 * 7);
        for (id, floor) in ids.into_iter().rev().zip([slots(2) + 14, slots(1) + 6, 0]) {
            drop(state.remove(id));
            assert_eq!(state.floor(), floor);
        }
    }

    #[test]
    fn r37_slots_are_nobody_elses_and_the_rest_is_shared() {
        // Room for two slots and one slice more.
        let mut state = State::new(3 * 100 * ROW, false, 1);
        let ids = [10, 20].map(|from| state.register(reading(from, 9)));
        assert_eq!(state.floor(), 2 * 100 * ROW);
        assert!(poll(&mut state, ids[0]).is_pending());
        for last in [110, 210] {
            let next = job(&mut state).unwrap();
            assert_eq!((next.id, next.unit.rows()), (ids[0], 100));
            done(&mut state, next, last);
            if last == 110 {
                // It is further ahead now than the other, which nobody has polled yet.
                let other = job(&mut state).unwrap();
                assert_eq!(other.id, ids[1]);
                done(&mut state, other, 120);
            }
        }
        assert!(job(&mut state).is_none(), "all room is taken");
        assert_eq!((state.reserved, state.room()), (3 * 100 * ROW, 0));
        // The other is waited for: its slot is its own.
        let Poll::Ready(Some(Ok(parcel))) = poll(&mut state, ids[1]) else { panic!("a parcel") };
        assert!(job(&mut state).is_none());
        state.release(ids[1], parcel.bytes);
        assert!(poll(&mut state, ids[1]).is_pending());
        assert_eq!(job(&mut state).unwrap().id, ids[1]);
        assert_eq!(state.reserved, 3 * 100 * ROW);
    }

    #[test]
    fn r37_read_ahead_ends_after_a_few_units() {
        let mut state = State::new(1 << 40, false, 1);
        let id = state.register(reading(10, 100_000));
        assert!(poll(&mut state, id).is_pending());
        let mut rows = 0;
        while let Some(next) = job(&mut state) {
            rows += next.unit.rows();
            done(&mut state, next, 500);
        }
        let most = super::super::place::READ_AHEAD as usize * SLICE_ROWS;
        assert!((most - SLICE_ROWS..=most).contains(&rows), "{rows}");
    }

    #[test]
    fn r37_a_unit_that_never_fits_does_not_keep_others_from_being_read_ahead() {
        // To share: 15 rows beyond the slots; or a whole unit of the large one, of which another takes half.
        for (shared, third) in [(15, None), (100, Some(50))] {
            let mut state = State::new((110 + shared) * ROW, false, 1);
            let [large, small] = [(10, [100; 9]), (20, [10; 9])]
                .map(|(from, groups)| state.register(reading_of(from, &groups)));
            for (id, last) in [(large, 110), (small, 500)] {
                assert!(poll(&mut state, id).is_pending());
                let next = job(&mut state).unwrap();
                assert_eq!(next.id, id);
                done(&mut state, next, last);
            }
            if let Some(rows) = third {
                let id = state.register(reading_of(30, &[rows; 9]));
                let next = job(&mut state).unwrap();
                assert_eq!(next.id, id);
                done(&mut state, next, 600);
                for _ in 0..2 {
                    let Poll::Ready(Some(Ok(parcel))) = poll(&mut state, small) else { panic!("a parcel") };
                    state.release(small, parcel.bytes);
                }
            }
            let ahead = job(&mut state).unwrap();
            assert_eq!(ahead.id, small);
            done(&mut state, ahead, 510);
            assert!(job(&mut state).is_none());
            // When it is waited for, it gets its unit.
            let Poll::Ready(Some(Ok(parcel))) = poll(&mut state, large) else { panic!("a parcel") };
            state.release(large, parcel.bytes);
            assert!(poll(&mut state, large).is_pending());
            assert_eq!(job(&mut state).unwrap().id, large);
            assert!(state.reserved <= state.budget);
        }
    }

    #[test]
    fn r37_below_the_floor_nothing_is_read_ahead() {
        let mut state = State::new(100 * ROW, false, 1);
        let first = state.register(reading(10, 2));
        assert!(state.check_budget().is_ok());
        state.register(reading(10, 2));
        assert!(job(&mut state).is_none() && state.check_budget().is_err());
        drop(state.remove(first));
        assert!(job(&mut state).is_some() && state.check_budget().is_ok());
        let mut elastic = State::new(1, true, 1);
        elastic.register(reading(10, 2));
        assert!(job(&mut elastic).is_some() && elastic.check_budget().is_ok());
    }

    #[test]
    fn r38_what_a_removed_client_held_is_free_and_late_results_are_discarded() {
        let mut state = State::new(1 << 30, false, 1);
        let ids = [10, 20].map(|from| state.register(reading(from, 9)));
        for id in ids {
            assert!(poll(&mut state, id).is_pending());
        }
        let (late, other) = (job(&mut state).unwrap(), job(&mut state).unwrap());
        drop(state.remove(late.id));
        assert_eq!(state.reserved, other.unit.bytes());
        assert!(!done(&mut state, late, 100));
        drop(state.remove(other.id));
        assert_eq!((state.reserved, state.excess, state.slots, state.clients()), (0, 0, 0, 0));
        assert!(state.line.is_empty() && job(&mut state).is_none());
    }
}
