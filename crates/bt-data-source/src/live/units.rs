//! Where a live source has its rows from.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bt_core::{Candle, Columns, LogEvent, Recycler, Series, SourceError, Timestamp, error_chain};
use tokio::time::timeout;

use super::backfill::{Backfill, BackfillError, Fetch};
use super::connection::Tasks;
use super::hub::{Hub, News};
use super::tape::{Arrival, Step, Tape};
use super::{LiveError, remarks};
use crate::check::{Rules, is_sound};
use crate::chunk::{Chunk, Unit, Units};
use crate::remark::Remark;

/// The rows of one live series.
#[derive(Debug)]
pub(crate) struct LiveUnits {
    pub(crate) series: Series,
    pub(crate) rules: Rules,
    pub(crate) hub: Arc<Hub>,
    /// Keeps the connections going.
    pub(crate) _tasks: Arc<Tasks>,
    /// The series, in the hub.
    pub(crate) lane: usize,
    pub(crate) tape: Tape,
    pub(crate) backfill: Option<Arc<dyn Backfill>>,
    /// Rows to be asked for at a time.
    pub(crate) page: usize,
    /// How long others are held up for a series whose connection is silent.
    pub(crate) patience: Duration,
    pub(crate) course: Course,
    pub(crate) recycler: Recycler<Columns>,
}

/// Columns that may be downstream at a time and still come back.
pub(crate) const BUFFERS: usize = 4;

/// How far it has come.
#[derive(Default)]
pub(crate) struct Course {
    /// What is to be handed on before anything else.
    ready: VecDeque<Unit>,
    fetching: Option<(Range<Timestamp>, Fetch)>,
    time: Option<Timestamp>,
    /// The connection is, and others tell the time.
    silent: bool,
    /// So is the archive, and nobody knows what happens.
    stale: bool,
    told_stale: bool,
    /// The archive failed while the connection was silent, and is asked no more before it speaks.
    unanswered: bool,
    is_live: bool,
    /// Why the venue does not serve the series, which is told when all that came before is handed on.
    refused: Option<String>,
    rows: u64,
}

/// Rows that may wait for one before them: a venue that sends ever later ones is no reason to hold them all.
const AHEAD: usize = 1 << 16;

impl LiveUnits {
    /// Takes what has arrived.
    fn look(&mut self) {
        let News { candles, time, silent, suspect, lost, remark, refused } = self.hub.look(self.lane);
        self.course.refused = refused;
        self.course.ready.extend(remark.map(|event| Unit::Said(Box::new(event))));
        // While it is cut off, a series learns from the archive what happens, or not at all.
        self.course.unanswered &= silent;
        let asks = silent && self.backfill.is_some() && !self.course.unanswered;
        self.tape.suspect(time.filter(|_| asks).unwrap_or(suspect).max(suspect));
        candles.into_iter().for_each(|candle| self.arrive(candle));
        let lost = lost + self.tape.lose_beyond(AHEAD);
        if lost > 0 {
            self.say(remarks::dropped(&self.series, lost));
        }
        (self.course.time, self.course.silent, self.course.stale) = (time, silent, silent && !asks);
        if time.is_some()
            && !self.course.is_live
            && let Some(first) = self.tape.caught_up()
        {
            self.course.is_live = true;
            self.say(remarks::live(&self.series, first));
        }
    }

    fn say(&mut self, event: LogEvent) {
        self.course.ready.push_back(Unit::Said(Box::new(event)));
    }

    fn arrive(&mut self, candle: Candle) {
        let start = candle.start;
        match self.place(candle) {
            Arrival::Taken => {}
            Arrival::Duplicate => self.pass_over(Unit::Dropped(Remark::Duplicate { start })),
            Arrival::Late => self.pass_over(Unit::Dropped(Remark::Late { start })),
            Arrival::Odd => self.odd(candle),
        }
    }

    /// A row that fails takes no place in the order: another may still come there (R7).
    fn place(&mut self, candle: Candle) -> Arrival {
        if is_sound(&candle) { self.tape.arrive(candle) } else { Arrival::Odd }
    }

    fn odd(&mut self, candle: Candle) {
        let unit = self.rows(vec![candle]);
        self.pass_over(unit);
    }

    /// What is said of a row comes behind the rows before it (R29).
    fn pass_over(&mut self, unit: Unit) {
        while let Some(rows) = self.tape.take_in_step() {
            let before = self.rows(rows);
            self.course.ready.push_back(before);
        }
        self.course.ready.push_back(unit);
    }

