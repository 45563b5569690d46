//! What connections and the sources that read from them share.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bt_core::{Candle, LogEvent, Timestamp};

use super::config::Overflow;
use super::remarks;
use super::stats::{ConnectionState, ConnectionStats};

/// Connections write, sources read. Nobody waits for anybody: a queue that is full loses candles, by policy.
#[derive(Debug)]
pub(crate) struct Hub(Mutex<State>);

#[derive(Debug)]
struct State {
    connections: Vec<Connection>,
    lanes: Vec<Lane>,
    /// What connections have to say, for any source to tell.
    remarks: VecDeque<LogEvent>,
    /// Remarks that nobody took, and that had to make way.
    unsaid: u64,
    capacity: usize,
    overflow: Overflow,
}

#[derive(Debug)]
struct Connection {
    stats: ConnectionStats,
    lanes: Vec<usize>,
    /// Those of its series that wait for time to come, by instant.
    waiting: BTreeSet<(Timestamp, usize)>,
    /// Messages may have been lost since the last one.
    lossy: bool,
    /// The latest instant that something which arrived may be of.
    reached: Timestamp,
}

/// One series.
#[derive(Debug)]
struct Lane {
    connection: usize,
    queue: VecDeque<Candle>,
    /// Rows that end at or before it may have been lost.
    suspect: Timestamp,
    /// Rows lost to a full queue since that was last told.
    lost: u64,
    refused: Option<Refusal>,
    /// Nobody takes from the queue any more.
    is_left: bool,
    waker: Option<(Timestamp, Waker)>,
}

/// A series is not served, or no more.
#[derive(Debug)]
struct Refusal {
    reason: String,
    /// The venue's time then: what comes later on its connection is of others.
    at: Option<Timestamp>,
}

/// Remarks that wait to be said: a connection may come and go for days while nobody looks.
const REMARKS: usize = 1 << 10;

/// What a series looks at.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Candles that arrived, in that order.
    pub(crate) candles: VecDeque<Candle>,
    /// The venue's time.
    pub(crate) time: Option<Timestamp>,
    /// That time is told by others: the series' own connection is silent.
    pub(crate) silent: bool,
    /// Rows that end at or before it may have been lost.
    pub(crate) suspect: Timestamp,
    /// Rows that a full queue lost since the last look.
    pub(crate) lost: u64,
    /// What is to be told.
    pub(crate) remark: Option<LogEvent>,
    /// Why the venue does not serve the series.
    pub(crate) refused: Option<String>,
}

impl Hub {
    /// A hub of connections that carry so many series each.
    pub(crate) fn new(series: &[usize], capacity: usize, overflow: Overflow) -> Self {
        let mut lanes = Vec::new();
        let connections = series.iter().enumerate().map(|(connection, count)| {
            let first = lanes.len();
            lanes.extend((0..*count).map(|_| Lane {
                connection,
                queue: VecDeque::new(),
                suspect: Timestamp::MIN,
                lost: 0,
                refused: None,
                is_left: false,
                waker: None,
            }));
            // What was before the first message was not heard.
            Connection {
                stats: ConnectionStats::default(),
                lanes: (first..lanes.len()).collect(),
                waiting: BTreeSet::new(),
                lossy: true,
                reached: Timestamp::MIN,
            }
        });
        let connections = connections.collect();
        Hub(Mutex::new(State { connections, lanes, remarks: VecDeque::new(), unsaid: 0, capacity, overflow }))
    }

    /// Whatever could panic under the lock leaves the state whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message has arrived: the venue's time on a connection has come to `at`, and perhaps a closed candle came
    /// with it, for these series. What the venue said before it is of no later instant than `before`.
    pub(crate) fn arrive(
        &self,
        connection: usize,
        at: Timestamp,
        before: Timestamp,
        candle: Option<(&[usize], Candle)>,
    ) {
        let woken = {
            let mut state = self.lock();
            state.time(connection, at, before);
            let (lanes, candle) = candle.unzip();
            let lanes = lanes.into_iter().flatten().zip(candle.iter().cycle());
            let mut woken: Vec<Waker> = lanes.filter_map(|(lane, row)| state.candle(*lane, *row)).collect();
            woken.extend(state.due(connection));
            woken
        };
        woken.into_iter().for_each(Waker::wake);
    }

    /// Messages of a connection may have been lost.
    pub(crate) fn lost(&self, connection: usize) {
        self.lock().connections[connection].lossy = true;
    }

