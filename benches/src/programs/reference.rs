//! What the pipeline is held against.

use bt_core::Timeframe;
use bt_data_source::bare::BareDecoder;

use super::Told;
use crate::data_set::DataSet;
use crate::memory::MemoryData;
use crate::meter::Meter;
use crate::straight::Job;
use crate::words::{Error, Words};

/// The decoder alone, on one thread: `data from to threads mib groups`. Of each file so many row groups, or all; with
/// groups, only of the first file of each series.
pub(super) fn bare(words: &mut Words) -> Result<Told, Error> {
    let data = DataSet::of(words)?;
    let groups: Option<usize> = words.optional("groups")?;
    words.end()?;
    let files = data.files()?;
    let meter = Meter::start();
    let mut decoder = BareDecoder::default();
    let (mut candles, mut closes) = (0, 0.0);
    for files in files {
        for file in files.iter().take(if groups.is_some() { 1 } else { usize::MAX }) {
            decoder.decode(file, groups.unwrap_or(usize::MAX), |columns| {
                candles += columns.len();
                closes += columns.close.last().copied().unwrap_or_default();
            })?;
        }
    }
    std::hint::black_box(closes);
    Ok(Told::new().with("candles", candles as f64).taken(&meter))
}

/// The straight-line loop: `series minutes gaps target`.
pub(super) fn straight(words: &mut Words) -> Result<Told, Error> {
    let (data, target) = (MemoryData::of(words)?, words.or("target", "5m".parse::<Timeframe>()?)?);
    words.end()?;
    let meter = Meter::start();
    let mut frames = 0u64;
    let job = Job { source: Timeframe::MINUTE, target, range: data.range() };
    let counts = job.frames(&data.columns(), |_, slots| {
        frames += 1;
        std::hint::black_box(slots);
    });
    let candles: u64 = counts.iter().map(|counts| counts.emitted).sum();
    Ok(Told::new().with("frames", frames as f64).with("candles", candles as f64).taken(&meter))
}

/// Makes the candles and does nothing with them, to be subtracted: `series minutes gaps`.
pub(super) fn prepare(words: &mut Words) -> Result<Told, Error> {
    let data = MemoryData::of(words)?;
    words.end()?;
    Ok(Told::new().with("candles", data.candles() as f64).taken(&Meter::start()))
}
