//! `bt synth`: a seeded data set.

use std::io::Write;
use std::path::Path;

use bt_data_source::{Compression, Synth, SynthConfig, SynthProgress};

use crate::args::{Codec, SynthArgs, Ui};
use crate::failure::{Failure, chain};
use crate::progress::Meter;

pub(crate) async fn synth(args: SynthArgs, ui: &Ui) -> Result<(), Failure> {
    let SynthArgs { out, instruments, months, seed, gaps, compression } = args;
    let synth = SynthConfig::default()
        .with_instruments(instruments as usize)
        .with_months(months as usize)
        .with_seed(seed)
        .with_gaps(gaps)
        .with_compression(match compression {
            Codec::Zstd => Compression::Zstd,
            Codec::Snappy => Compression::Snappy,
            Codec::Gzip => Compression::Gzip,
            Codec::Lz4 => Compression::Lz4,
            Codec::None => Compression::None,
        })
        .build()?;
    let made = write(synth, &out, Meter::new(ui, "synth")).await?;
    if !ui.quiet {
        // The work is done, whether or not anybody reads about it.
        let _ = writeln!(
            std::io::stderr(),
            "{} candles in {} files under {}",
            made.rows,
            made.files,
            out.display()
        );
    }
    Ok(())
}

/// Writes the data set, off the runtime's threads.
pub(crate) async fn write(synth: Synth, root: &Path, meter: Meter) -> Result<SynthProgress, Failure> {
    let what = format!("cannot write the data set under {}", root.display());
    let root = root.to_owned();
    let work = move || {
        let written = synth.write_dataset(&root, |progress| {
            let message = format!("{} candles", progress.rows);
            meter.count(progress.files as u64, progress.of_files as u64, message);
        });
        meter.end();
        written
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(written) => written.map_err(|error| Failure::Run(format!("{what}: {}", chain(&error)))),
        Err(error) => Err(Failure::Run(format!("{what}: {}", chain(&error)))),
    }
}
