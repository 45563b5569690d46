//! Candles cut into a script.

use bt_core::{Candle, CandleBatch, LogEvent, Series, Timeframe, Timestamp};

use crate::reference::Note;
use crate::{ScriptedSource, Step};

/// How candles are cut into batches: what must not change any result (R17, R35).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chop {
    /// A cycle of batch sizes, from 1; empty for batches as large as can be.
    pub sizes: Vec<usize>,
    /// A cycle over the steps of the script, `true` where a `Pending` comes before the step.
    pub pendings: Vec<bool>,
    /// Whether a batch without rows tells the time before each batch that begins after a hole.
    pub ticks: bool,
}

impl Chop {
    /// Batches as large as can be, without `Pending`s and ticks.
    pub fn whole() -> Self {
        Chop::default()
    }

    /// Batches of at most `rows` rows.
    pub fn rows(rows: usize) -> Self {
        Chop { sizes: vec![rows], ..Chop::default() }
    }

    /// With a cycle of `Pending`s.
    #[must_use]
    pub fn with_pendings(mut self, pendings: &[bool]) -> Self {
        self.pendings = pendings.to_vec();
        self
    }

    /// With ticks.
    #[must_use]
    pub fn with_ticks(mut self, ticks: bool) -> Self {
        self.ticks = ticks;
        self
    }

    /// The script that yields `candles`, and logs each of `logs` after as many candles as it says; a batch
    /// never spans a log (R29). Logs ascend, and those beyond the last candle come last.
    ///
    /// # Panics
    /// If a size is 0.
    pub fn script(&self, timeframe: Timeframe, candles: &[Candle], logs: &[(usize, LogEvent)]) -> Vec<Step> {
        let mut script = Vec::new();
        let mut sizes = self.sizes.iter().copied().cycle();
        let mut logs = logs.iter().peekable();
        let mut done = 0;
        let mut known: Option<Timestamp> = None;
        loop {
            while let Some((_, event)) = logs.next_if(|(position, _)| *position <= done) {
                script.push(Step::Log(event.clone()));
            }
            if done == candles.len() {
                break;
            }
            let first = candles[done].start;
            if self.ticks && known != Some(first) {
                script.push(Step::Batch(CandleBatch::tick(first)));
            }
            let size = sizes.next().unwrap_or(usize::MAX);
            assert!(size > 0, "a batch has at least one row");
            let next_log = logs.peek().map_or(usize::MAX, |(position, _)| *position);
            let end = done.saturating_add(size).min(next_log).min(candles.len());
            script.push(Step::Batch(candles[done..end].iter().copied().collect()));
            known = timeframe.end_of(candles[end - 1].start);
            done = end;
        }
        // What would come after the last candle comes at the end.
        script.extend(logs.map(|(_, event)| Step::Log(event.clone())));
        self.with_pendings_between(script)
    }

    /// The source of `series` that yields `candles` with the logs of a real source's `notes`. Where it logs to
    /// is up to [`ScriptedSource::with_log`].
    pub fn source(
        &self,
        series: &Series,
        declared_end: Option<Timestamp>,
        candles: &[Candle],
        notes: &[Note],
    ) -> ScriptedSource {
        let logs: Vec<_> = notes.iter().map(|note| (note.position, note.to_event(series))).collect();
        let script = self.script(series.timeframe(), candles, &logs);
        ScriptedSource::new(series.clone(), declared_end, script)
    }

    fn with_pendings_between(&self, script: Vec<Step>) -> Vec<Step> {
        let mut pendings = self.pendings.iter().copied().cycle();
        let mut played = Vec::new();
        for step in script {
            if pendings.next().unwrap_or(false) {
                played.push(Step::Pending);
            }
            played.push(step);
        }
        played
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{RawRow, check_rows};
    use bt_core::{Level, TimeRange};

    fn shown(chop: &Chop, logs: &[usize]) -> String {
        let minutes = [0, 1, 2, 5, 6, 9].map(|m| RawRow::plain(m * 60_000_000_000));
        let candles = check_rows(&[minutes.to_vec()], Timeframe::MINUTE, TimeRange::ALL, true).emitted;
        let logs: Vec<_> = logs.iter().map(|at| (*at, LogEvent::new(Level::Info, "test", "A", ""))).collect();
        let show = |step: &Step| match step {
            Step::Batch(batch) if batch.is_empty() => "t".to_owned(),
            Step::Batch(batch) => batch.len().to_string(),
            Step::Log(_) => "L".to_owned(),
            Step::Pending => "p".to_owned(),
            other => format!("{other:?}"),
        };
        chop.script(Timeframe::MINUTE, &candles, &logs).iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn r29_a_batch_never_spans_a_log() {
        assert_eq!(shown(&Chop::whole(), &[]), "6");
        assert_eq!(shown(&Chop::whole(), &[0, 2, 2, 5, 6, 9]), "L 2 L L 3 L 1 L L");
        assert_eq!(shown(&Chop::rows(2), &[3]), "2 1 L 2 1");
    }

    #[test]
    fn sizes_pendings_and_ticks() {
        let uneven = Chop { sizes: vec![1, 3], ..Chop::whole() };
        assert_eq!(shown(&uneven, &[]), "1 3 1 1");
        assert_eq!(shown(&Chop::rows(4).with_pendings(&[true, false]), &[4]), "p 4 L p 2");
        // Only holes between batches show: a batch of rows with holes needs no tick.
        assert_eq!(shown(&Chop::rows(1).with_ticks(true), &[3]), "t 1 1 1 L t 1 1 t 1");
    }
}
