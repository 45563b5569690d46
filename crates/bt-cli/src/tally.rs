//! What a run's record amounts to: counts and a fingerprint of its log.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bt_bus::{JournalSink, encode_line};
use bt_core::{BoxError, BoxLogSink, Event, EventBus, Level, LogError, LogEvent, topic};
use bt_engine::ServiceContext;
use futures::Sink;
use serde::Serialize;

use crate::args::RecordArgs;
use crate::journal::JournalSlot;

/// Counts log events and takes their fingerprint. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    published: u64,
    by_level: [u64; Level::ALL.len()],
    by_event: BTreeMap<&'static str, u64>,
    fingerprint: blake3::Hasher,
    line: Vec<u8>,
}

/// What was counted, as it stands in the report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LogTotals {
    pub(crate) published: u64,
    pub(crate) by_level: BTreeMap<&'static str, u64>,
    pub(crate) by_event: BTreeMap<&'static str, u64>,
    /// Stands beside that of the frames.
    #[serde(skip)]
    pub(crate) fingerprint: String,
}

impl LogTotals {
    /// Says that there were warnings, where nothing else tells of them.
    pub(crate) fn remind(&self, record: &RecordArgs) {
        let of = |level: Level| self.by_level.get(level.as_str()).copied().unwrap_or_default();
        let (warnings, errors) = (of(Level::Warn), of(Level::Error));
        if warnings + errors > 0 && record.log.is_none() && record.report.is_none() {
            tracing::warn!(warnings, errors, "--log PATH keeps what was logged, --report PATH counts it");
        }
    }
}

impl Tally {
    /// Counts an event that stands at `seq` in the topic of logs.
    fn see(&self, seq: u64, event: &LogEvent) {
        self.lock().see(seq, event);
    }

    /// What was counted so far.
    pub(crate) fn totals(&self) -> LogTotals {
        let counts = self.lock();
        let by_level = Level::ALL.iter().zip(counts.by_level).filter(|(_, count)| *count > 0);
        LogTotals {
            published: counts.published,
            by_level: by_level.map(|(level, count)| (level.as_str(), count)).collect(),
            by_event: counts.by_event.clone(),
            fingerprint: counts.fingerprint.finalize().to_string(),
        }
    }

    /// Counts what is published on the bus, until it is closed.
    pub(crate) async fn serve<B>(self, mut cx: ServiceContext<B>) -> Result<(), BoxError>
    where
        B: EventBus<Payload = Event>,
    {
        while let Some(delivery) = cx.next().await {
            if let Event::Log(event) = &delivery.payload {
                self.see(delivery.seq, event);
            }
        }
        Ok(())
    }

    /// A sink for the logs of a component where there is no bus: counted, then journalled.
    pub(crate) fn sink(&self, component: &'static str, slot: JournalSlot) -> BoxLogSink {
        Box::pin(TallySink { tally: self.clone(), component, slot: Some(slot), journal: None })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Counts are whole after every event, so a panic elsewhere cannot have left them half counted.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn see(&mut self, seq: u64, event: &LogEvent) {
        self.published += 1;
        for (level, count) in Level::ALL.iter().zip(&mut self.by_level) {
            *count += u64::from(*level == event.level);
        }
        *self.by_event.entry(event.event).or_default() += 1;
        self.line.clear();
        encode_line(topic::LOG, seq, event, &mut self.line);
        self.fingerprint.update(&self.line);
    }
}

struct TallySink {
    tally: Tally,
    component: &'static str,
    /// Where the journal is to be found, until it was looked for.
    slot: Option<JournalSlot>,
    journal: Option<JournalSink>,
}

impl TallySink {
    fn poll_journal(
        &mut self,
        poll: impl FnOnce(Pin<&mut JournalSink>) -> Poll<Result<(), LogError>>,
    ) -> Poll<Result<(), LogError>> {
        if let Some(slot) = self.slot.take() {
            self.journal = slot.sink(self.component);
        }
        self.journal.as_mut().map_or(Poll::Ready(Ok(())), |journal| poll(Pin::new(journal)))
    }
}

impl Sink<LogEvent> for TallySink {
    type Error = LogError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), LogError>> {
        self.poll_journal(|journal| journal.poll_ready(cx))
    }

    fn start_send(mut self: Pin<&mut Self>, mut event: LogEvent) -> Result<(), LogError> {
        event.component = self.component;
        {
            // The sinks of all components count on: the number of an event is its place among all.
            let mut counts = self.tally.lock();
            let seq = counts.published + 1;
            counts.see(seq, &event);
        }
        match &mut self.journal {
            Some(journal) => Pin::new(journal).start_send(event),
            None => Ok(()),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), LogError>> {
        self.poll_journal(|journal| journal.poll_flush(cx))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), LogError>> {
        self.poll_journal(|journal| journal.poll_close(cx))
    }
}
