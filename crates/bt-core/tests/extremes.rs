//! R1, R3, R4 and R23 to R25 where instants and timeframes are as large as they can be, against 128 bits.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use bt_core::{Admission, AdmittedRun, Instrument, SourceError, Timeframe, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;

const MILLI: i64 = 1_000_000;
const MOST_MILLIS: i64 = i64::MAX / MILLI;

fn instant(nanos: i128) -> Option<Timestamp> {
    i64::try_from(nanos).ok().map(Timestamp::from_nanos)
}

fn nanos() -> impl Strategy<Value = i64> {
    let near = |edge: i64| (0..2000i64).prop_map(move |by| edge.saturating_add(by).saturating_sub(1000));
    let coarse = |edge: i64| any::<i64>().prop_map(move |by| edge.saturating_add(by / 64));
    prop_oneof![near(i64::MIN), near(0), near(i64::MAX), coarse(i64::MIN), coarse(i64::MAX), any::<i64>()]
}

fn timeframe() -> impl Strategy<Value = Timeframe> {
    let named = select(vec!["1ms", "1s", "1m", "1h", "1d", "400d", "30000d", "53375d", "60000d", "106751d"]);
    let millis = prop_oneof![1..100_000i64, 1..=MOST_MILLIS, MOST_MILLIS - 1000..=MOST_MILLIS];
    prop_oneof![
        named.prop_map(|text| text.parse().unwrap()),
        millis.prop_map(|millis| Timeframe::from_nanos(millis * MILLI).unwrap()),
    ]
}

#[test]
fn the_build_that_is_tested_checks_its_sums() {
    let most = std::hint::black_box(i64::MAX);
    let sum = std::panic::catch_unwind(|| most + std::hint::black_box(1));
    assert!(sum.is_err(), "expected overflow checks in the profile of tests");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn r1_conversions_fit_or_are_refused(value in nanos()) {
        let from = |factor: i128| instant(i128::from(value) * factor);
        prop_assert_eq!(Timestamp::from_secs(value).ok(), from(1_000_000_000));
        prop_assert_eq!(Timestamp::from_millis(value).ok(), from(1_000_000));
        prop_assert_eq!(Timestamp::from_micros(value).ok(), from(1000));
        let text = Timestamp::from_nanos(value).to_string();
        prop_assert_eq!(text.parse::<Timestamp>().unwrap().as_nanos(), value);
    }

    #[test]
    fn r1_instants_move_as_far_as_they_can(t in nanos(), by in nanos()) {
        let moved = i128::from(t) + i128::from(by);
        let held = moved.clamp(i64::MIN.into(), i64::MAX.into());
        prop_assert_eq!(Timestamp::from_nanos(t).checked_add_nanos(by), instant(moved));
        prop_assert_eq!(Some(Timestamp::from_nanos(t).saturating_add_nanos(by)), instant(held));
        let next = Timestamp::from_nanos(t).next_month();
        prop_assert!(next > Timestamp::from_nanos(t) || next == Timestamp::MAX);
    }

    #[test]
    fn r3_r4_the_grid_reaches_to_the_ends_and_no_further(t in nanos(), timeframe in timeframe()) {
        let (at, step) = (i128::from(t), i128::from(timeframe.as_nanos()));
        let floor = at.div_euclid(step) * step;
        let t = Timestamp::from_nanos(t);
        prop_assert_eq!(timeframe.is_on_grid(t), at == floor);
        prop_assert_eq!(timeframe.floor(t), instant(floor));
        prop_assert_eq!(timeframe.end_of(t), instant(at + step));
        prop_assert_eq!(timeframe.next_close(t), instant(floor + step).unwrap_or(Timestamp::MAX));
        prop_assert_eq!(timeframe.to_string().parse::<Timeframe>().unwrap(), timeframe);
    }

    #[test]
    fn r3_a_count_of_units_fits_or_is_refused(count in any::<u64>(), unit in 0..5usize, shift in 0..64u32) {
        let (name, length) = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)][unit];
        let count = count >> shift;
        let nanos = i128::from(count) * length * 1_000_000;
        let fits = i64::try_from(nanos).ok().filter(|nanos| *nanos > 0);
        let parsed = format!("{count}{name}").parse::<Timeframe>().ok();
        prop_assert_eq!(parsed.map(Timeframe::as_nanos), fits);
    }

    #[test]
    fn r23_r25_rows_are_admitted_as_one_by_one_without_bounds(
        timeframe in timeframe(),
        end in prop::option::weighted(0.3, nanos()),
        parts in prop::collection::vec((nanos(), 0..12usize, prop::option::weighted(0.2, nanos())), 1..5),
        on_grid in prop::bool::weighted(0.9),
    ) {
        let step = timeframe.as_nanos();
        let series = "a.b:C".parse::<Instrument>().unwrap().at(timeframe);
        let mut admission = Admission::new(series, end.map(Timestamp::from_nanos));
        let mut naive = Naive { step, end, reached: i64::MIN.into() };
        for (from, steps, watermark) in parts {
            let from = if on_grid { from - from % step } else { from };
            // As far as time goes and, where it is short of so many steps, around.
            let starts: Vec<_> =
                (0..=steps as i64).map(|n| Timestamp::from_nanos(from.wrapping_add(n.wrapping_mul(step)))).collect();
            let mut rest = &starts[..];
            while !rest.is_empty() {
                match admission.admit_run(rest) {
                    Ok(AdmittedRun { rows }) => {
                        prop_assert!((1..=rest.len()).contains(&rows));
                        for start in &rest[..rows] {
                            prop_assert_eq!(naive.admit(start.as_nanos()), None);
                        }
                        for pair in rest[..rows].windows(2) {
                            prop_assert_eq!(timeframe.end_of(pair[0]), Some(pair[1]));
                        }
                        rest = &rest[rows..];
                    }
                    Err(error) => {
                        prop_assert_eq!(Some(refusal(&error)), naive.admit(rest[0].as_nanos()), "{}", error);
                        rest = &rest[1..];
                    }
                }
                prop_assert_eq!(i128::from(admission.reached().as_nanos()), naive.reached);
            }
            if let Some(watermark) = watermark {
                admission.pass(Timestamp::from_nanos(watermark));
                naive.reached = naive.reached.max(watermark.into());
            }
        }
    }
}

/// Rows one by one.
struct Naive {
    step: i64,
    end: Option<i64>,
    reached: i128,
}

impl Naive {
    /// What is wrong with the row, if anything is.
    fn admit(&mut self, start: i64) -> Option<&'static str> {
        let close = i128::from(start) + i128::from(self.step);
        if close > i64::MAX.into() {
            return Some("representable");
        }
        if close <= self.reached {
            return Some("order");
        }
        if start % self.step != 0 {
            return Some("grid");
        }
        if self.end.is_some_and(|end| start >= end) {
            return Some("end");
        }
        self.reached = close;
        None
    }
}

fn refusal(error: &SourceError) -> &'static str {
    match error {
        SourceError::OutOfOrder { .. } => "order",
        SourceError::Misplaced { reason, .. } if reason.contains("representable") => "representable",
        SourceError::Misplaced { reason, .. } if reason.contains("grid") => "grid",
        SourceError::Misplaced { reason, .. } if reason.contains("end of its series") => "end",
        other => panic!("{other}"),
    }
}
