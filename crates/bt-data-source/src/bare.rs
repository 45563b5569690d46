//! The decoder and nothing else, on the thread that asks: what a benchmark of the whole is held against.

use std::fs::File;
use std::path::Path;

use bt_core::{Columns, SourceError, TimeRange};

use crate::decode::{self, FilePlan, RawChunk, Scratch, Slice};
use crate::limits::Terms;
use crate::pool::SLICE_ROWS;

/// Rows of a chunk, as sources have them unless set otherwise.
const CHUNK_ROWS: usize = 8192;

/// Decodes the columns that a source reads, into buffers that it uses again. It checks no row.
#[derive(Debug, Default)]
pub struct BareDecoder {
    terms: Terms,
    scratch: Scratch,
    buffers: Vec<Columns>,
}

impl BareDecoder {
    /// Reads and decodes the first `groups` row groups of a file, or all it has; every chunk of rows is shown to
    /// `see`.
    ///
    /// # Errors
    /// A file that cannot be read or decoded.
    pub fn decode(
        &mut self,
        path: &Path,
        groups: usize,
        mut see: impl FnMut(&Columns),
    ) -> Result<(), SourceError> {
        let mut file =
            File::open(path).map_err(|source| SourceError::Io { path: path.to_path_buf(), source })?;
        let plan = FilePlan::read(&mut file, &self.terms).map_err(|error| error.at(path))?;
        for group in 0..plan.groups().min(groups) {
            let rows = plan.group_rows(group);
            for first in (0..rows).step_by(SLICE_ROWS) {
                let rows = first..rows.min(first + SLICE_ROWS);
                let slice = Slice { group, rows, range: TimeRange::ALL, batch_rows: CHUNK_ROWS };
                let BareDecoder { scratch, buffers, .. } = self;
                let mut take = || buffers.pop().unwrap_or_default();
                let chunks = decode::decode(&mut file, &plan, &slice, scratch, &mut take)
                    .map_err(|error| error.at(path))?;
                for RawChunk { columns, .. } in chunks {
                    see(&columns);
                    self.buffers.push(columns);
                }
            }
        }
        Ok(())
    }
}