    fn rows(&mut self, rows: Vec<Candle>) -> Unit {
        let number = self.course.rows;
        self.course.rows += rows.len() as u64;
        let mut columns = self.recycler.take();
        columns.clear();
        columns.extend(rows);
        let all = 0..columns.len();
        Unit::Rows(Chunk::new(self.recycler.lend(columns), all, number, self.rules))
    }

    /// What was asked for is there, or not to be had.
    fn fetched(&mut self, range: Range<Timestamp>, answer: Result<Vec<Candle>, BackfillError>) {
        match answer {
            Ok(rows) => {
                let until = match rows.last() {
                    Some(last) if rows.len() >= self.page => Timestamp::from_nanos(last.start.as_nanos() + 1),
                    _ => range.end,
                };
                self.say(remarks::filled(&self.series, &range, rows.len()));
                // Some of them may have come by themselves by now, which is no news.
                for row in rows.into_iter().filter(|row| range.contains(&row.start)) {
                    if self.place(row) == Arrival::Odd {
                        self.odd(row);
                    }
                }
                self.tape.fetched(until);
            }
            Err(error) => {
                self.course.unanswered = true;
                self.give_up(&range, &error_chain(&error));
            }
        }
    }

    /// Asks for rows that may have been lost, if there is anybody to ask.
    fn fetch(&mut self, range: Range<Timestamp>) {
        match &self.backfill {
            Some(backfill) => {
                let fetch = backfill.fetch(&self.series, range.clone(), self.page);
                let fetch = if self.course.silent { within(self.patience, fetch) } else { fetch };
                self.course.fetching = Some((range, fetch));
            }
            None => self.give_up(&range, "there is nowhere to fetch them from"),
        }
    }

    /// What may have been lost stays so.
    fn give_up(&mut self, range: &Range<Timestamp>, reason: &str) {
        self.say(remarks::unfilled(&self.series, range, reason));
        self.tape.fetched(range.end);
    }

    /// Nothing is there before the venue's time is `until`: says what there is to say of that, or waits.
    fn poll_wait(&mut self, until: Timestamp, cx: &Context<'_>) -> Poll<()> {
        let Course { silent, stale, told_stale, .. } = self.course;
        if stale != told_stale {
            self.tell_time(self.tape.next());
        } else if !self.hub.wait(self.lane, until, silent, cx.waker()) {
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn refusal(&self, reason: String) -> SourceError {
        SourceError::Other(Box::new(LiveError::Refused { series: self.series.clone(), reason }))
    }

    fn tell_time(&mut self, watermark: Timestamp) {
        let stale = self.course.stale;
        self.course.told_stale = stale;
        self.course.ready.push_back(Unit::Time { watermark, stale });
    }
}

/// The answer, if it comes within `limit`.
fn within(limit: Duration, fetch: Fetch) -> Fetch {
    Box::pin(async move { timeout(limit, fetch).await.unwrap_or(Err(BackfillError::Late { limit })) })
}

impl Units for LiveUnits {
    fn poll_unit(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Unit, SourceError>>> {
        loop {
            if let Some(unit) = self.course.ready.pop_front() {
                return Poll::Ready(Some(Ok(unit)));
            }
            if let Some((_, fetch)) = &mut self.course.fetching {
                let answer = ready!(fetch.as_mut().poll(cx));
                if let Some((range, _)) = self.course.fetching.take() {
                    self.fetched(range, answer);
                }
                continue;
            }
            self.look();
            if !self.course.ready.is_empty() {
                continue;
            }
            match self.tape.step(self.course.time) {
                Step::Rows(rows) => {
                    let unit = self.rows(rows);
                    self.course.ready.push_back(unit);
                }
                Step::Time(watermark) => self.tell_time(watermark),
                Step::Fetch(range) => self.fetch(range),
                Step::Wait(until) => match self.course.refused.take() {
                    Some(reason) => return Poll::Ready(Some(Err(self.refusal(reason)))),
                    None => ready!(self.poll_wait(until, cx)),
                },
                Step::End => return Poll::Ready(None),
            }
        }
    }

    fn passed(&mut self, _: Arc<Columns>) {}
}

impl Drop for LiveUnits {
    fn drop(&mut self) {
        self.hub.leave(self.lane);
    }
}

impl fmt::Debug for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fetching = self.fetching.as_ref().map(|(range, _)| range);
        f.debug_struct("Course")
            .field("time", &self.time)
            .field("fetching", &fetching)
            .finish_non_exhaustive()
    }
}
