//! What the threads of a pool do.

use std::fs::File;
use std::sync::Arc;

use bt_core::{Columns, SourceError};

use super::Shared;
use super::state::{Finished, Job, Parcel, Work};
use super::unit::{self, Part};
use crate::check::{self, Raw, RowFault};
use crate::chunk::Chunk;
use crate::decode::{self, FilePlan, RawChunk, Scratch, Slice};
use crate::files::{Entry, FileInfo, guarded};

/// Works until the pool closes.
pub(super) fn run(shared: &Shared) {
    let mut scratch = Scratch::default();
    while let Some(work) = shared.next_work() {
        match work {
            Work::Task(task) => task(),
            Work::Unit(job) => read(shared, job, &mut scratch),
        }
    }
}

/// Reads a unit, and delivers it part by part.
fn read(shared: &Shared, job: Job, scratch: &mut Scratch) {
    let Job { id, reading, unit, mut plan, mut buffers } = job;
    let error = match &reading.entries[unit.entry] {
        Entry::File(info) => {
            tracing::debug!(path = %info.path().display(), rows = unit.rows(), "unit started");
            let read = guarded(info.path(), || {
                let mut file = info.open()?;
                let plan = match &plan {
                    Some(plan) => Arc::clone(plan),
                    None => Arc::clone(plan.insert(Arc::new(info.plan(&mut file, &reading.names)?))),
                };
                for part in &unit.parts {
                    let chunks = read_part(&mut file, info, &plan, part, &reading, scratch, &mut buffers)?;
                    let parcel = |chunk: Chunk| Parcel {
                        entry: unit.entry,
                        bytes: unit::bytes(chunk.rows.len()),
                        chunk,
                    };
                    if !shared.deliver(id, chunks.into_iter().map(parcel).collect()) {
                        tracing::debug!(path = %info.path().display(), "unit given up");
                        break;
                    }
                }
                Ok(())
            });
            if let Err(error) = &read {
                tracing::debug!(%error, "unit failed");
                // It may have been left in the middle of something.
                *scratch = Scratch::default();
            }
            read.err()
        }
        // Units are made of files only.
        Entry::Missing { .. } => None,
    };
    shared.finish(id, &unit, Finished { plan, buffers, error });
}

fn read_part(
    file: &mut File,
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
        let faults: Vec<_> = faults.into_iter().map(|(row, fault)| (row, fault.into())).collect();
        let raw = Raw { columns: &columns, rows: &rows, faults: &faults, start_only };
        let runs = check::classify(raw, reading.rules);
        let chunk = Chunk { runs, number, columns: Arc::new(columns), rows };
        number += chunk.rows.len() as u64;
        chunk
    });
    Ok(chunks.collect())
}

impl From<decode::RowFault> for RowFault {
    fn from(fault: decode::RowFault) -> Self {
        match fault {
            decode::RowFault::Time => RowFault::Time,
            decode::RowFault::Trades => RowFault::Trades,
            decode::RowFault::NotFinal => RowFault::NotFinal,
        }
    }
}
