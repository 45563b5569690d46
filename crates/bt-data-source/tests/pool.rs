//! The pool: memory (R37), dropping (R38), wake-ups, threads.

#![cfg(feature = "write")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;

use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use bt_core::{CandleSource, ConfigError, SourceError};
use bt_data_source::{ParquetSource, ReadPool};
use bt_testkit::{Recorder, drain_source};
use common::{files, minutes, open, series};
use futures::executor::block_on;
use futures::{StreamExt, stream};
use tokio_test::task;

const ROW: u64 = 57;

/// Waits until something is so.
fn eventually(what: &str, so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::yield_now();
    }
}

/// Waits until a pool does nothing any more.
fn settle(pool: &ReadPool) {
    eventually("it settles", || !pool.stats().busy);
}

#[test]
fn r37_the_floor_follows_from_the_footers() {
    let pool = ReadPool::builder().threads(3).memory(100 << 20).build().unwrap();
    assert_eq!(pool.floor(), 0);
    let (_dir, paths) = files(&[minutes("2024-01-01", 250)], 100);
    let one = open(ParquetSource::files(series(), &paths).pool(&pool)).unwrap();
    let floor = pool.floor();
    let transient = floor - 100 * ROW;
    assert!(transient > 0 && transient.is_multiple_of(3));
    let two = open(ParquetSource::files(series(), &paths).pool(&pool)).unwrap();
    assert_eq!(pool.floor(), 2 * 100 * ROW + transient);
    drop((one, two));
    assert_eq!(pool.floor(), 0);
}

#[test]
fn r37_a_budget_below_the_floor_is_an_error_that_names_both() {
    let pool = ReadPool::builder().memory(1000).build().unwrap();
    let (_dir, paths) = files(&[minutes("2024-01-01", 250)], 100);
    let source = open(ParquetSource::files(series(), &paths).pool(&pool)).unwrap();
    let Err(ConfigError::Budget { budget, floor }) = pool.check_budget() else { panic!("too small") };
    assert_eq!((budget, floor), (1000, pool.floor()));
    settle(&pool);
    assert_eq!(pool.stats().units_started, 0, "nothing is read ahead");
    let (candles, error) = drain_source(source, &Recorder::new());
    assert!(candles.is_empty());
    assert!(matches!(error, Some(SourceError::Config(ConfigError::Budget { .. }))), "{error:?}");
}

#[test]
fn r37_at_the_floor_every_source_gets_on_and_the_budget_holds() {
    let (_dir, paths) = files(&[minutes("2024-01-01", 1000), minutes("2024-01-01T16:40:00Z", 1000)], 100);
    let measure = ReadPool::builder().threads(2).memory(1 << 30).build().unwrap();
    let make = |pool: &ReadPool| open(ParquetSource::files(series(), &paths).pool(pool)).unwrap();
    let sources: Vec<_> = (0..5).map(|_| make(&measure)).collect();
    let floor = measure.floor();
    drop(sources);

    let pool = ReadPool::builder().threads(2).memory(floor).build().unwrap();
    let mut sources: Vec<_> = (0..5).map(|_| make(&pool)).collect();
    assert_eq!((pool.floor(), pool.check_budget().is_ok()), (floor, true));
    // Each holds a batch while it waits for the next: the last ones to be polled find the budget taken.
    let rows = block_on(async {
        let mut rows = [0; 5];
        for turn in 0.. {
            let mut live = false;
            for (index, source) in sources.iter_mut().enumerate() {
                if let Some(batch) = source.next().await {
                    rows[index] += batch.unwrap().len();
                    live = true;
                }
            }
            if !live {
                break;
            }
            assert!(turn < 100);
        }
        rows
    });
    assert_eq!(rows, [2000; 5]);
    assert!(pool.stats().reserved_peak <= 5 * 100 * ROW, "{:?}", pool.stats());
    drop(sources);
    assert_eq!(pool.stats().reserved, 0);
}