    /// Some series are not served.
    pub(crate) fn refuse<'a>(&self, lanes: impl IntoIterator<Item = &'a usize>, reason: &str) {
        let woken: Vec<Waker> = {
            let mut state = self.lock();
            let refused = lanes.into_iter().filter_map(|&lane| {
                let (at, _) = state.time_of(lane);
                let refusal = Refusal { reason: reason.to_owned(), at };
                state.lanes[lane].refused.get_or_insert(refusal);
                state.take_waker(lane)
            });
            refused.collect()
        };
        woken.into_iter().for_each(Waker::wake);
    }

    /// No series of a connection is served any more.
    pub(crate) fn refuse_all(&self, connection: usize, reason: &str) {
        let lanes = self.lock().connections[connection].lanes.clone();
        self.refuse(&lanes, reason);
    }

    /// Nobody takes the candles of a series any more.
    pub(crate) fn leave(&self, lane: usize) {
        let mut state = self.lock();
        state.lanes[lane].is_left = true;
        state.lanes[lane].queue = VecDeque::new();
        let waker = state.take_waker(lane);
        drop(state);
        drop(waker);
    }

    /// A connection is in another state; `why` is for people.
    pub(crate) fn enter(&self, connection: usize, entered: ConnectionState, why: &str) {
        let woken = {
            let mut state = self.lock();
            let one = &mut state.connections[connection];
            // One that is stale is so until it is heard again.
            let stays = one.stats.state == ConnectionState::Stale && entered == ConnectionState::Reconnecting;
            if one.stats.state == entered || stays {
                return;
            }
            one.stats.state = entered;
            one.stats.connects += u64::from(entered == ConnectionState::Live);
            let event = remarks::state(connection, entered, one.stats.event_time, why);
            state.say(event);
            // Those whose time is told by others may have it now.
            let mut woken = state.due(connection);
            woken.extend(state.anyone());
            woken
        };
        woken.into_iter().for_each(Waker::wake);
    }

    /// Counts something of a connection.
    pub(crate) fn count(&self, connection: usize, count: impl FnOnce(&mut ConnectionStats)) {
        count(&mut self.lock().connections[connection].stats);
    }

    /// Has something said by whoever is next to look.
    pub(crate) fn say(&self, event: LogEvent) {
        let woken = {
            let mut state = self.lock();
            state.say(event);
            state.anyone()
        };
        if let Some(waker) = woken {
            waker.wake();
        }
    }

    /// What there is to know for a series.
    pub(crate) fn look(&self, lane: usize) -> News {
        let mut state = self.lock();
        let (time, silent) = state.time_of(lane);
        let remark = state.remark();
        let one = &mut state.lanes[lane];
        News {
            candles: std::mem::take(&mut one.queue),
            time,
            silent,
            suspect: one.suspect,
            lost: std::mem::take(&mut one.lost),
            remark,
            refused: one.refused.as_ref().map(|refusal| refusal.reason.clone()),
        }
    }

    /// Has `waker` woken when there is anything to look at, or time comes to `until`. Returns whether that is
    /// already so.
    pub(crate) fn wait(&self, lane: usize, until: Timestamp, was_silent: bool, waker: &Waker) -> bool {
        let mut state = self.lock();
        let (time, silent) = state.time_of(lane);
        let one = &state.lanes[lane];
        let is_news = !one.queue.is_empty()
            || one.lost > 0
            || one.refused.is_some()
            || !state.remarks.is_empty()
            || silent != was_silent
            || time.is_some_and(|time| time >= until);
        drop(state.take_waker(lane));
        if !is_news {
            state.lanes[lane].waker = Some((until, waker.clone()));
            let connection = state.lanes[lane].connection;
            state.connections[connection].waiting.insert((until, lane));
        }
        is_news
    }

    /// The counters of all connections.
    pub(crate) fn stats(&self) -> Vec<ConnectionStats> {
        self.lock().connections.iter().map(|connection| connection.stats.clone()).collect()
    }
}

impl State {
    fn time(&mut self, connection: usize, at: Timestamp, before: Timestamp) {
        let State { connections, lanes, .. } = self;
        let one = &mut connections[connection];
        let latest = one.stats.event_time.map_or(at, |before| before.max(at));
        one.stats.event_time = Some(latest);
        one.reached = one.reached.max(before);
        if std::mem::take(&mut one.lossy) {
            one.lanes.iter().for_each(|&lane| lanes[lane].suspect = one.reached);
        }
    }

