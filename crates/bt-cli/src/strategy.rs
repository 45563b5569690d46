//! The sample strategy, a cross of two moving averages; and one that ends badly, to rehearse failures.

use std::collections::VecDeque;
use std::future::pending;
use std::str::FromStr;

use bt_core::{BoxError, Event, EventBus, Frame, Slot};
use bt_engine::ServiceContext;

/// What trades in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    Sma(Sma),
    Drill(Drill),
}

impl FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("drill:") {
            Some(drill) => drill.parse().map(Strategy::Drill),
            None => text.parse().map(Strategy::Sma),
        }
    }
}

/// Lengths of the sample strategy's moving averages, in bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sma {
    pub(crate) fast: usize,
    pub(crate) slow: usize,
}

impl FromStr for Sma {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lengths = text.strip_prefix("sma:").and_then(|l| l.split_once(','));
        let (fast, slow) = lengths.ok_or("expected sma:FAST,SLOW such as sma:12,48")?;
        match (fast.trim().parse(), slow.trim().parse()) {
            (Ok(fast), Ok(slow)) if 0 < fast && fast < slow && slow <= 1_000_000 => Ok(Sma { fast, slow }),
            _ => Err("expected whole numbers with 0 < FAST < SLOW <= 1000000".into()),
        }
    }
}

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

/// A service that comes to a bad end at a frame, counted from 1: what a faulty strategy of a user might do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drill {
    end: BadEnd,
    frame: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BadEnd {
    Panic,
    Fail,
    Return,
    /// It never acknowledges the frame.
    Hang,
}

impl FromStr for Drill {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (end, frame) = text.split_once('@').ok_or("expected END@FRAME after `drill:`")?;
        let end = match end {
            "panic" => BadEnd::Panic,
            "fail" => BadEnd::Fail,
            "return" => BadEnd::Return,
            "hang" => BadEnd::Hang,
            _ => return Err(format!("unknown end `{end}`, expected panic, fail, return or hang")),
        };
        match frame.parse() {
            Ok(frame) if frame > 0 => Ok(Drill { end, frame }),
            _ => Err(format!("invalid frame `{frame}`, expected a whole number from 1")),
        }
    }
}

impl Drill {
    /// Takes frames up to the one at which it ends.
    pub(crate) async fn serve<B>(self, mut cx: ServiceContext<B>) -> Result<(), BoxError>
    where
        B: EventBus<Payload = Event>,
    {
        let Drill { end, frame } = self;
        let mut seen = 0;
        while let Some(delivery) = cx.next().await {
            seen += u64::from(matches!(delivery.payload, Event::Frame(_)));
            if seen < frame {
                continue;
            }
            match end {
                BadEnd::Panic => panic!("a drill at frame {frame}"),
                BadEnd::Fail => return Err(format!("a drill at frame {frame}").into()),
                BadEnd::Return => return Ok(()),
                BadEnd::Hang => pending().await,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_is_two_lengths_in_order() {
        assert_eq!("sma:12,48".parse(), Ok(Sma { fast: 12, slow: 48 }));
        for bad in ["sma", "sma:1", "sma:5,5", "sma:0,5", "ema:1,2", "sma:1,2,3", "sma:-1,2"] {
            assert!(bad.parse::<Sma>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_strategy_trades_or_comes_to_a_bad_end() {
        assert_eq!("sma:12,48".parse(), Ok(Strategy::Sma(Sma { fast: 12, slow: 48 })));
        let drill = Drill { end: BadEnd::Panic, frame: 100 };
        assert_eq!("drill:panic@100".parse(), Ok(Strategy::Drill(drill)));
        for bad in
            ["drill:", "drill:panic", "drill:panic@0", "drill:panic@x", "drill:sulk@1", "drills:panic@1"]
        {
            assert!(bad.parse::<Strategy>().is_err(), "{bad}");
        }
    }

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
