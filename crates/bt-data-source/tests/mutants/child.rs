//! What a child does: reads mutants, and says what became of each.

use std::fs;
use std::io::{self, Write};
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use bt_core::{Candle, CandleSource, CandleSourceExt, SourceError};
use bt_data_source::ParquetSource;
use futures::TryStreamExt;
use futures::executor::block_on;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::Outcome;
use crate::mutate::Mutant;

/// All that a child may have: heap, stacks, whatever is its own and can be written to.
const MEMORY: u64 = 256 << 20;

/// Panics on any thread, caught or not.
static PANICS: AtomicU64 = AtomicU64::new(0);

pub(crate) fn run(numbers: Range<u64>) {
    limit(Resource::Data, MEMORY);
    limit(Resource::Core, 0);
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        report(panic);
    }));
    let dir = tempfile::tempdir().unwrap();
    for number in numbers {
        say(format_args!("mutant {number} begins"));
        let (outcome, text) = read(&Mutant::new(number), &dir.path().join(format!("{number}.parquet")));
        say(format_args!("mutant {number} {} {}", outcome.name(), text.replace('\n', " ")));
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next());
    say(format_args!("mutants peak {}", peak.unwrap_or("0")));
    let _ = panic::take_hook();
}

fn limit(resource: Resource, most: u64) {
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).unwrap();
}

fn say(line: std::fmt::Arguments<'_>) {
    let mut stdout = io::stdout().lock();
    // The harness of tests may have begun a line.
    writeln!(stdout, "\n{line}").unwrap();
    stdout.flush().unwrap();
}

/// What is read of a file.
struct Course {
    candles: Vec<Candle>,
    /// Rows that did not pass the checks.
    failed: u64,
}

fn read(mutant: &Mutant, path: &Path) -> (Outcome, String) {
    let (changed, whole) = mutant.bytes();
    fs::write(path, whole).unwrap();
    let before = course(path).unwrap();
    assert_eq!((before.candles.len(), before.failed), (400, 0), "{mutant} was not sound before");
    fs::write(path, changed).unwrap();
    let panics = PANICS.load(Ordering::SeqCst);
    let read = panic::catch_unwind(AssertUnwindSafe(|| course(path)));
    fs::remove_file(path).unwrap();
    let panicked = PANICS.load(Ordering::SeqCst) > panics;
    match read {
        Err(_) => (Outcome::Panic, "it reached the caller".into()),
        Ok(Err(error)) => {
            let text = error.to_string();
            let outcome = match (panicked, text.contains(path.to_str().unwrap())) {
                (true, _) => Outcome::Panic,
                (false, false) => Outcome::Nameless,
                (false, true) => Outcome::Error,
            };
            (outcome, text)
        }
        Ok(Ok(_)) if panicked => (Outcome::Panic, "it was passed over".into()),
        Ok(Ok(Course { failed: 1.., .. })) => (Outcome::Failed, String::new()),
        Ok(Ok(after)) if after.candles == before.candles => (Outcome::Equal, String::new()),
        Ok(Ok(_)) => (Outcome::Other, String::new()),
    }
}

fn course(path: &Path) -> Result<Course, SourceError> {
    block_on(async {
        let source = ParquetSource::files("binance.spot:BTCUSDT@1m".parse().unwrap(), [path]).open().await?;
        let stats = source.stats();
        let candles = source.candles().try_collect().await?;
        let counted = stats.snapshot();
        Ok(Course { candles, failed: counted.rows_read() - counted.emitted })
    })
}
