//! Strategies for property tests: rows with every kind of fault, candles, sets of series, and what must not
//! change the result (cuts into files and batches, `Pending`s).
//!
//! Volumes are multiples of 0.25, so that sums of floats are exact in any order. All instants are whole
//! milliseconds, so that rows can be written to files of any unit from there down.

mod case;
mod rows;

pub use case::{PipelineCase, batch_rows, frame_rules, partial_policy, pendings, pipeline_case, sizes};
pub use rows::{Dirt, candles, cut, files, rows};
