//! The loop that drives a run: a step, room for what it writes, and now and then a word on where it stands.

use std::pin::{Pin, pin};

use bt_core::{Event, EventBus, FrameFeed};
use bt_engine::{Engine, RunError, RunReport, Step};
use futures::StreamExt;
use tokio::time::Instant;

use crate::output::OutputEnd;
use crate::signals::Signals;
use crate::stats::Stats;

/// What a run is driven with.
pub(crate) struct Drive<'a> {
    pub(crate) output: Option<&'a OutputEnd>,
    pub(crate) signals: &'a Signals,
    pub(crate) stats: Stats,
}

impl Drive<'_> {
    /// Drives a run to its end.
    ///
    /// Whoever reads the output may be slow: that is waited for between steps, where nothing is held up that has
    /// a limit.
    pub(crate) async fn run<F, B>(mut self, engine: Engine<F, B>) -> Result<RunReport, RunError>
    where
        F: FrameFeed,
        B: EventBus<Payload = Event>,
    {
        let mut engine = pin!(engine);
        loop {
            self.room(&engine).await;
            match self.step(engine.as_mut()).await {
                Some(step) => drop(step?),
                None => break,
            }
        }
        Ok(engine.report().expect("a run that yielded its end has a report").clone())
    }

    /// Ready when there is room for one more frame, or none is to come.
    async fn room<F, B>(&mut self, engine: &Engine<F, B>)
    where
        F: FrameFeed,
        B: EventBus<Payload = Event>,
    {
        let Some(output) = self.output.filter(|output| !output.has_room()) else { return };
        if engine.stop_handle().requested().is_some() {
            return;
        }
        let since = Instant::now();
        let mut room = pin!(output.room(self.signals));
        loop {
            tokio::select! {
                biased;
                () = &mut room => return,
                () = self.stats.due() => self.stats.tell(&engine.snapshot(), Some(since.elapsed())),
            }
        }
    }

    async fn step<F, B>(&mut self, mut engine: Pin<&mut Engine<F, B>>) -> Option<Result<Step, RunError>>
    where
        F: FrameFeed,
        B: EventBus<Payload = Event>,
    {
        loop {
            tokio::select! {
                biased;
                step = engine.next() => return step,
                () = self.stats.due() => self.stats.tell(&engine.snapshot(), None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use bt_bus::Bus;
    use bt_core::{Candle, SimClock, Timestamp, Trades, from_candles, topic};
    use bt_feeder::BarFeed;

    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<u8>>>);

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_told_who_holds_up_a_run_while_it_is_stuck() {
        let candles = (0..5).map(|minute| Candle {
            start: Timestamp::from_secs(60 * minute).unwrap(),
            open: 1.0,
            high: 1.0,
            low: 1.0,
            close: 1.0,
            volume: 1.0,
            trades: Trades::UNKNOWN,
            partial: false,
        });
        let series = "test.spot:A@1m".parse().unwrap();
        let source = from_candles(series, None, futures::stream::iter(candles).map(Ok));
        let engine = Engine::builder()
            .feed(BarFeed::builder().subscribe(source).build().unwrap())
            .bus(Bus::for_engine())
            .clock(SimClock::new(Timestamp::EPOCH))
            .service("dawdler", [topic::FRAME], |mut cx| async move {
                while let Some(delivery) = cx.next().await {
                    if delivery.seq == 3 {
                        tokio::time::sleep(Duration::from_secs(12)).await;
                    }
                }
                Ok(())
            })
            .build()
            .unwrap();
        let (told, signals) = (Told::default(), Signals::default());
        let stats = Stats::to(Box::new(told.clone()), Some(Duration::from_secs(5)));
        let report = Drive { output: None, signals: &signals, stats }.run(engine).await.unwrap();
        assert_eq!(report.frames, 5);
        let told = String::from_utf8(told.0.lock().unwrap().clone()).unwrap();
        let expected = "\
stats after 5.0s: draining, 3 frames, 1 frames/s, at 1970-01-01T00:03:00Z
  published: frame 3, control 0, log 1
  barrier waits: 0, p50 0.0ns, p99 0.0ns, max 0.0ns, now for 5.0s
  subscription  depth high-water  delivered  dropped undelivered unacknowledged      lag
  dawdler           0          1          2        0           0              1       0s
";
        assert!(told.starts_with(expected), "{told}");
        assert_eq!(told.matches("stats after").count(), 2, "{told}");
        assert!(told.contains("stats after 10.0s: draining, 3 frames, 0 frames/s"), "{told}");
    }
}
