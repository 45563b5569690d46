//! Data sets in Parquet files: written, found, and fed.

use std::fs;
use std::path::{Path, PathBuf};

use bt_core::{Instrument, Series, SourceError, TimeRange, Timeframe, Timestamp};
use bt_data_source::{Compression, ParquetSource, ReadPool, SynthConfig, WriteOptions, write_month};
use bt_engine::TokioYield;
use bt_feeder::{BarFeed, BarFeedBuilder};
use bt_resample::Resample;
use futures::future::join_all;

use crate::logs::Logs;
use crate::words::{Error, Words};

/// Where the instruments are under a data set's root.
const MARKET: &str = "exchange=binance/market=spot";

/// A data set, and what is wanted of it.
#[derive(Debug)]
pub(crate) struct DataSet {
    root: PathBuf,
    instruments: Vec<Instrument>,
    range: TimeRange,
    threads: usize,
    memory: u64,
}

impl DataSet {
    /// By the arguments `data`, `from`, `to`, `threads` and `mib`.
    ///
    /// # Errors
    /// One of them is missing or wrong, or there is no such data set.
    pub(crate) fn of(words: &mut Words) -> Result<Self, Error> {
        let root: PathBuf = words.required("data")?;
        let instruments = instruments(&root)?;
        let from: Timestamp = words.or("from", "2024-01-01".parse()?)?;
        let to: Timestamp = words.or("to", "2025-01-01".parse()?)?;
        let (threads, mib) = (words.or("threads", 2)?, words.or("mib", 256u64)?);
        Ok(DataSet { root, instruments, range: TimeRange::new(from, to)?, threads, memory: mib << 20 })
    }

    /// Sources on a pool of their own, resampled to `target` and lined up.
    ///
    /// # Errors
    /// As sources and builders have them.
    pub(crate) async fn feed(&self, target: Timeframe, logs: &Logs) -> Result<BarFeedBuilder, Error> {
        self.feed_on(&self.pool()?, target, logs).await
    }

    /// A pool with the threads and the memory that were given.
    ///
    /// # Errors
    /// As its builder has them.
    pub(crate) fn pool(&self) -> Result<ReadPool, Error> {
        Ok(ReadPool::builder().threads(self.threads).memory(self.memory).build()?)
    }

    /// Sources on this pool, resampled to `target` and lined up.
    ///
    /// # Errors
    /// As sources and builders have them.
    pub(crate) async fn feed_on(
        &self,
        pool: &ReadPool,
        target: Timeframe,
        logs: &Logs,
    ) -> Result<BarFeedBuilder, Error> {
        let mut opening = Vec::new();
        for instrument in &self.instruments {
            let mut source = ParquetSource::builder(&self.root, instrument.at(Timeframe::MINUTE))
                .range(self.range)
                .pool(pool)
                .with_yield(TokioYield::new());
            if let Some(sink) = logs.sink("source")? {
                source = source.log(sink);
            }
            opening.push(source.open());
        }
        let sources: Result<Vec<ParquetSource>, SourceError> = join_all(opening).await.into_iter().collect();
        let mut feed = BarFeed::builder().with_yield(TokioYield::new());
        for source in sources? {
            feed = feed.subscribe(Resample::new(source, target)?.with_yield(TokioYield::new()));
        }
        pool.check_budget()?;
        Ok(feed)
    }

    /// The files of each instrument, in order of time.
    ///
    /// # Errors
    /// As the system has them.
    pub(crate) fn files(&self) -> Result<Vec<Vec<PathBuf>>, Error> {
        self.instruments.iter().map(|instrument| files(&self.root, instrument)).collect()
    }

    /// Where time begins.
    pub(crate) fn from(&self) -> Timestamp {
        self.range.from()
    }
}

fn instruments(root: &Path) -> Result<Vec<Instrument>, Error> {
    let directory = root.join(MARKET);
    let mut found = Vec::new();
    for entry in fs::read_dir(&directory).map_err(|e| format!("{}: {e}", directory.display()))? {
        let name = entry?.file_name();
        if let Some(symbol) = name.to_string_lossy().strip_prefix("symbol=") {
            found.push(Instrument::new("binance", "spot", symbol)?);
        }
    }
    found.sort();
    Ok(found)
}

fn files(root: &Path, instrument: &Instrument) -> Result<Vec<PathBuf>, Error> {
    let years = root.join(MARKET).join(format!("symbol={}/type=candle/timeframe=1m", instrument.symbol()));
    let mut found = Vec::new();
    for year in fs::read_dir(years)? {
        for file in fs::read_dir(year?.path())? {
            let path = file?.path();
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            // `S-TF-YYYY-M`
            let mut month = stem.rsplit('-').map(str::parse::<u32>);
            if let (Some(Ok(month)), Some(Ok(year))) = (month.next(), month.next()) {
                found.push(((year, month), path));
            }
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Writes a data set by the arguments `out`, `series`, `months`, `codec` (zstd, snappy or none), `gaps`, and `group`,
/// the rows of a row group. Of more than 16 series, all others are links to the files of the first 16.
///
/// # Errors
/// Wrong arguments, or whatever the system says.
pub(crate) fn write(words: &mut Words) -> Result<(), Error> {
    const DISTINCT: usize = 16;
    let root: PathBuf = words.required("out")?;
    let (series, months) = (words.or("series", 8usize)?, words.or("months", 12usize)?);
    let compression = match words.or("codec", "zstd".to_owned())?.as_str() {
        "zstd" => Compression::Zstd,
        "snappy" => Compression::Snappy,
        "none" => Compression::None,
        other => return Err(format!("codec={other}: expected zstd, snappy or none").into()),
    };
    let options = WriteOptions::default()
        .with_compression(compression)
        .with_row_group_rows(words.or("group", 1 << 17)?)?;
    let synth = SynthConfig::default().with_instruments(series).with_months(months);
    let synth = synth.with_gaps(words.or("gaps", 0.001)?).build()?;
    words.end()?;
    let mut first = Vec::new();
    for number in 0..series {
        for (index, &month) in synth.months().iter().enumerate() {
            let name = synth.series(number);
            if number < DISTINCT {
                let candles = synth.columns(number, index);
                first.push((name.clone(), write_month(&root, name, month, &candles, &options)?));
            } else {
                let (original, path) = &first[number % DISTINCT * months + index];
                link(path, original, name)?;
            }
        }
    }
    Ok(())
}

/// Puts a file of one series also where that of another is looked for.
fn link(path: &Path, original: &Series, other: &Series) -> Result<(), Error> {
    let (from, to) = (original.instrument().symbol(), other.instrument().symbol());
    let linked = PathBuf::from(path.to_string_lossy().replace(from, to));
    fs::create_dir_all(linked.parent().unwrap_or(Path::new(".")))?;
    if !linked.exists() {
        fs::hard_link(path, &linked)?;
    }
    Ok(())
}
