//! From what programs said, run by run, to figures.

use serde::{Deserialize, Serialize};

use super::case::{Bar, Figure, Value};
use super::programs::Numbers;

/// A figure as it stands in the report.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(super) struct Finding {
    /// Case and figure.
    pub(super) name: String,
    pub(super) unit: String,
    /// The median over the runs, and between what they lay; nothing if it could not be measured.
    pub(super) measured: Option<Spread>,
    pub(super) runs: usize,
    /// Medians of what was compared, in the unit that its name ends with.
    pub(super) parts: Vec<(String, f64)>,
    /// What it is to be.
    pub(super) bar: Option<String>,
    /// Whether it is.
    pub(super) met: Option<bool>,
    /// Whether a miss fails a check: a time never does.
    pub(super) checked: bool,
    /// Why it was not measured.
    pub(super) why: Option<String>,
}

/// A median, and the least and most of the runs.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Spread {
    /// Of at least one number.
    pub(super) fn of(mut numbers: Vec<f64>) -> Option<Self> {
        numbers.sort_by(f64::total_cmp);
        let (least, most) = (*numbers.first()?, *numbers.last()?);
        let half = numbers.len() / 2;
        let median =
            if numbers.len() % 2 == 1 { numbers[half] } else { (numbers[half - 1] + numbers[half]) / 2.0 };
        Some(Spread { median, least, most })
    }
}

impl Bar {
    pub(super) fn is_met(self, Spread { median, most, .. }: Spread) -> Option<bool> {
        match self {
            Bar::Most(bar) => Some(median <= bar),
            Bar::Least(bar) => Some(median >= bar),
            Bar::Never => Some(most <= 0.0),
            Bar::Open => None,
        }
    }

    pub(super) fn shown(self) -> Option<String> {
        match self {
            Bar::Most(most) => Some(format!("≤ {most}")),
            Bar::Least(least) => Some(format!("≥ {least}")),
            Bar::Never => Some("0 in every run".to_owned()),
            Bar::Open => None,
        }
    }
}

/// What each program of a case said, in each run: `told("frames", "cpu_s")`.
pub(super) struct Runs<'a> {
    pub(super) programs: &'a [(&'static str, &'static str)],
    /// By run, then by program.
    pub(super) numbers: Vec<Vec<Numbers>>,
}

impl Runs<'_> {
    fn told(&self, program: &str, number: &str) -> Vec<f64> {
        let place = self.programs.iter().position(|(name, _)| *name == program);
        let of_run = |run: &Vec<Numbers>| run.get(place?)?.get(number).copied();
        self.numbers.iter().filter_map(of_run).collect()
    }

    /// The values of a figure, run by run, and the numbers that they were made of.
    fn values(&self, value: Value) -> (Vec<f64>, Vec<(String, Vec<f64>)>) {
        let pairs = |a: &'static str, b: &'static str, number: &str, make: fn(f64, f64) -> f64| {
            let (first, second) = (self.told(a, number), self.told(b, number));
            let values = first.iter().zip(&second).map(|(a, b)| make(*a, *b)).collect();
            let named = |program, numbers| (format!("{program} {number}"), numbers);
            (values, vec![named(a, first), named(b, second)])
        };
        match value {
            Value::Ratio { of, over, number } => pairs(of, over, number, |a, b| a / b),
            Value::Later { of, than, number } => pairs(of, than, number, |a, b| a - b),
            Value::Count { of, number, .. } => (self.told(of, number), Vec::new()),
            Value::Instructions { .. } => (Vec::new(), Vec::new()),
        }
    }
}

impl Finding {
    fn empty(case: &str, Figure { name, value, bar }: &Figure) -> Self {
        let unit = match value {
            Value::Ratio { .. } => "×",
            Value::Later { .. } => "ms",
            Value::Count { unit, .. } => unit,
            Value::Instructions { .. } => "instructions",
        };
        Finding {
            name: format!("{case}: {name}"),
            unit: unit.to_owned(),
            measured: None,
            runs: 0,
            parts: Vec::new(),
            bar: bar.shown(),
            met: None,
            checked: !matches!(value, Value::Later { .. }),
            why: None,
        }
    }

