//! Live candles from a socket's bytes to frames, beside a client that does nothing with its messages.

use std::future::pending;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{env, io, thread};

use bt_core::{Series, Timeframe, Timestamp};
use bt_data_source::{Live, LiveConfig};
use bt_engine::TokioYield;
use bt_feeder::BarFeed;
use bt_resample::Resample;
use futures::{SinkExt, StreamExt, TryStreamExt};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, connect_async};

use super::Told;
use super::responsive::{Pulse, beside};
use crate::meter::Meter;
use crate::words::{Error, Words};

const MINUTE_MS: i64 = 60_000;

/// When the first minute begins: 2024.
const BEGIN_MS: i64 = 1_704_067_200_000;

/// Messages of so many series over so many minutes: in each minute an update and the end of the kline of each.
#[derive(Clone, Copy, Debug)]
struct Course {
    series: u32,
    minutes: i64,
}

impl Course {
    fn of(words: &mut Words) -> Result<Self, Error> {
        Ok(Course { series: words.or("series", 8)?, minutes: words.or("minutes", 10_000)? })
    }

    fn symbols(self) -> impl Iterator<Item = String> {
        (0..self.series).map(|number| format!("S{number}USDT"))
    }

    fn messages(self) -> usize {
        2 * self.series as usize * self.minutes as usize
    }

    /// In the order in which they are sent.
    fn texts(self) -> impl Iterator<Item = String> {
        (0..self.minutes).flat_map(move |minute| {
            let updates = self.symbols().map(move |symbol| kline(&symbol, minute, false));
            updates.chain(self.symbols().map(move |symbol| kline(&symbol, minute, true)))
        })
    }
}

fn kline(symbol: &str, minute: i64, closed: bool) -> String {
    let (start, lower) = (BEGIN_MS + minute * MINUTE_MS, symbol.to_lowercase());
    let end = start + MINUTE_MS;
    let at = if closed { end + 5 } else { end - 7_000 };
    let price = 40_000.0 + (minute % 977) as f64 / 8.0;
    let (high, low) = (price + 12.5, price - 9.25);
    format!(
        r#"{{"stream":"{lower}@kline_1m","data":{{"e":"kline","E":{at},"s":"{symbol}","k":{{"t":{start},"T":{},"s":"{symbol}","i":"1m","f":3452345,"L":3452399,"o":"{price:.8}","c":"{price:.8}","h":"{high:.8}","l":"{low:.8}","v":"12.34500000","n":54,"x":{closed},"q":"493800.00000000","V":"6.10000000","Q":"244000.00000000","B":"0"}}}}}}"#,
        end - 1,
    )
}

/// A runtime with sockets.
fn runtime() -> Result<Runtime, Error> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// Sends all messages to whoever connects, in a process of its own, until its standard input ends: `series minutes`.
pub(super) fn venue(words: &mut Words) -> Result<Told, Error> {
    let course = Course::of(words)?;
    words.end()?;
    runtime()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(io::stdout(), "{}", listener.local_addr()?)?;
        let mut socket = accept_async(listener.accept().await?.0).await?;
        let mut texts = course.texts();
        while let Some(first) = texts.next() {
            socket.feed(Message::text(first)).await?;
            for text in texts.by_ref().take(63) {
                socket.feed(Message::text(text)).await?;
            }
            socket.flush().await?;
        }
        // Whoever started it ends it.
        pending().await
    })
}

/// The venue's process.
struct Venue(Child);

impl Venue {
    /// Starts it; the URL at which it listens.
    fn start(course: Course) -> Result<(Self, String), Error> {
        let mut command = Command::new(env::current_exe()?);
        command.arg("live-venue");
        command.arg(format!("series={}", course.series)).arg(format!("minutes={}", course.minutes));
        let mut venue = Venue(command.stdout(Stdio::piped()).spawn()?);
        let mut address = String::new();
        let stdout = venue.0.stdout.take().ok_or("no output of the venue")?;
        BufReader::new(stdout).read_line(&mut address)?;
        Ok((venue, format!("ws://{}", address.trim())))
    }
}

