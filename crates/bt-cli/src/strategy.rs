//! The sample strategy: a cross of two moving averages.

use std::collections::VecDeque;

use bt_core::{Frame, Slot};

use crate::args::Sma;

/// Counts how often the fast moving average of a series' closes crosses the slow one.
#[derive(Debug)]
pub(crate) struct Crossings {
    lengths: Sma,
    series: Vec<Averages>,
    pub(crate) up: u64,
    pub(crate) down: u64,
}

#[derive(Clone, Debug, Default)]
struct Averages {
    closes: VecDeque<f64>,
    fast_sum: f64,
    slow_sum: f64,
    /// Whether the fast average was above the slow one; unknown until both are full.
    above: Option<bool>,
}

impl Crossings {
    pub(crate) fn new(lengths: Sma) -> Self {
        Crossings { lengths, series: Vec::new(), up: 0, down: 0 }
    }

    /// Takes in the closes of a frame. A slot without a bar, filled or empty, trades nothing.
    pub(crate) fn see(&mut self, frame: &Frame) {
        self.series.resize(frame.len(), Averages::default());
        for (series, slot) in self.series.iter_mut().zip(frame.slots()) {
            let Slot::Bar(bar) = slot else { continue };
            match series.push(bar.close, self.lengths) {
                Some(true) => self.up += 1,
                Some(false) => self.down += 1,
                None => {}
            }
        }
    }
}

impl Averages {
    /// Adds a close; tells whether the fast average went above the slow one, or below.
    fn push(&mut self, close: f64, Sma { fast, slow }: Sma) -> Option<bool> {
        self.closes.push_back(close);
        self.fast_sum += close;
        self.slow_sum += close;
        if self.closes.len() > fast {
            self.fast_sum -= self.closes[self.closes.len() - 1 - fast];
        }
        if self.closes.len() > slow {
            self.slow_sum -= self.closes.pop_front().unwrap_or_default();
        }
        if self.closes.len() < slow {
            return None;
        }
        let above = self.fast_sum / fast as f64 > self.slow_sum / slow as f64;
        let crossed = self.above.is_some_and(|before| before != above).then_some(above);
        self.above = Some(above);
        crossed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crossings_are_counted_once_both_averages_are_full() {
        let lengths = Sma { fast: 1, slow: 3 };
        let mut averages = Averages::default();
        let crossed: Vec<_> = [3.0, 2.0, 1.0, 5.0, 9.0, 1.0, 1.0]
            .into_iter()
            .map(|close| averages.push(close, lengths))
            .collect();
        // Slow averages from the third on: 2, 8/3, 5, 5, 11/3.
        assert_eq!(crossed, [None, None, None, Some(true), None, Some(false), None]);
    }
}
