//! How the present moves on.

use bt_core::SourceError;
use tokio::time::{Instant, sleep_until};

use crate::config::Speed;
use crate::desk::Desk;
use crate::listing::NANOS;
use crate::roster::Beat;
use crate::schedule::{Closing, Schedule};

/// How far the present leaps when the candles are over, in milliseconds: time enough for all that was open to be over.
const BEHIND_THE_END: i64 = 30_000;

/// Goes through all of the range, and on behind it.
///
/// # Errors
/// That of a source that fails. Time stands still then.
pub(crate) async fn pace(desk: &Desk, mut schedule: Schedule) -> Result<(), SourceError> {
    desk.roster.wait_for(desk.config.clients).await;
    let to = desk.range.to().as_nanos() / NANOS;
    let times = match desk.config.speed {
        Speed::Max => {
            by_turns(desk, &mut schedule).await?;
            1.0
        }
        Speed::Times(times) => {
            by_time(desk, &mut schedule, times).await?;
            times
        }
    };
    drop(schedule);
    desk.present.run(to.saturating_add(BEHIND_THE_END), times);
    loop {
        send(desk, Beat { at: desk.present.now(), closed: Vec::new(), open: true }).await;
        sleep_until(Instant::now() + desk.config.update_every).await;
    }
}

/// What is to come.
///
/// # Errors
/// That of a source that cannot be opened, or has no first candle.
pub(crate) async fn open(desk: &Desk) -> Result<Schedule, SourceError> {
    let mut sources = Vec::with_capacity(desk.listing.len());
    for listed in desk.listing.iter() {
        sources.push(desk.archive.open(&listed.series, desk.range).await?);
    }
    let mut schedule = Schedule::new(sources, desk.range.to());
    // What is open before anything has closed is at its first price.
    desk.note(schedule.opens().await?);
    Ok(schedule)
}

/// Each instant when everybody has room for it and no request is being answered: while they are, those who ask could
/// not keep up.
async fn by_turns(desk: &Desk, schedule: &mut Schedule) -> Result<(), SourceError> {
    while let Some(Closing { end, candles }) = schedule.next().await? {
        desk.roster.wait_for(1).await;
        desk.counter.empty().await;
        // A little later, as a venue is.
        let at = (end.as_nanos() / NANOS).saturating_add(1);
        desk.note(candles.iter().map(|(number, candle)| (*number, candle.close)));
        desk.present.stand(at);
        send(desk, Beat { at, closed: candles, open: false }).await;
    }
    Ok(())
}

/// Each instant when it is time for it, and open klines in between.
async fn by_time(desk: &Desk, schedule: &mut Schedule, times: f64) -> Result<(), SourceError> {
    let to = desk.range.to().as_nanos() / NANOS;
    desk.present.run(desk.range.from().as_nanos() / NANOS, times);
    let mut update = Instant::now() + desk.config.update_every;
    loop {
        let next = schedule.next_end().await?.map(|end| end.as_nanos() / NANOS);
        let due = desk.present.when(next.unwrap_or(to));
        while update < due {
            sleep_until(update).await;
            send(desk, Beat { at: desk.present.now(), closed: Vec::new(), open: true }).await;
            update += desk.config.update_every;
        }
        sleep_until(due).await;
        let (Some(end), Some(Closing { candles, .. })) = (next, schedule.next().await?) else {
            return Ok(());
        };
        desk.note(candles.iter().map(|(number, candle)| (*number, candle.close)));
        send(desk, Beat { at: desk.present.now().max(end), closed: candles, open: false }).await;
    }
}

async fn send(desk: &Desk, beat: Beat) {
    match desk.config.speed {
        Speed::Max => desk.roster.send(beat).await,
        Speed::Times(_) => {
            let lost = desk.roster.try_send(beat);
            if lost > 0 {
                desk.tally.count(|stats| stats.cut_off += lost);
            }
        }
    }
}