#[test]
fn r37_a_source_that_is_not_polled_is_read_ahead_of_by_one_slice() {
    let (_dir, paths) = files(&[minutes("2024-01-01", 1000)], 100);
    let pool = ReadPool::builder().threads(2).memory(1 << 30).build().unwrap();
    let mut source = open(ParquetSource::files(series(), &paths).pool(&pool)).unwrap();
    settle(&pool);
    assert_eq!((pool.stats().units_started, pool.stats().reserved), (1, 100 * ROW));
    // Once it is polled there is room for all of it.
    block_on(source.next()).unwrap().unwrap();
    settle(&pool);
    assert_eq!(pool.stats().reserved, 1000 * ROW);
    drop(source);
    assert_eq!((pool.stats().reserved, pool.stats().sources, pool.floor()), (0, 0, 0));
}

#[test]
fn r38_dropping_a_source_starts_no_further_unit() {
    let (_dir, paths) = files(&[minutes("2024-01-01", 3000)], 10);
    let pool = ReadPool::builder().threads(2).memory(2 << 20).build().unwrap();
    let mut source = open(ParquetSource::files(series(), &paths).pool(&pool)).unwrap();
    block_on(source.next()).unwrap().unwrap();
    drop(source);
    let started = pool.stats().units_started;
    assert_eq!((pool.stats().sources, pool.stats().reserved), (0, 0));
    settle(&pool);
    assert_eq!(pool.stats().units_started, started);
    // It serves others as before.
    let other = open(ParquetSource::files(series(), &paths).pool(&pool)).unwrap();
    assert_eq!(drain_source(other, &Recorder::new()).0.len(), 3000);
}

#[test]
fn r38_an_ended_source_holds_nothing_even_if_it_is_kept() {
    let (_dir, paths) = files(&[minutes("2024-01-01", 30)], 10);
    let pool = ReadPool::builder().build().unwrap();
    let mut source = open(ParquetSource::files(series(), &paths).pool(&pool)).unwrap();
    while block_on(source.next()).is_some() {}
    assert_eq!((pool.stats().sources, pool.stats().reserved), (0, 0));
    assert_eq!(source.stats().snapshot().emitted, 30);
}

#[test]
fn a_pending_source_is_woken_and_only_the_last_task_is() {
    let (_dir, paths) = files(&[minutes("2024-01-01", 3000)], 100);
    let pool = ReadPool::builder().threads(1).build().unwrap();
    let [mut first, mut second] = [(), ()].map(task::spawn);
    // It may be that all is there whenever it is asked for: then it is tried again.
    let mut waits = 0;
    for _ in 0..1000 {
        let mut source = open(ParquetSource::files(series(), &paths).pool(&pool)).unwrap();
        let mut rows = 0;
        loop {
            let mut polled = first.enter(|cx, _| source.poll_next_unpin(cx));
            if polled.is_pending() {
                polled = second.enter(|cx, _| source.poll_next_unpin(cx));
            }
            match polled {
                Poll::Pending => {
                    let before = first.is_woken();
                    eventually("it is woken", || second.is_woken());
                    assert_eq!(first.is_woken(), before);
                    waits += usize::from(!before);
                }
                Poll::Ready(Some(batch)) => rows += batch.unwrap().len(),
                Poll::Ready(None) => break,
            }
        }
        assert_eq!(rows, 3000);
        if waits > 0 {
            return;
        }
    }
    panic!("it never had to wait");
}

#[test]
fn threads_end_with_the_last_handle_and_the_last_source() {
    fn threads() -> usize {
        std::fs::read_dir("/proc/self/task").map_or(0, |tasks| {
            let name = |task: std::io::Result<std::fs::DirEntry>| {
                std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
            };
            // A number of its own, so that the pools of other tests do not count.
            tasks.filter_map(name).filter(|name| name.trim() == "bt-read-17").count()
        })
    }
    let (_dir, paths) = files(&[minutes("2024-01-01", 30)], 10);
    let pool = ReadPool::builder().threads(18).build().unwrap();
    let source = open(ParquetSource::files(series(), &paths).pool(&pool)).unwrap();
    if cfg!(target_os = "linux") {
        eventually("it runs", || threads() == 1);
    }
    drop(pool);
    assert_eq!(drain_source(source, &Recorder::new()).0.len(), 30);
    eventually("it ends", || threads() == 0);
}

