//! `bt serve`: candles of the past as a venue's WebSockets and REST.

use std::collections::BTreeSet;
use std::io::Write;
use std::pin::pin;

use bt_core::{CandleSourceExt, Series, TimeRange};
use bt_data_source::ReadPool;
use bt_serve::{Faults, Opening, ServeConfig, ServeError, ServeStats, Speed, Venue};

use crate::args::{ServeArgs, Ui};
use crate::failure::{Failure, chain};
use crate::settings::Files;
use crate::signals::Signals;

pub(crate) async fn serve(args: ServeArgs, ui: &Ui) -> Result<(), Failure> {
    let ServeArgs { input, speed, clients, listen, faults, machine, .. } = args;
    let (files, range) = Files::of(&input, &machine)?;
    let signals = Signals::listen()?;
    let pool = ReadPool::builder().threads(machine.threads()).memory(machine.memory).build()?;
    // One instrument may have been asked for at several timeframes.
    let timeframe = input.candles.source_timeframe;
    let series: BTreeSet<Series> =
        input.candles.series.iter().map(|series| series.instrument().at(timeframe)).collect();
    let strict = input.candles.strict;
    let archive = move |series: &Series, range: TimeRange| -> Opening {
        let source = files.source(series.clone(), range).strict(strict).pool(&pool);
        Box::pin(async move { Ok(source.open().await?.boxed_source()) })
    };
    let config = ServeConfig::default()
        .with_listen(listen)
        .with_speed(speed)
        .with_clients(clients as usize)
        .with_faults(faults.map(Faults::seeded));
    let mut venue = Venue::builder(series, range, archive).config(config).listen().await?;
    let address = venue.local_addr();
    let line = format!("listening on ws://{address} and http://{address}\n");
    let told = std::io::stdout().write_all(line.as_bytes()).and_then(|()| std::io::stdout().flush());
    told.map_err(|error| Failure::run("cannot write to stdout", &error))?;
    // Whoever interrupts it has had what was wanted.
    let failed = signals.unless(pin!(venue.failure())).await;
    if !ui.quiet {
        tell(&venue.stats());
    }
    match failed {
        Ok(error) => Err(error.into()),
        Err(_) => Ok(()),
    }
}

/// Says on stderr what was served. The work is done, whether or not anybody reads about it.
fn tell(stats: &ServeStats) {
    let ServeStats { connections, cut_off, messages, candles, requests, .. } = stats;
    let mut text = format!(
        "{messages} messages, {candles} of them candles; connections: {connections}, cut for taking too little: {cut_off}; \
         requests: {requests}\n"
    );
    let faults: Vec<_> = stats.faults().filter(|(_, count)| *count > 0).collect();
    if !faults.is_empty() {
        let faults: Vec<_> =
            faults.iter().map(|(kind, count)| format!("{} {count}", kind.as_str())).collect();
        text.push_str(&format!("faults: {}\n", faults.join(", ")));
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// A speed such as `60x`, or `max`.
pub(crate) fn speed(text: &str) -> Result<Speed, String> {
    let times = || text.strip_suffix('x')?.parse().ok().filter(|times| *times > 0.0 && *times <= 1e6);
    match text {
        "max" => Ok(Speed::Max),
        _ => times().map(Speed::Times).ok_or_else(|| {
            "expected a multiple of real time of 1000000x at most, such as 60x, or max".into()
        }),
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Config(config) => config.into(),
            ServeError::Source(source) => source.into(),
            ServeError::NotMillis { .. } => Failure::Usage(chain(&error)),
            error => Failure::Run(chain(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_a_multiple_or_the_most() {
        assert_eq!(
            (speed("max"), speed("0.5x"), speed("60x")),
            (Ok(Speed::Max), Ok(Speed::Times(0.5)), Ok(Speed::Times(60.0)))
        );
        for text in ["60", "x", "0x", "-1x", "nanx", "infx", "1e7x", "fast"] {
            assert!(speed(text).unwrap_err().contains("such as 60x"), "{text}");
        }
    }
}