    /// What was found in the runs.
    pub(super) fn of_runs(case: &str, figure: &Figure, runs: &Runs<'_>) -> Self {
        let (values, parts) = runs.values(figure.value);
        let parts = parts.into_iter().filter_map(|(name, of)| Some((name, Spread::of(of)?.median))).collect();
        Finding { parts, ..Finding::of_values(case, figure, values) }
    }

    /// What these values amount to.
    pub(super) fn of_values(case: &str, figure: &Figure, values: Vec<f64>) -> Self {
        let (runs, measured) = (values.len(), Spread::of(values));
        let met = measured.and_then(|spread| figure.bar.is_met(spread));
        let why = measured.is_none().then(|| "no program told of it".to_owned());
        Finding { measured, runs, met, why, ..Finding::empty(case, figure) }
    }

    /// It could not be measured.
    pub(super) fn unmeasured(case: &str, figure: &Figure, why: &str) -> Self {
        Finding { why: Some(why.to_owned()), ..Finding::empty(case, figure) }
    }

    /// Whether it misses its bar, and that counts.
    pub(super) fn misses(&self) -> bool {
        self.checked && self.met == Some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAMS: &[(&str, &str)] = &[("a", ""), ("b", "")];

    fn finding(a: &[f64], b: &[f64], value: Value, bar: Bar) -> Finding {
        let number = |value: f64| Numbers::from([("cpu_s".to_owned(), value)]);
        let numbers = a.iter().zip(b).map(|(a, b)| vec![number(*a), number(*b)]).collect();
        let figure = Figure { name: "figure", value, bar };
        Finding::of_runs("case", &figure, &Runs { programs: PROGRAMS, numbers })
    }

    #[test]
    fn a_ratio_is_the_median_of_the_ratios_of_runs() {
        let ratio = Value::Ratio { of: "a", over: "b", number: "cpu_s" };
        // A disturbed run disturbs both, or is not the median.
        let found = finding(&[1.0, 2.0, 30.0], &[1.0, 1.0, 10.0], ratio, Bar::Most(2.0));
        assert_eq!(found.measured, Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
        assert_eq!((found.met, found.misses(), found.runs), (Some(true), false, 3));
        assert_eq!(found.parts, [("a cpu_s".to_owned(), 2.0), ("b cpu_s".to_owned(), 1.0)]);
        let found = finding(&[3.0, 5.0], &[1.0, 1.0], ratio, Bar::Least(4.5));
        assert_eq!((found.measured.unwrap().median, found.misses()), (4.0, true));
        assert_eq!(finding(&[3.0], &[1.0], ratio, Bar::Open).met, None);
    }

    #[test]
    fn a_time_misses_its_bar_and_fails_no_check() {
        let later = Value::Later { of: "a", than: "b", number: "cpu_s" };
        let found = finding(&[3.0], &[1.0], later, Bar::Most(1.0));
        assert_eq!((found.measured.unwrap().median, found.met, found.misses()), (2.0, Some(false), false));
    }

    #[test]
    fn what_is_never_to_be_fails_by_a_single_run() {
        let left = Value::Count { of: "a", number: "cpu_s", unit: "" };
        let found = finding(&[0.0, 0.0, 1.0], &[0.0; 3], left, Bar::Never);
        assert_eq!((found.measured.unwrap().median, found.misses()), (0.0, true));
        assert_eq!(finding(&[0.0; 3], &[0.0; 3], left, Bar::Never).met, Some(true));
    }

    #[test]
    fn what_nobody_told_is_not_measured() {
        let found = finding(&[], &[], Value::Count { of: "a", number: "files", unit: "" }, Bar::Most(1.0));
        assert_eq!((found.measured, found.met, found.misses()), (None, None, false));
        assert!(found.why.is_some());
    }
}
