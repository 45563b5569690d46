//! Candles in Parquet files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bt_core::{ConfigError, Series, SourceError, TimeRange};

use crate::files::{BadFile, Entry, FileInfo};
use crate::limits::Terms;
use crate::listing::{self, Listed, MissingPolicy};
use crate::pool::{PoolUnits, ReadPool, Reading};
use crate::row_source::{RowOptions, RowSource, impl_source, row_settings};
use crate::{ColumnNames, Limits};

/// A source of the candles in Parquet files.
///
/// Files are listed, read and decoded on the threads of a [`ReadPool`], a bounded number of bytes ahead. A file
/// that cannot be read or decoded is an error that names it, never the end of the data (R11). Rows are checked,
/// counted and logged by R7 to R10.
///
/// # Cancel safety
/// It holds what it has not yet said or handed on: a `next()` that is dropped loses nothing. Dropping the
/// source withdraws its work from the pool (R38).
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct ParquetSource {
    rows: RowSource<PoolUnits>,
}

impl ParquetSource {
    /// A source of the month files under `root`:
    /// `exchange=E/market=M/symbol=S/type=candle/timeframe=TF/year=YYYY/S-TF-YYYY-M.parquet`, with months
    /// padded or not. A [range](ParquetBuilder::range) is required: the months follow from it (R5).
    pub fn builder(root: impl Into<PathBuf>, series: Series) -> ParquetBuilder {
        ParquetBuilder::new(Origin::Layout(root.into()), series)
    }

    /// A source of these files, in the order given, which must be that of time: rows are concatenated, never
    /// merged (R6). A range is optional.
    pub fn files<P: Into<PathBuf>>(series: Series, paths: impl IntoIterator<Item = P>) -> ParquetBuilder {
        ParquetBuilder::new(Origin::Files(paths.into_iter().map(Into::into).collect()), series)
    }
}

impl_source!(ParquetSource, rows);
row_settings!(ParquetBuilder);

/// Settings of a [`ParquetSource`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it is opened"]
pub struct ParquetBuilder {
    origin: Origin,
    missing: MissingPolicy,
    terms: Terms,
    late_faults: bool,
    pool: Option<ReadPool>,
    options: RowOptions,
}

/// Where the files are.
#[derive(Debug)]
enum Origin {
    /// Under the root of a data set.
    Layout(PathBuf),
    /// Here.
    Files(Vec<PathBuf>),
}

/// Files whose footers a thread reads in one go.
const FOOTERS: usize = 16;

/// Fewest rows of a chunk. A chunk is what memory is counted and used again by; smaller batches are cut from it.
const LEAST_CHUNK_ROWS: usize = 4096;

/// Most rows of a chunk.
const MOST_CHUNK_ROWS: usize = 65_536;

impl ParquetBuilder {
    fn new(origin: Origin, series: Series) -> Self {
        ParquetBuilder {
            origin,
            missing: MissingPolicy::default(),
            terms: Terms::default(),
            late_faults: false,
            pool: None,
            options: RowOptions::new(series),
        }
    }

    /// Hands on only candles that start in `range` (R2), whose `to` is the declared end (R23).
    pub fn range(mut self, range: TimeRange) -> Self {
        self.options.range = Some(range);
        self
    }

    /// Sets what becomes of months without a file (R5). Of no use with files given by name.
    pub fn missing(mut self, policy: MissingPolicy) -> Self {
        self.missing = policy;
        self
    }

    /// Sets what the columns are called.
    pub fn columns(mut self, names: ColumnNames) -> Self {
        self.terms.names = names;
        self
    }

