//! The journal of a command, made when it is known that the command can work.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bt_bus::{FsyncPolicy, Journal, JournalConfig, JournalSink};

use crate::args::RecordArgs;
use crate::failure::{Failure, chain};

/// A place for the journal: sinks are handed out before it is there. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct JournalSlot(Arc<Mutex<Option<Journal>>>);

impl JournalSlot {
    /// Makes the journal, if one is wanted.
    pub(crate) fn create(&self, record: &RecordArgs) -> Result<(), Failure> {
        *self.lock() = create(record, FsyncPolicy::Never)?;
        Ok(())
    }

    /// A sink for the logs of a component, if there is a journal.
    pub(crate) fn sink(&self, component: &'static str) -> Option<JournalSink> {
        self.lock().as_ref().map(|journal| journal.sink(component))
    }

    /// Writes what is left.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        let journal = self.lock().take();
        match journal {
            Some(journal) => journal.close().await.map(drop).map_err(|error| Failure::Run(chain(&error))),
            None => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Journal>> {
        // It is replaced whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The journal, if one is wanted.
pub(crate) fn create(record: &RecordArgs, fsync: FsyncPolicy) -> Result<Option<Journal>, Failure> {
    let create = |path| JournalConfig::new().with_fsync(fsync).create(path);
    record.log.as_ref().map(create).transpose().map_err(|error| Failure::Run(chain(&error)))
}
