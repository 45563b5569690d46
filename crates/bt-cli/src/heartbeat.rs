//! A task that ticks every millisecond and measures how late it is.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

const TICK: Duration = Duration::from_millis(1);

/// Lateness of a heartbeat's ticks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lateness {
    pub(crate) ticks: usize,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
}

/// A heartbeat on the present runtime.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Vec<Duration>>,
}

impl Heartbeat {
    /// Starts ticking.
    pub(crate) fn start() -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut late = Vec::new();
            loop {
                let due = Instant::now() + TICK;
                tokio::select! {
                    biased;
                    _ = &mut stopped => return late,
                    () = sleep_until(due) => late.push(due.elapsed()),
                }
            }
        });
        Heartbeat { stop, task }
    }

    /// Stops ticking and says how late the ticks were.
    pub(crate) async fn stop(self) -> Lateness {
        // The task ends by itself only if this end is gone, which it is not.
        let _ = self.stop.send(());
        let mut late = self.task.await.unwrap_or_default();
        late.sort_unstable();
        let at =
            |share: f64| late.get(((late.len() as f64 - 1.0) * share) as usize).copied().unwrap_or_default();
        Lateness { ticks: late.len(), p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}