    /// Sets the most that a file may claim of its parts.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.terms.limits = limits;
        self
    }

    /// Makes a page without a checksum an error that names the file and the column. Unless set, checksums are
    /// verified where there are any. (pyarrow writes them with `write_page_checksum=True`.)
    pub fn require_checksums(mut self, require: bool) -> Self {
        self.terms.checksums = require;
        self
    }

    /// With `late`, a file that cannot be used ends the source where its rows would come, after those of the files
    /// before it, instead of failing [`open`](ParquetBuilder::open): for a source that is to be isolated (R25).
    pub fn late_faults(mut self, late: bool) -> Self {
        self.late_faults = late;
        self
    }

    /// Sets the largest number of rows in a batch; 8,192 unless set, and no more than 65,536 are ever handed
    /// on at once. It changes neither candles nor logs.
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.options.batch_rows = rows;
        self
    }

    /// Sets the pool to read with; a small one of its own unless set.
    pub fn pool(mut self, pool: &ReadPool) -> Self {
        self.pool = Some(pool.clone());
        self
    }

    /// Finds the files and reads their footers, on the pool's threads; then the source is read ahead.
    ///
    /// # Errors
    /// - [`SourceError::Config`]: no range where one is needed, no files, batches of no rows.
    /// - [`SourceError::NoSuchSeries`], [`MissingPartition`](SourceError::MissingPartition),
    ///   [`AmbiguousPartition`](SourceError::AmbiguousPartition): what is not there, or twice.
    /// - [`SourceError::Io`], [`Corrupt`](SourceError::Corrupt), [`Unsupported`](SourceError::Unsupported): the
    ///   first file that cannot be read, is no sound Parquet file, or lacks a column; unless
    ///   [faults are late](ParquetBuilder::late_faults).
    ///
    /// # Cancel safety
    /// Dropping the future withdraws the work that no thread has begun.
    pub async fn open(self) -> Result<ParquetSource, SourceError> {
        let ParquetBuilder { origin, missing, terms, late_faults, pool, options } = self;
        options.check()?;
        let pool = match pool {
            Some(pool) => pool,
            None => ReadPool::private()?,
        };
        let (root, listed) = match origin {
            Origin::Files(paths) if paths.is_empty() => {
                return Err(ConfigError::Missing { what: "file" }.into());
            }
            Origin::Files(paths) => (PathBuf::new(), paths.into_iter().map(Listed::File).collect()),
            Origin::Layout(root) => {
                let range = options.range.ok_or(ConfigError::Missing { what: "range" })?;
                let series = options.series.clone();
                let list = move || {
                    let listed = listing::list(&root, &series, range, missing)?;
                    Ok((root, listed))
                };
                pool.offload(list).await?
            }
        };
        let (entries, bad) = inspect(&pool, &root, listed, &terms).await?;
        let bad = match bad {
            Some(bad) if !late_faults => return Err(bad.error),
            bad => bad,
        };
        let chunk_rows = options.batch_rows.clamp(LEAST_CHUNK_ROWS, MOST_CHUNK_ROWS);
        let reading = Reading { entries, terms, rules: options.rules(), chunk_rows };
        Ok(ParquetSource { rows: RowSource::new(pool.register(reading, bad), options) })
    }
}

/// What was found of the files, up to the first that cannot be used.
type Inspected = (Vec<Entry>, Option<BadFile>);

/// Reads the footers of the files, several at a time.
async fn inspect(
    pool: &ReadPool,
    root: &Path,
    listed: Vec<Listed>,
    terms: &Terms,
) -> Result<Inspected, SourceError> {
    let mut parts = Vec::new();
    let mut listed = listed.into_iter().peekable();
    while listed.peek().is_some() {
        let part: Vec<_> = listed.by_ref().take(FOOTERS).collect();
        let (root, terms) = (root.to_path_buf(), terms.clone());
        parts.push(pool.offload(move || Ok(inspect_part(&root, part, &terms))));
    }
    let mut entries = Vec::new();
    for part in parts {
        // In the order of the files, so that the first that is at fault is the one that is named.
        let (sound, bad) = part.await?;
        entries.extend(sound);
        if bad.is_some() {
            return Ok((entries, bad));
        }
    }
    Ok((entries, None))
}

fn inspect_part(root: &Path, listed: Vec<Listed>, terms: &Terms) -> Inspected {
    let mut entries = Vec::new();
    for listed in listed {
        match listed {
            Listed::File(path) => {
                let shown = shown(root, &path);
                match FileInfo::inspect(path.clone(), Arc::clone(&shown), terms) {
                    Ok(info) => entries.push(Entry::File(info)),
                    Err(error) => return (entries, Some(BadFile { path, shown, error })),
                }
            }
            Listed::Missing { month, path } => {
                entries.push(Entry::Missing { month: month.to_string(), shown: shown(root, &path) });
            }
        }
    }
    (entries, None)
}

/// A path as it stands in logs: relative to the root, so that a data set can move without changing them.
fn shown(root: &Path, path: &Path) -> Arc<str> {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into()
}
