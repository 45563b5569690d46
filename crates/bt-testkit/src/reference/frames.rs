//! Bars to frames: R19 to R24.

use std::collections::BTreeSet;

use bt_core::{Candle, EmptyReason, FillReason, Frame, Series, Slot, Timestamp, Trades};

/// At which closes there is a frame (R21).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Where at least one series has a bar.
    Outer,
    /// Where every due series has a bar, and at least one does.
    Inner,
}

/// What a due series without a bar gets after its first one (R22).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// A candle at its previous close.
    Forward,
    /// Nothing: it is missing.
    None,
}

/// How frames are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRules {
    /// At which closes there is a frame.
    pub align: Align,
    /// What a due series without a bar gets.
    pub fill: Fill,
    /// Most `Filled` slots of a series in the frames since its last bar; `None` for no limit.
    pub fill_limit: Option<u64>,
}

impl Default for FrameRules {
    /// Outer, forward, no limit.
    fn default() -> Self {
        FrameRules { align: Align::Outer, fill: Fill::Forward, fill_limit: None }
    }
}

/// The bars of a series that is to be lined up.
#[derive(Clone, Debug, PartialEq)]
pub struct RefSeries {
    /// Which it is.
    pub series: Series,
    /// Its bars, in order.
    pub bars: Vec<Candle>,
    /// Where it ends by declaration (R23); `None` if never.
    pub declared_end: Option<Timestamp>,
}

/// A frame in plain vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct RefFrame {
    /// Its close instant.
    pub close: Timestamp,
    /// One slot per series, in the order of R20.
    pub slots: Vec<Slot>,
}

impl From<&Frame> for RefFrame {
    fn from(frame: &Frame) -> Self {
        RefFrame { close: frame.close(), slots: frame.slots().collect() }
    }
}

/// The frames of these series, whose order does not matter.
///
/// # Panics
/// If a series is given twice (R18), or a bar starts at or after the declared end of its series.
pub fn frames(series: &[RefSeries], rules: FrameRules) -> Vec<RefFrame> {
    let mut series: Vec<&RefSeries> = series.iter().collect();
    series.sort_by(|a, b| r20(&a.series, &b.series));
    for pair in series.windows(2) {
        assert_ne!(pair[0].series, pair[1].series, "a series is given once");
    }
    for s in &series {
        let ended = |bar: &Candle| s.declared_end.is_some_and(|end| bar.start >= end);
        assert!(!s.bars.iter().any(ended), "{} has no bar at or after its declared end", s.series);
    }

    let closes: BTreeSet<Timestamp> =
        series.iter().flat_map(|s| s.bars.iter().map(|bar| close_of(s, bar))).collect();
    let mut fills = vec![0; series.len()];
    let mut frames = Vec::new();
    for close in closes {
        if rules.align == Align::Inner
            && series.iter().any(|s| is_due(s, close) && bar_at(s, close).is_none())
        {
            continue;
        }
        let slots = series.iter().zip(&mut fills).map(|(s, fills)| slot(s, close, rules, fills)).collect();
        frames.push(RefFrame { close, slots });
    }
    frames
}

/// Timeframe ascending, then instrument by bytes.
fn r20(a: &Series, b: &Series) -> std::cmp::Ordering {
    let by_timeframe = a.timeframe().as_nanos().cmp(&b.timeframe().as_nanos());
    by_timeframe.then_with(|| {
        let [a, b] = [a, b].map(|s| s.instrument().to_string().into_bytes());
        a.cmp(&b)
    })
}

fn slot(s: &RefSeries, close: Timestamp, rules: FrameRules, fills: &mut u64) -> Slot {
    if let Some(bar) = bar_at(s, close) {
        *fills = 0;
        return Slot::Bar(bar);
    }
    if !is_on_grid(s, close) {
        return Slot::Empty(EmptyReason::NotDue);
    }
    if !is_due(s, close) {
        return Slot::Empty(EmptyReason::Ended);
    }
    let Some(previous) = s.bars.iter().rev().find(|bar| close_of(s, bar) < close) else {
        return Slot::Empty(EmptyReason::NotStarted);
    };
    if rules.fill == Fill::None || rules.fill_limit.is_some_and(|limit| *fills >= limit) {
        return Slot::Empty(EmptyReason::Missing);
    }
    *fills += 1;
    let price = previous.close;
    let candle = Candle {
        start: close.saturating_add_nanos(-s.series.timeframe().as_nanos()),
        open: price,
        high: price,
        low: price,
        close: price,
        volume: 0.0,
        trades: Trades::ZERO,
        partial: false,
    };
    Slot::Filled { candle, reason: FillReason::Quiet }
}

