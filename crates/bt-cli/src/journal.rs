//! The journal of a command, made when it is known that the command can work.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bt_bus::{FsyncPolicy, Journal, JournalConfig, JournalSink};

use crate::args::RecordArgs;
use crate::aside;
use crate::failure::{Failure, chain};
use crate::signals::Signals;

/// A place for the journal: sinks are handed out before it is there. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct JournalSlot(Arc<Mutex<Option<Journal>>>);

impl JournalSlot {
    /// Makes the journal, if one is wanted.
    pub(crate) async fn create(&self, record: &RecordArgs, signals: &Signals) -> Result<(), Failure> {
        let journal = create(record, FsyncPolicy::Never, signals).await?;
        *self.lock() = journal;
        Ok(())
    }

    /// A sink for the logs of a component, if there is a journal.
    pub(crate) fn sink(&self, component: &'static str) -> Option<JournalSink> {
        self.lock().as_ref().map(|journal| journal.sink(component))
    }

    /// Writes what is left. It waits for whoever reads it, but not for longer than `limit` after a signal.
    pub(crate) async fn close(self, signals: &Signals, limit: Duration) -> Result<(), Failure> {
        let Some(journal) = self.lock().take() else { return Ok(()) };
        let sink = journal.sink("bt");
        match signals.or_late(journal.close(), limit).await {
            Some(closed) => closed.map(drop).map_err(|error| Failure::Run(chain(&error))),
            None => check(&sink),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Journal>> {
        // It is replaced whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The journal, if one is wanted. A signal ends the waiting for whoever is to read it.
pub(crate) async fn create(
    record: &RecordArgs,
    fsync: FsyncPolicy,
    signals: &Signals,
) -> Result<Option<Journal>, Failure> {
    let Some(path) = record.log.clone() else { return Ok(None) };
    let create = {
        let path = path.clone();
        move || {
            let created = JournalConfig::new().with_fsync(fsync).create(path);
            created.map_err(|error| Failure::Run(chain(&error)))
        }
    };
    aside::open(&path, signals, create).await.map(Some)
}

/// Whether all of a journal that is closed or given up was written.
pub(crate) fn check(sink: &JournalSink) -> Result<(), Failure> {
    sink.check().map_err(|error| Failure::Run(chain(&error)))
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "helpers of tests are tests")]
mod tests {
    use super::*;
    use bt_core::{Level, LogEvent};
    use futures::SinkExt;

    #[tokio::test(start_paused = true)]
    async fn a_journal_that_nobody_reads_is_waited_for_until_so_long_after_a_signal() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        // Open to be read, and never read.
        let _reader = std::fs::File::options().read(true).write(true).open(&fifo).unwrap();
        let (slot, signals) = (JournalSlot::default(), Signals::default());
        slot.create(&RecordArgs { log: Some(fifo.clone()), report: None }, &signals).await.unwrap();
        let mut sink = slot.sink("test").unwrap();
        for _ in 0..500 {
            let event = LogEvent::new(Level::Info, "test", "TEST_EVENT", "x".repeat(900));
            sink.send(event).await.unwrap();
        }
        signals.note(2);
        let error = slot.close(&signals, Duration::from_secs(30)).await.unwrap_err();
        assert!(matches!(error, Failure::Run(_)));
        let told = error.to_string();
        assert!(told.contains(&fifo.display().to_string()), "{told}");
        assert!(told.contains(" events were not written, ") && told.contains("its reader"), "{told}");
    }
}
