//! Live feeds from a venue that has all kinds of bad days give the frames of the same candles on good ones.
//!
//! Each scenario is drawn from its number: series, gaps, speed, connections, how often what goes wrong, and how much of the
//! past is read from elsewhere. `BT_SOAK_SCENARIOS` sets how many there are.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;
use std::env;
use std::sync::Arc;
use std::time::Duration;

use bt_core::{
    BoxSource, Candle, CandleSource, CandleSourceExt, Series, TimeRange, Timeframe, Timestamp, Trades,
    from_candles,
};
use bt_data_source::{Backfill, Handover, Live, LiveConfig, MemorySource, RestBackfill, RestConfig};
use bt_feeder::BarFeed;
use bt_resample::Resample;
use bt_serve::{FaultKind, Faults, Opening, ServeConfig, ServeStats, Speed, Venue};
use bt_testkit::Recorder;
use futures::{TryStreamExt, stream};
use rand_core::Rng;
use rand_pcg::Pcg64;

const MINUTES: i64 = 240;

/// What a scenario is about.
struct Scenario {
    candles: Arc<Vec<(Series, Vec<Candle>)>>,
    range: TimeRange,
    speed: Speed,
    per_connection: usize,
    /// Minutes that are read from elsewhere.
    history: i64,
    faults: Option<Faults>,
}