fn is_due(s: &RefSeries, close: Timestamp) -> bool {
    let start = i128::from(close.as_nanos()) - i128::from(s.series.timeframe().as_nanos());
    is_on_grid(s, close) && s.declared_end.is_none_or(|end| start < end.as_nanos().into())
}

fn is_on_grid(s: &RefSeries, close: Timestamp) -> bool {
    close.as_nanos() % s.series.timeframe().as_nanos() == 0
}

fn close_of(s: &RefSeries, bar: &Candle) -> Timestamp {
    s.series.timeframe().end_of(bar.start).expect("a bar ends within time")
}

fn bar_at(s: &RefSeries, close: Timestamp) -> Option<Candle> {
    s.bars.iter().find(|bar| close_of(s, bar) == close).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(minute: i64) -> Timestamp {
        Timestamp::from_secs(60 * minute).unwrap()
    }

    /// Bars that start at the given minutes, each with its minute as close.
    fn series(name: &str, starts: &[i64], end: Option<i64>) -> RefSeries {
        let bar = |m: &i64| Candle {
            start: minute(*m),
            open: 0.0,
            high: 99.0,
            low: 0.0,
            close: *m as f64,
            volume: 1.0,
            trades: Trades::UNKNOWN,
            partial: false,
        };
        RefSeries {
            series: name.parse().unwrap(),
            bars: starts.iter().map(bar).collect(),
            declared_end: end.map(minute),
        }
    }

    /// `minute: slot slot …`: `bar` as its close, filled as `~close`, empty by reason.
    fn show(frames: &[RefFrame]) -> Vec<String> {
        let slot = |slot: &Slot| match slot {
            Slot::Bar(bar) => format!("{}", bar.close),
            Slot::Filled { candle, reason: FillReason::Quiet } => format!("~{}", candle.close),
            other => other.reason().to_owned(),
        };
        let line = |f: &RefFrame| {
            let slots: Vec<_> = f.slots.iter().map(slot).collect();
            format!("{}: {}", f.close.as_nanos() / 60_000_000_000, slots.join(" "))
        };
        frames.iter().map(line).collect()
    }

    fn limited(fill_limit: u64) -> FrameRules {
        FrameRules { fill_limit: Some(fill_limit), ..FrameRules::default() }
    }

    #[test]
    fn r20_slots_by_timeframe_then_instrument_whatever_the_order_given() {
        let mut given = vec![
            series("a.s:A@5m", &[0], None),
            series("b.s:A@1m", &[3], None),
            series("a.s:Z@1m", &[4], None),
            series("a.s:B@60s", &[4], None),
        ];
        let expected = ["4: not_started not_started 3 not_due", "5: 4 4 ~3 0"];
        for _ in 0..given.len() {
            assert_eq!(show(&frames(&given, FrameRules::default())), expected);
            given.rotate_left(1);
        }
    }

    #[test]
    fn r21_outer_has_a_frame_at_every_close_of_any_bar() {
        let given = [series("a.s:A@1m", &[0, 2, 5], None), series("a.s:A@3m", &[0], None)];
        // Nothing at 2, 4, 5: no bar closes there, due or not.
        assert_eq!(show(&frames(&given, FrameRules::default())), ["1: 0 not_due", "3: 2 0", "6: 5 ~0"]);
    }

    #[test]
    fn r21_inner_has_a_frame_where_every_due_series_has_a_bar() {
        let given = [series("a.s:A@1m", &[0, 1, 2, 5], Some(6)), series("a.s:A@3m", &[0, 6], None)];
        let rules = FrameRules { align: Align::Inner, ..FrameRules::default() };
        // Not at 6: the second is due without a bar. At 9 the first has ended, so it is not due.
        assert_eq!(show(&frames(&given, rules)), ["1: 0 not_due", "2: 1 not_due", "3: 2 0", "9: ended 6"]);
    }

    #[test]
    fn r21_inner_waits_for_a_series_that_has_not_started() {
        let given = [series("a.s:A@1m", &[0, 1, 2], None), series("a.s:B@1m", &[2], None)];
        let rules = FrameRules { align: Align::Inner, ..FrameRules::default() };
        assert_eq!(show(&frames(&given, rules)), ["3: 2 2"]);
        let silent = [series("a.s:A@1m", &[0, 1, 2], None), series("a.s:B@1m", &[], None)];
        assert_eq!(show(&frames(&silent, rules)), [] as [&str; 0]);
    }

    #[test]
    fn r22_what_a_filled_candle_is() {
        let given = [series("a.s:A@1m", &[0], None), series("a.s:B@1m", &[7], None)];
        let candle = Candle {
            start: minute(7),
            open: 0.0,
            high: 0.0,
            low: 0.0,
            close: 0.0,
            volume: 0.0,
            trades: Trades::ZERO,
            partial: false,
        };
        let filled = Slot::Filled { candle, reason: FillReason::Quiet };
        assert_eq!(frames(&given, FrameRules::default())[1].slots[0], filled);
    }

    #[test]
    fn r22_the_first_reason_that_applies() {
        // The driver has a bar at every minute, so that there is a frame at every minute.
        let driver = series("z.z:Z@1m", &[0, 1, 2, 3, 4, 5], None);
        let cases = [
            // Off its grid and not started; off its grid and ended.
            (series("a.s:A@2m", &[2], Some(4)), "not_due not_started not_due 2 not_due ended"),
            // Ended without having started: ended comes first.
            (series("a.s:A@2m", &[], Some(1)), "not_due not_started not_due ended not_due ended"),
        ];
        for (case, expected) in cases {
            let frames = frames(&[driver.clone(), case], FrameRules::default());
            let found: Vec<_> =
                show(&frames).iter().map(|line| line.split(' ').nth(2).unwrap().to_owned()).collect();
            assert_eq!(found.join(" "), expected);
        }
        let started = [driver, series("a.s:A@1m", &[1], Some(4))];
        let off = FrameRules { fill: Fill::None, ..FrameRules::default() };
        // Slots of A come first. Not started comes before fill off, ended before it too.
        assert_eq!(
            show(&frames(&started, off)),
            ["1: not_started 0", "2: 1 1", "3: missing 2", "4: missing 3", "5: ended 4", "6: ended 5"]
        );
    }

    #[test]
    fn r22_the_limit_counts_fills_in_frames_since_the_last_bar() {
        let given =
            [series("a.s:A@1m", &[0, 9, 20], None), series("a.s:B@1m", &[0, 3, 4, 6, 9, 12, 13], None)];
        let expected = |limit: u64| {
            // A is due at 4, 5 and 7 without a bar, then at 13 and 14; frames, not minutes, are counted.
            let fills = [4, 5, 7].map(|t| (t, 0)).into_iter().take(limit as usize);
            let more = [13, 14].map(|t| (t, 9)).into_iter().take(limit as usize);
            fills.chain(more).collect::<Vec<_>>()
        };
        for limit in 0..4 {
            let found: Vec<_> = frames(&given, limited(limit))
                .iter()
                .filter_map(|f| match f.slots[0] {
                    Slot::Filled { candle, .. } => {
                        Some((f.close.as_nanos() / 60_000_000_000, candle.close as i64))
                    }
                    _ => None,
                })
                .collect();
            assert_eq!(found, expected(limit), "limit {limit}");
        }
    }

    #[test]
    fn r22_closes_off_the_grid_do_not_count_towards_the_limit() {
        let given = [series("a.s:A@1m", &[0, 1, 2, 3, 4, 5], None), series("a.s:A@2m", &[0], None)];
        assert_eq!(
            show(&frames(&given, limited(1))),
            ["1: 0 not_due", "2: 1 0", "3: 2 not_due", "4: 3 ~0", "5: 4 not_due", "6: 5 missing"]
        );
    }

    #[test]
    fn r23_a_series_ends_where_declared_not_where_its_candles_do() {
        let driver = series("z.z:Z@1m", &[0, 1, 2, 3], None);
        let quiet = |end| vec![series("a.s:A@1m", &[0], end), driver.clone()];
        let first = |frames: Vec<RefFrame>| frames.iter().map(|f| f.slots[0].reason()).collect::<Vec<_>>();
        assert_eq!(first(frames(&quiet(None), FrameRules::default())), ["", "quiet", "quiet", "quiet"]);
        assert_eq!(first(frames(&quiet(Some(2)), FrameRules::default())), ["", "quiet", "ended", "ended"]);
    }

    #[test]
    fn r23_a_bar_that_starts_before_the_end_and_closes_after_it_is_due() {
        let given = [series("a.s:A@1m", &[0, 5, 8], None), series("a.s:A@3m", &[0], Some(4))];
        assert_eq!(
            show(&frames(&given, FrameRules::default())),
            ["1: 0 not_due", "3: ~0 0", "6: 5 ~0", "9: 8 ended"]
        );
    }
}