    /// Queues a candle, and returns who waits for it.
    fn candle(&mut self, lane: usize, candle: Candle) -> Option<Waker> {
        let State { lanes, capacity, overflow, connections, .. } = self;
        let one = &mut lanes[lane];
        if one.is_left {
            return None;
        }
        if one.queue.len() >= *capacity {
            let connection = &mut connections[one.connection];
            one.lost += 1;
            connection.stats.dropped += 1;
            // Which it was shows when it is missed.
            one.suspect = one.suspect.max(connection.reached);
            match overflow {
                Overflow::DropNewest => return None,
                Overflow::DropOldest => drop(one.queue.pop_front()),
            }
        }
        one.queue.push_back(candle);
        self.take_waker(lane)
    }

    /// The venue's time for a series, and whether others tell it.
    fn time_of(&self, lane: usize) -> (Option<Timestamp>, bool) {
        let Lane { connection, refused, .. } = &self.lanes[lane];
        match refused {
            Some(refusal) => (refusal.at, false),
            None => self.time_on(*connection),
        }
    }

    /// The same for all series of a connection that are served.
    fn time_on(&self, connection: usize) -> (Option<Timestamp>, bool) {
        let own = &self.connections[connection].stats;
        if own.state != ConnectionState::Stale {
            return (own.event_time, false);
        }
        let others = self.connections.iter().map(|connection| &connection.stats);
        let living = others.filter(|other| other.state != ConnectionState::Stale);
        (own.event_time.max(living.filter_map(|other| other.event_time).max()), true)
    }

    fn take_waker(&mut self, lane: usize) -> Option<Waker> {
        let one = &mut self.lanes[lane];
        let (until, waker) = one.waker.take()?;
        self.connections[one.connection].waiting.remove(&(until, lane));
        Some(waker)
    }

    /// The wakers of those whose time has come by what was heard of `connection`: its own series, and those of
    /// connections that are silent.
    fn due(&mut self, connection: usize) -> Vec<Waker> {
        let mut woken = Vec::new();
        for number in 0..self.connections.len() {
            if number != connection && self.connections[number].stats.state != ConnectionState::Stale {
                continue;
            }
            let (time, _) = self.time_on(number);
            while let Some((until, lane)) = self.connections[number].waiting.first().copied()
                && time >= Some(until)
            {
                woken.extend(self.take_waker(lane));
            }
        }
        woken
    }

    /// The waker of one who waits, to tell what is to be told.
    fn anyone(&mut self) -> Option<Waker> {
        let (_, lane) = self.connections.iter().find_map(|connection| connection.waiting.first())?;
        self.take_waker(*lane)
    }

    fn say(&mut self, event: LogEvent) {
        if self.remarks.len() == REMARKS {
            self.remarks.pop_front();
            self.unsaid += 1;
        }
        self.remarks.push_back(event);
    }

    /// What is to be said next: how many had to make way comes before those that did not.
    fn remark(&mut self) -> Option<LogEvent> {
        match std::mem::take(&mut self.unsaid) {
            0 => self.remarks.pop_front(),
            unsaid => Some(remarks::unsaid(unsaid)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candle(minute: i64) -> Candle {
        Candle {
            start: Timestamp::from_nanos(minute * 60_000_000_000),
            open: 1.0,
            high: 1.0,
            low: 1.0,
            close: 1.0,
            volume: 1.0,
            trades: bt_core::Trades::UNKNOWN,
            partial: false,
        }
    }

    #[test]
    fn what_is_said_while_nobody_looks_is_bounded_and_what_is_left_out_is_counted() {
        let hub = Hub::new(&[1], 4, Overflow::DropOldest);
        for time in 0..REMARKS + 5 {
            let at = Timestamp::from_nanos(time as i64);
            hub.say(remarks::malformed(0, Some(at), "no sense"));
        }
        let first = hub.look(0).remark.unwrap();
        assert_eq!(first.event, "SOURCE_REMARKS_DROPPED");
        assert!(first.message.starts_with("5 remarks"), "{first:?}");
        let mut said = std::iter::from_fn(|| hub.look(0).remark);
        assert_eq!(said.next().unwrap().sim_time, Some(Timestamp::from_nanos(5)));
        assert_eq!(said.count(), REMARKS - 1);
    }

    #[test]
    fn for_a_series_that_nobody_takes_any_more_nothing_is_kept_or_counted_as_lost() {
        let hub = Hub::new(&[2], 1, Overflow::DropOldest);
        let arrive = |minute| {
            let row = candle(minute);
            hub.arrive(0, row.start, row.start, Some((&[0, 1], row)));
        };
        arrive(0);
        hub.leave(1);
        (1..4).for_each(arrive);
        assert_eq!((hub.look(0).lost, hub.look(1).lost, hub.stats()[0].dropped), (3, 0, 3));
        assert!(hub.look(1).candles.is_empty());
    }
}