/// What a waker does with the task that it is for: ends it, and tells whether on a thread of the pool.
struct Last {
    task: Mutex<Owned>,
    ended: mpsc::Sender<bool>,
}

#[derive(Default)]
struct Owned {
    woken: bool,
    held: Option<(ParquetSource, ReadPool)>,
}

impl Wake for Last {
    fn wake(self: Arc<Self>) {
        let mut task = self.task.lock().unwrap();
        task.woken = true;
        let held = task.held.take();
        drop(task);
        if held.is_some() {
            drop(held);
            let on = std::thread::current().name().is_some_and(|name| name.starts_with("bt-read"));
            self.ended.send(on).unwrap();
        }
    }
}

#[test]
fn a_task_that_owns_pool_and_source_may_end_on_a_thread_of_the_pool() {
    let (_dir, paths) = files(&[minutes("2024-01-01", 3000)], 1000);
    let (ended, end) = mpsc::channel();
    // It may be that all is there whenever it is asked for, or just before the task is left alone.
    for _ in 0..1000 {
        let pool = ReadPool::builder().threads(1).build().unwrap();
        let mut source = open(ParquetSource::files(series(), &paths).pool(&pool)).unwrap();
        let last = Arc::new(Last { task: Mutex::default(), ended: ended.clone() });
        let waker = Waker::from(Arc::clone(&last));
        loop {
            last.task.lock().unwrap().woken = false;
            match source.poll_next_unpin(&mut Context::from_waker(&waker)) {
                Poll::Ready(Some(batch)) => drop(batch.unwrap()),
                Poll::Ready(None) => break,
                Poll::Pending => {
                    let mut task = last.task.lock().unwrap();
                    if task.woken {
                        continue;
                    }
                    task.held = Some((source, pool));
                    drop(task);
                    drop((waker, last));
                    assert!(end.recv_timeout(Duration::from_secs(10)).unwrap());
                    return;
                }
            }
        }
    }
    panic!("it never had to wait");
}

#[test]
fn a_waker_that_panics_harms_no_thread() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker panics");
        }
    }
    let (_dir, paths) = files(&[minutes("2024-01-01", 30)], 10);
    let pool = ReadPool::builder().threads(1).build().unwrap();
    let waker = Waker::from(Arc::new(Panics));
    for _ in 0..100 {
        let mut source = open(ParquetSource::files(series(), &paths).pool(&pool)).unwrap();
        while let Poll::Ready(Some(batch)) = source.poll_next_unpin(&mut Context::from_waker(&waker)) {
            drop(batch.unwrap());
        }
        settle(&pool);
    }
    let other = open(ParquetSource::files(series(), &paths).pool(&pool)).unwrap();
    assert_eq!(drain_source(other, &Recorder::new()).0.len(), 30);
}

#[test]
fn many_sources_share_few_threads() {
    let (_dir, paths) = files(&[minutes("2024-01-01", 200)], 50);
    let pool = ReadPool::builder().threads(2).memory(8 << 20).build().unwrap();
    let sources: Vec<_> =
        (0..300).map(|_| open(ParquetSource::files(series(), &paths).pool(&pool)).unwrap()).collect();
    let rows: usize = block_on(
        stream::select_all(sources).map(|batch| batch.unwrap().len()).fold(0, |a, b| async move { a + b }),
    );
    assert_eq!(rows, 300 * 200);
    assert_eq!(pool.stats().reserved, 0);
}

#[test]
fn numbers_of_threads_that_cannot_be_are_refused() {
    for threads in [0, 1025] {
        let error = ReadPool::builder().threads(threads).build().unwrap_err();
        assert!(error.to_string().contains(&threads.to_string()), "{error}");
    }
}
