//! What goes to the threads and what comes back.

use std::sync::Arc;

use bt_core::{Columns, SourceError, Timestamp};

use super::unit::{self, Unit};
use crate::check::{Rules, Run, Verdict};
use crate::chunk::Chunk;
use crate::decode::FilePlan;
use crate::files::Entry;
use crate::limits::Terms;

/// What a source reads, and how.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) entries: Vec<Entry>,
    pub(crate) terms: Terms,
    pub(crate) rules: Rules,
    /// Most rows of a chunk.
    pub(crate) chunk_rows: usize,
}

/// Names a client, in order of registration.
pub(super) type Id = u64;

/// Something that is not a unit of a client: listing, footers.
pub(super) type Task = Box<dyn FnOnce() + Send>;

/// What waits for a thread.
pub(super) enum Work {
    Task(Task),
    Unit(Job),
}

/// A unit that a thread has taken on.
pub(super) struct Job {
    pub(super) id: Id,
    pub(super) reading: Arc<Reading>,
    pub(super) unit: Unit,
    /// The footer of the unit's file, if it was read before.
    pub(super) plan: Option<Arc<FilePlan>>,
    /// Columns to use again.
    pub(super) buffers: Vec<Columns>,
}

/// A decoded chunk, and the bytes that are reserved for it.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) entry: usize,
    pub(super) chunk: Chunk,
    pub(super) bytes: u64,
    /// The latest start among its rows that are fine. Of others the start may be what is wrong.
    pub(super) reached: Option<Timestamp>,
}

impl Parcel {
    pub(super) fn new(entry: usize, chunk: Chunk) -> Self {
        let last = |run: &Run| (run.verdict == Verdict::Fine).then_some(run.end as usize - 1);
        let starts = &chunk.columns.start[chunk.rows.clone()];
        let reached = chunk.runs.iter().filter_map(last).map(|row| starts[row]).max();
        Parcel { entry, bytes: unit::bytes(chunk.rows.len()), reached, chunk }
    }
}

/// What ends a client early.
#[derive(Debug)]
pub(super) struct Failure {
    /// The entry that cannot be read.
    pub(super) entry: usize,
    pub(super) error: SourceError,
}

/// What comes back at the end of a unit.
pub(super) struct Finished {
    pub(super) plan: Option<Arc<FilePlan>>,
    pub(super) buffers: Vec<Columns>,
    pub(super) error: Option<SourceError>,
}