impl Drop for Venue {
    fn drop(&mut self) {
        // It may have ended by itself, for want of a client.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Messages of the venue to frames, counted: `series minutes target`.
pub(super) fn frames(words: &mut Words) -> Result<Told, Error> {
    let (course, target) = (Course::of(words)?, words.or("target", "5m".parse()?)?);
    words.end()?;
    let (_venue, url) = Venue::start(course)?;
    let meter = Meter::start();
    let frames = runtime()?.block_on(all_frames(&url, course, target))?;
    Ok(Told::new().with("frames", frames as f64).with("messages", course.messages() as f64).taken(&meter))
}

/// A heartbeat of 1 ms beside the same, or knocks, which goes as fast as it can: `series minutes target knock`.
pub(super) fn heartbeat(words: &mut Words) -> Result<Told, Error> {
    let (course, target) = (Course::of(words)?, words.or("target", "5m".parse()?)?);
    let pulse = Pulse::of(words)?;
    words.end()?;
    let (_venue, url) = Venue::start(course)?;
    runtime()?.block_on(beside(pulse, async { all_frames(&url, course, target).await.map(drop) }))
}

/// Counts the frames, of which there must be as many as there is time for.
async fn all_frames(url: &str, course: Course, target: Timeframe) -> Result<u64, Error> {
    let frames = feed(url, course, target)?.try_fold(0, count).await?;
    let expected = course.minutes as u64 * Timeframe::MINUTE.as_nanos() as u64 / target.as_nanos() as u64;
    if frames == expected { Ok(frames) } else { Err(format!("{frames} frames, expected {expected}").into()) }
}

async fn count(frames: u64, _: bt_core::Frame) -> Result<u64, bt_core::FeedError> {
    Ok(frames + 1)
}

fn feed(url: &str, course: Course, target: Timeframe) -> Result<BarFeed, Error> {
    let names = course.symbols().map(|symbol| format!("binance.spot:{symbol}@1m").parse());
    let series = names.collect::<Result<Vec<Series>, _>>()?;
    let mut live = Live::builder(url, series.iter().cloned())
        .config(LiveConfig::default().with_seed(Some(1)).with_series_per_connection(series.len()))
        .build()?;
    let begin = Timestamp::from_millis(BEGIN_MS)?;
    let end = Timestamp::from_millis(BEGIN_MS + course.minutes * MINUTE_MS)?;
    let mut builder = BarFeed::builder().with_yield(TokioYield::new());
    for series in &series {
        let source = live.source(series, begin)?.until(end).with_yield(TokioYield::new()).build()?;
        builder = builder.subscribe(Resample::new(source, target)?.with_yield(TokioYield::new()));
    }
    Ok(builder.build()?)
}

/// Messages of the venue, read and counted: `series minutes`.
pub(super) fn bare(words: &mut Words) -> Result<Told, Error> {
    let course = Course::of(words)?;
    words.end()?;
    let (_venue, url) = Venue::start(course)?;
    let meter = Meter::start();
    let bytes = runtime()?.block_on(async {
        let (socket, _) = connect_async(&url).await?;
        let texts = socket.take(course.messages());
        texts
            .try_fold(0, |bytes, message| async move { Ok(bytes + message.len()) })
            .await
            .map_err(Error::from)
    })?;
    Ok(Told::new().with("bytes", bytes as f64).with("messages", course.messages() as f64).taken(&meter))
}

/// How long after it was sent a kline's end is a frame, or with `bare` a message in a client's hands:
/// `messages per_second bare`.
pub(super) fn latency(words: &mut Words) -> Result<Told, Error> {
    let (messages, per_second) = (words.or("messages", 5_000)?, words.or("per_second", 1_000.0)?);
    let bare = words.or("bare", false)?;
    words.end()?;
    let sent: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let (tell, told) = oneshot::channel();
    let sender = {
        let sent = Arc::clone(&sent);
        thread::spawn(move || pace(messages, per_second, tell, &sent))
    };
    let mut late = runtime()?.block_on(async {
        let url = told.await?;
        let since = |at: usize| sent.lock().unwrap_or_else(PoisonError::into_inner)[at].elapsed();
        let mut late = Vec::with_capacity(messages);
        if bare {
            let (mut socket, _) = connect_async(&url).await?;
            while late.len() < messages {
                socket.try_next().await?.ok_or("the venue has gone")?;
                late.push(since(late.len()));
            }
        } else {
            let course = Course { series: 1, minutes: messages as i64 };
            let mut feed = feed(&url, course, Timeframe::MINUTE)?;
            while feed.try_next().await?.is_some() {
                late.push(since(late.len()));
            }
        }
        Ok::<_, Error>(late)
    })?;
    sender.join().map_err(|_| "the venue panicked")??;
    late.sort_unstable();
    let at = |share: f64| {
        late.get((late.len() as f64 * share) as usize).map_or(f64::NAN, |late| late.as_secs_f64() * 1e3)
    };
    Ok(Told::new().with("messages", late.len() as f64).with("p50_ms", at(0.5)).with("p99_ms", at(0.99)))
}

/// Sends the end of one kline after the other, and notes when; on a thread of its own.
fn pace(
    messages: usize,
    per_second: f64,
    tell: oneshot::Sender<String>,
    sent: &Mutex<Vec<Instant>>,
) -> Result<(), Error> {
    let texts: Vec<String> = (0..messages as i64).map(|minute| kline("S0USDT", minute, true)).collect();
    runtime()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        tell.send(format!("ws://{}", listener.local_addr()?)).map_err(|_| "nobody listens")?;
        let mut socket = accept_async(listener.accept().await?.0).await?;
        let mut ticks = interval(Duration::from_secs_f64(1.0 / per_second));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for text in texts {
            ticks.tick().await;
            sent.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
            socket.send(Message::text(text)).await?;
        }
        Ok(())
    })
}
