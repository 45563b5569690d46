//! The runtime gets its thread back (R36), and no wake-up is lost.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bt_core::{
    BoxError, BoxLogSink, BusError, BusStats, Drain, Event, EventBus, SimClock, StuckSubscription, WakeYield,
    topic,
};
use futures::StreamExt;
use support::*;
use tokio::sync::oneshot;
use tokio_test::task;

#[test]
fn r36_one_poll_of_a_run_that_never_waits_handles_a_bounded_number_of_frames() {
    let (bus, frames_handled) = (bus(), Arc::new(AtomicU64::new(0)));
    let count = frames_handled.clone();
    let engine = builder(&bus, ScriptedFeed::new(&bus, frames(10_000)))
        .with_yield(WakeYield::default())
        .service("count", [topic::FRAME], |mut cx| async move {
            while let Some(delivery) = cx.next().await {
                if let Event::Frame(_) = delivery.payload {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(())
        })
        .build()
        .unwrap();
    let mut run = task::spawn(engine.run());
    let (mut polls, mut handled) = (0, 0);
    while run.poll().is_pending() {
        assert!(run.is_woken());
        let now = frames_handled.load(Ordering::Relaxed);
        assert!(now - handled <= 4096, "{} frames in one poll", now - handled);
        handled = now;
        polls += 1;
    }
    assert!(polls >= 10_000 / 4096, "{polls} polls");
}

#[test]
fn r36_a_frame_that_wakes_nobody_counts_as_one_piece_of_work() {
    let bus = bus();
    let engine = builder(&bus, ScriptedFeed::new(&bus, frames(10_240))).with_yield(WakeYield::default());
    let mut run = task::spawn(engine.build().unwrap().run());
    let mut yields = 0;
    while run.poll().is_pending() {
        yields += 1;
    }
    assert_eq!(yields, 10_240 / (4096 / 16));
}

/// A task that yields by `yield_now` is polled again when the runtime has looked at its timers and I/O. So each
/// beat is such a look, and what is done between two of them is counted in frames.
#[tokio::test]
async fn r36_timers_go_on_beside_a_run_that_never_waits() {
    const FRAMES: u64 = 100_000;
    // Each takes a poll of the service at least, which counts as 8 of the 4,096 candles of a poll.
    const FRAMES_IN_A_POLL: u64 = 4096 / 8;
    let (bus, frames_handled) = (bus(), Arc::new(AtomicU64::new(0)));
    let count = frames_handled.clone();
    let engine = builder(&bus, ScriptedFeed::new(&bus, frames(FRAMES)))
        .service("count", [topic::FRAME], |mut cx| async move {
            while let Some(delivery) = cx.next().await {
                if let Event::Frame(_) = delivery.payload {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(())
        })
        .build()
        .unwrap();
    let run = tokio::spawn(engine.run());
    let (mut beats, mut handled) = (0, 0);
    while !run.is_finished() {
        tokio::task::yield_now().await;
        let now = frames_handled.load(Ordering::Relaxed);
        assert!(now - handled <= FRAMES_IN_A_POLL, "{} frames between two beats", now - handled);
        handled = now;
        beats += 1;
    }
    assert_eq!(run.await.unwrap().unwrap().frames, FRAMES);
    assert!(beats >= FRAMES / FRAMES_IN_A_POLL, "{beats} beats");
}

#[tokio::test]
async fn r36_a_service_that_spins_leaves_the_thread_to_others() {
    let bus = bus();
    let engine = builder(&bus, ScriptedFeed::new(&bus, [Do::Frame(1), Do::Gate(bt_testkit::Gate::closed())]))
        .service("spins", [topic::FRAME], |mut cx| async move {
            loop {
                let next = std::future::poll_fn(|task| {
                    task.waker().wake_by_ref();
                    cx.subscription.poll_next_unpin(task)
                });
                if next.await.is_none() {
                    return Ok(());
                }
            }
        })
        .build()
        .unwrap();
    let stop = engine.stop_handle();
    let run = tokio::spawn(engine.run());
    while bus.stats().published(topic::FRAME) == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..5 {
        tokio::task::yield_now().await;
    }
    stop.stop(bt_engine::StopReason::Caller);
    assert_eq!(run.await.unwrap().unwrap().frames, 1);
}

/// A service hands each frame to another thread and waits for its answer: a lost wake-up would hang the run.
#[test]
fn wake_ups_from_other_threads_are_never_lost() {
    const FRAMES: u64 = 3_000;
    let bus = bus();
    let (to_thread, jobs) = std::sync::mpsc::channel::<oneshot::Sender<()>>();
    let worker = std::thread::spawn(move || {
        for job in jobs {
            let _ = job.send(());
        }
    });
    let mut building = builder(&bus, ScriptedFeed::new(&bus, frames(FRAMES)));
    for name in ["a", "b", "c"] {
        let to_thread = to_thread.clone();
        building = building.service(name, [topic::FRAME], move |mut cx| async move {
            while let Some(_held) = cx.next().await {
                let (done, answer) = oneshot::channel();
                to_thread.send(done)?;
                answer.await?;
            }
            Ok(())
        });
    }
    drop(to_thread);
    let engine = building.build().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let report = runtime.block_on(async {
        let run = tokio::spawn(engine.run());
        tokio::time::timeout(Duration::from_secs(60), run)
            .await
            .expect("no wake-up was lost")
            .unwrap()
            .unwrap()
    });
    assert_eq!(report.frames, FRAMES);
    worker.join().unwrap();
}

/// A bus whose barrier, while it is polled, wakes whoever asked for it.
#[derive(Clone)]
struct Prodding {
    bus: TestBus,
    prod: Arc<Mutex<Option<Waker>>>,
}

struct ProddingIdle {
    idle: <TestBus as EventBus>::Idle,
    prod: Arc<Mutex<Option<Waker>>>,
}

impl Future for ProddingIdle {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let prod = self.prod.lock().unwrap().take();
        prod.into_iter().for_each(Waker::wake);
        Pin::new(&mut self.idle).poll(cx)
    }
}

impl EventBus for Prodding {
    type Payload = Event;
    type Publisher = <TestBus as EventBus>::Publisher;
    type Subscription = <TestBus as EventBus>::Subscription;
    type Delivery = <TestBus as EventBus>::Delivery;
    type Idle = ProddingIdle;

    fn publisher(&self, topic: &str) -> Result<Self::Publisher, BusError> {
        self.bus.publisher(topic)
    }

    fn subscribe(
        &self,
        name: &str,
        topics: &[&str],
        capacity: usize,
    ) -> Result<Self::Subscription, BusError> {
        self.bus.subscribe(name, topics, capacity)
    }

    fn log_sink(&self, component: &'static str) -> Result<BoxLogSink, BusError> {
        self.bus.log_sink(component)
    }

    fn idle(&self) -> ProddingIdle {
        ProddingIdle { idle: self.bus.idle(), prod: self.prod.clone() }
    }

    fn close(&self, drain: Drain) {
        self.bus.close(drain);
    }

    fn stats(&self) -> BusStats {
        self.bus.stats()
    }

    fn stuck(&self) -> Vec<StuckSubscription> {
        self.bus.stuck()
    }
}

/// The engine has looked at its services, and is about to wait, when one is woken: nobody rings.
#[test]
fn a_wake_up_between_the_last_look_and_the_wait_is_not_lost() {
    let bus = Prodding { bus: bus(), prod: Arc::default() };
    let waker = Arc::new(Mutex::new(None));
    let kept = waker.clone();
    let engine = bt_engine::Engine::builder()
        .feed(ScriptedFeed::new(&bus.bus, [Do::Gate(bt_testkit::Gate::closed())]))
        .bus(bus.clone())
        .clock(SimClock::new(at(0)))
        .service("waits", [topic::FRAME], |cx| async move {
            let _subscribed = cx;
            std::future::poll_fn(|task| {
                *kept.lock().unwrap() = Some(task.waker().clone());
                Poll::<Result<(), BoxError>>::Pending
            })
            .await
        })
        .build()
        .unwrap();
    let mut engine = task::spawn(engine);
    assert!(engine.poll_next().is_pending());
    assert!(!engine.is_woken());
    *bus.prod.lock().unwrap() = waker.lock().unwrap().clone();
    assert!(engine.poll_next().is_pending());
    assert!(engine.is_woken(), "somebody has to poll the service");
}
