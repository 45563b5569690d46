//! What is answered to requests for candles behind the present.

use bt_core::{Candle, SourceError, TimeRange, Timestamp};

use crate::desk::Desk;
use crate::listing::{NANOS, Unlisted};
use crate::query::{BadRequest, Klines};
use crate::schedule::next_batch;
use crate::text;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The request is wrong.
    Bad(BadRequest),
    /// The archive is.
    Broken(SourceError),
}

impl From<SourceError> for Refused {
    fn from(error: SourceError) -> Self {
        Refused::Broken(error)
    }
}

/// Candles as they are asked for, of those that have closed.
///
/// From the start asked for on, or else the last ones.
pub(crate) async fn klines(desk: &Desk, asked: &Klines) -> Result<String, Refused> {
    let Klines { symbol, interval, start, end, limit } = asked;
    let number = desk.listing.find(symbol, interval).map_err(|unlisted| {
        Refused::Bad(match unlisted {
            Unlisted::Symbol => BadRequest::new(-1121, "Invalid symbol."),
            Unlisted::Interval => BadRequest::new(-1120, "Invalid interval."),
        })
    })?;
    let step = desk.listing.at(number).timeframe().as_nanos() / NANOS;
    let window = window(desk.range, step, desk.present.now(), *start, *end);
    let candles = match (window, start) {
        (None, _) => Vec::new(),
        (Some(window), Some(_)) => read(desk, number, window, *limit, true).await?,
        (Some(window), None) => last(desk, number, window, step, *limit).await?,
    };
    let rows: Vec<String> = candles.iter().map(|candle| text::row(desk.listing.at(number), candle)).collect();
    Ok(format!("[{}]", rows.join(",")))
}

/// Which starts are wanted, in milliseconds from the first to before the last: of candles of `step` that lie in the
/// range and have closed by `now`.
fn window(range: TimeRange, step: i64, now: i64, start: Option<i64>, end: Option<i64>) -> Option<(i64, i64)> {
    let (from, to) = (range.from().as_nanos() / NANOS, range.to().as_nanos() / NANOS);
    let first = start.map_or(from, |start| start.max(from));
    let closed = now.saturating_sub(step).saturating_add(1).min(to);
    let behind = end.map_or(closed, |end| end.saturating_add(1).min(closed));
    (first < behind).then_some((first, behind))
}

/// The last `limit` candles, looked for in parts that grow, for there may be gaps.
async fn last(
    desk: &Desk,
    number: usize,
    (first, behind): (i64, i64),
    step: i64,
    limit: usize,
) -> Result<Vec<Candle>, SourceError> {
    let mut span = step.saturating_mul(limit as i64);
    loop {
        let begin = behind.saturating_sub(span).max(first);
        let candles = read(desk, number, (begin, behind), limit, false).await?;
        if candles.len() == limit || begin == first {
            return Ok(candles);
        }
        span = span.saturating_mul(4);
    }
}

/// The first `limit` candles that start in a window, or the last.
async fn read(
    desk: &Desk,
    number: usize,
    (first, behind): (i64, i64),
    limit: usize,
    is_first: bool,
) -> Result<Vec<Candle>, SourceError> {
    let at = |millis: i64| Timestamp::from_millis(millis).map_err(bt_core::ConfigError::from);
    let range = TimeRange::new(at(first)?, at(behind)?).map_err(bt_core::ConfigError::from)?;
    let mut source = desk.archive.open(&desk.listing.at(number).series, range).await?;
    let mut candles = Vec::new();
    while !(is_first && candles.len() >= limit) {
        let Some(batch) = next_batch(&mut source).await? else { break };
        candles.extend(batch.iter().filter(|candle| range.contains(candle.start)));
        if !is_first && candles.len() > limit {
            candles.drain(..candles.len() - limit);
        }
    }
    candles.truncate(limit);
    Ok(candles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_where_candles_have_not_closed() {
        let at = |millis| Timestamp::from_millis(millis).unwrap();
        let range = TimeRange::new(at(1_000), at(9_000)).unwrap();
        for (now, start, end, expected) in [
            (1_000, None, None, None),
            (1_999, None, None, None),
            (2_000, None, None, Some((1_000, 1_001))),
            (5_500, None, None, Some((1_000, 4_501))),
            (5_500, Some(2_000), Some(3_000), Some((2_000, 3_001))),
            (5_500, Some(0), Some(i64::MAX), Some((1_000, 4_501))),
            (5_500, Some(3_000), Some(2_999), None),
            (5_500, Some(i64::MAX), None, None),
            (5_500, None, Some(i64::MIN), None),
            (99_000, None, None, Some((1_000, 9_000))),
        ] {
            assert_eq!(window(range, 1_000, now, start, end), expected, "{now} {start:?} {end:?}");
        }
    }
}