/// Numbers drawn from a scenario's own.
struct Draw(Pcg64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

fn at(minute: i64) -> Timestamp {
    // Not at an edge of anything.
    Timestamp::from_secs(1_717_200_000 + 60 * minute).unwrap()
}

impl Scenario {
    fn new(number: u64) -> Self {
        let mut draw = Draw(Pcg64::new(number.into(), 77));
        let (series, gaps) = (1 + draw.below(5), draw.of(&[0, 2, 10, 40]));
        let candles = (0..series).map(|place| {
            let series = format!("binance.spot:S{place}USDT@1m").parse().unwrap();
            let minutes = (0..MINUTES).filter(|_| draw.below(100) >= gaps).collect::<Vec<_>>();
            let candles = minutes.into_iter().map(|minute| candle(&mut draw, minute)).collect();
            (series, candles)
        });
        let candles = Arc::new(candles.collect());
        let chance = draw.of(&[0.001, 0.003, 0.01, 0.03]);
        Scenario {
            candles,
            range: TimeRange::new(at(0), at(MINUTES)).unwrap(),
            speed: draw.of(&[Speed::Max, Speed::Times(60.0), Speed::Times(600.0)]),
            per_connection: draw.of(&[1, 2, 200]),
            history: draw.of(&[0, 0, 100, MINUTES]),
            faults: Some(bad_days(number, chance)),
        }
    }

    fn series(&self) -> impl Iterator<Item = &Series> {
        self.candles.iter().map(|(series, _)| series)
    }

    /// Frames of all series, and what each source counted.
    async fn frames(&self, sources: Vec<BoxSource>) -> Vec<String> {
        let mut builder = BarFeed::builder();
        for source in sources {
            let bars: Timeframe = "5m".parse().unwrap();
            builder = builder.subscribe(Resample::new(source, bars).unwrap());
        }
        let frames = builder.build().unwrap();
        frames.map_ok(|frame| format!("{frame:?}")).try_collect().await.unwrap()
    }

    /// The frames that there should be.
    async fn expected(&self) -> Vec<String> {
        let sources = self.series().map(|series| history(&self.candles, series, self.range));
        self.frames(sources.collect()).await
    }

    async fn venue(&self) -> Venue {
        let candles = Arc::clone(&self.candles);
        let archive = move |series: &Series, range: TimeRange| -> Opening {
            let source = history(&candles, series, range);
            Box::pin(async move { Ok(source) })
        };
        let config = ServeConfig::default().with_speed(self.speed).with_faults(self.faults.clone());
        Venue::builder(self.series().cloned(), self.range, archive).config(config).listen().await.unwrap()
    }
}

/// All kinds of faults, `chance` of each message.
fn bad_days(seed: u64, chance: f64) -> Faults {
    let often = (20.0 * chance).min(0.3);
    Faults::none(seed)
        .with_cut(chance)
        .with_silence(chance / 4.0)
        .with_loris(chance / 4.0)
        .with_duplicate(chance)
        .with_reorder(chance)
        .with_malformed(chance)
        .with_oversized(chance)
        .with_truncated(chance)
        .with_wrong_id(chance)
        .with_skew(chance)
        .with_refuse(often)
        .with_slow_handshake(often / 4.0)
        .with_rest_error(often)
        .with_rest_cut(often)
        .with_rest_slow(often)
}

fn candle(draw: &mut Draw, minute: i64) -> Candle {
    let price = 1.0 + draw.below(1 << 40) as f64 / 1e9;
    Candle {
        start: at(minute),
        open: price,
        high: price * 1.5,
        low: price / 3.0,
        close: price * 1.1,
        volume: draw.below(1 << 30) as f64 / 1e4,
        trades: Trades::new(draw.below(1 << 20)).unwrap(),
        partial: false,
    }
}

fn history(candles: &[(Series, Vec<Candle>)], series: &Series, range: TimeRange) -> BoxSource {
    let (_, rows) = candles.iter().find(|(known, _)| known == series).unwrap();
    let wanted = range.from()..range.to();
    let rows: Vec<_> = rows.iter().filter(|row| wanted.contains(&row.start)).copied().map(Ok).collect();
    from_candles(series.clone(), Some(range.to()), stream::iter(rows)).boxed_source()
}

/// Plays one scenario. Returns what the venue counted.
async fn play(number: u64) -> ServeStats {
    let scenario = Scenario::new(number);
    let expected = scenario.expected().await;
    let venue = scenario.venue().await;
    let address = venue.local_addr();
    let patience = Duration::from_secs(900);
    let config = LiveConfig::default()
        .with_seed(Some(number))
        .with_series_per_connection(scenario.per_connection)
        .with_archive_limit(patience);
    let mut live =
        Live::builder(format!("ws://{address}"), scenario.series().cloned()).config(config).build().unwrap();
    let rest = RestConfig::default().with_patience(patience).with_per_minute(100_000);
    let archive: Arc<dyn Backfill> =
        Arc::new(RestBackfill::new(&format!("http://{address}"), None, rest).unwrap());
    let mut counters = Vec::new();
    let log = Recorder::new();
    let sources = scenario.candles.iter().map(|(series, rows)| {
        let source = live
            .source(series, at(0))
            .unwrap()
            .until(at(MINUTES))
            .backfill(Arc::clone(&archive))
            .log(log.sink());
        let source = if scenario.history > 0 {
            let past = rows.iter().filter(|row| row.start < at(scenario.history)).copied();
            let past = MemorySource::builder(series.clone(), past).build().unwrap();
            Handover::new(past, source).unwrap().boxed_source()
        } else {
            source.build().unwrap().boxed_source()
        };
        counters.push(source.stats());
        source
    });
    let sources = sources.collect();
    let frames = scenario.frames(sources).await;
    let first = frames.iter().zip(&expected).position(|(frame, expected)| frame != expected);
    if let Some(first) = first {
        let (frame, expected) = (&frames[first], &expected[first]);
        let said: Vec<_> =
            log.logs().iter().map(|event| format!("{:?} {}", event.series, event.message)).collect();
        panic!(
            "scenario {number}, frame {first}:\n{frame}\nexpected:\n{expected}\n{}\n{:?}",
            said.join("\n"),
            scenario.speed
        );
    }
    assert_eq!(frames.len(), expected.len(), "scenario {number}");

    for ((series, rows), counters) in scenario.candles.iter().zip(counters) {
        let counted = counters.snapshot();
        assert_eq!(counted.emitted, rows.len() as u64, "scenario {number}: {series}");
        // What the venue says again of what history had is not of the live source's range.
        assert!(
            counted.out_of_range == 0 || scenario.history > 0,
            "scenario {number}: {series}: {counted:?}"
        );
        let others = counted.failed + counted.skipped + counted.dropped_out_of_order;
        assert_eq!(others, 0, "scenario {number}: {series}: {counted:?}");
        let gaps = rows
            .windows(2)
            .filter(|pair| pair[1].start.as_nanos() - pair[0].start.as_nanos() > 60_000_000_000);
        assert_eq!(counted.gaps, gaps.count() as u64, "scenario {number}: {series}");
    }
    let (heard, told) = (live.stats(), venue.stats());
    let sum = |count: fn(&bt_data_source::ConnectionStats) -> u64| heard.iter().map(count).sum::<u64>();
    assert!(sum(|stats| stats.messages) <= told.messages, "scenario {number}: {heard:?} {told:?}");
    let wrong = [FaultKind::Malformed, FaultKind::Truncated, FaultKind::Oversized, FaultKind::WrongId];
    let wrong = wrong.into_iter().map(|kind| told.fault(kind)).sum::<u64>();
    assert!(sum(|stats| stats.malformed + stats.foreign) <= wrong, "scenario {number}: {heard:?} {told:?}");
    assert_eq!(sum(|stats| stats.dropped), 0, "scenario {number}");
    told
}

#[test]
fn frames_are_those_of_good_days_whatever_goes_wrong() {
    let count = env::var("BT_SOAK_SCENARIOS").map_or(50, |count| count.parse().unwrap());
    let mut happened: BTreeMap<&str, u64> = BTreeMap::new();
    for number in 0..count {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let told = runtime.block_on(play(number));
        for (kind, count) in told.faults() {
            *happened.entry(kind.as_str()).or_default() += count;
        }
    }
    let missing: Vec<_> =
        FaultKind::ALL.iter().filter(|kind| happened.get(kind.as_str()).is_none_or(|n| *n == 0)).collect();
    assert!(missing.is_empty(), "never happened: {missing:?}");
    println!("{count} scenarios: {happened:?}");
}
