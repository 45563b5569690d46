//! What the threads of a pool do.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bt_core::{Columns, SourceError};

use super::Shared;
use super::job::{Finished, Job, Parcel, Work};
use super::unit::Part;
use crate::check::{self, Raw};
use crate::chunk::Chunk;
use crate::decode::{self, FilePlan, RawChunk, Scratch, Slice};
use crate::files::{Entry, FileInfo, OpenFile, guarded, guarded_around};

/// Works until the pool closes. No panic ends it: others wait for what it would have done next.
pub(super) fn run(shared: &Shared) {
    let mut scratch = Scratch::default();
    while let Some(work) = shared.next_work() {
        // Whoever waits for a task is told by its answer's being dropped; a unit was finished before.
        let _ = catch_unwind(AssertUnwindSafe(|| match work {
            Work::Task(task) => task(),
            Work::Unit(job) => read(shared, job, &mut scratch),
        }));
    }
}

/// Reads a unit, and finishes it whatever happens.
fn read(shared: &Shared, mut job: Job, scratch: &mut Scratch) {
    let reading = Arc::clone(&job.reading);
    let error = match &reading.entries[job.unit.entry] {
        Entry::File(info) => {
            let read = guarded_around(info.path(), || {
                let read = read_parts(shared, &mut job, info, scratch);
                if let Err(error) = &read {
                    tracing::debug!(%error, "unit failed");
                }
                read
            });
            if read.is_err() {
                // It may have been left in the middle of something.
                *scratch = Scratch::default();
            }
            read.err()
        }
        // Units are made of files only.
        Entry::Missing { .. } => None,
    };
    let Job { id, unit, plan, buffers, .. } = job;
    shared.finish(id, &unit, Finished { plan, buffers, error });
}

/// Reads a unit, and delivers it part by part.
fn read_parts(
    shared: &Shared,
    job: &mut Job,
    info: &FileInfo,
    scratch: &mut Scratch,
) -> Result<(), SourceError> {
    let Job { id, reading, unit, plan, buffers } = job;
    tracing::debug!(path = %info.path().display(), rows = unit.rows(), "unit started");
    let (mut file, plan) = guarded(info.path(), || {
        let mut file = info.open()?;
        let plan = match plan {
            Some(plan) => Arc::clone(plan),
            None => Arc::clone(plan.insert(Arc::new(info.plan(&mut file, &reading.terms)?))),
        };
        Ok((file, plan))
    })?;
    for part in &unit.parts {
        let chunks =
            guarded(info.path(), || read_part(&mut file, info, &plan, part, reading, scratch, buffers));
        // Rows of a file that changed meanwhile belong to neither of its states, nor does what is wrong with them.
        info.check(&file)?;
        let chunks = chunks?;
        let parcel = |chunk| Parcel::new(unit.entry, chunk);
        if !shared.deliver(*id, chunks.into_iter().map(parcel).collect()) {
            tracing::debug!(path = %info.path().display(), "unit given up");
            return Ok(());
        }
    }
    tracing::debug!(path = %info.path().display(), rows = unit.rows(), "unit read");
    Ok(())
}

fn read_part(
    file: &mut OpenFile,
    info: &FileInfo,
    plan: &FilePlan,
    part: &Part,
    reading: &super::Reading,
    scratch: &mut Scratch,
    buffers: &mut Vec<Columns>,
) -> Result<Vec<Chunk>, SourceError> {
    let slice = Slice {
        group: part.group,
        rows: part.rows.clone(),
        range: reading.rules.range,
        batch_rows: reading.chunk_rows,
    };
    let raw = decode::decode(file, plan, &slice, scratch, &mut || buffers.pop().unwrap_or_default())
        .map_err(|error| error.at(info.path()))?;
    let mut number = part.number;
    let chunks = raw.into_iter().map(|RawChunk { columns, faults, start_only }| {
        let rows = 0..columns.len();
        let raw = Raw { columns: &columns, rows: &rows, faults: &faults, start_only };
        let runs = check::classify(raw, reading.rules);
        let chunk = Chunk { runs, number, columns: Arc::new(columns), rows };
        number += chunk.rows.len() as u64;
        chunk
    });
    Ok(chunks.collect())
}
