//! Files that fail or change while they are read.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::*;

type Hook = Box<dyn FnMut(&Path) -> io::Result<()> + Send>;

/// What happens before a file is read from: to it, or to whoever reads it.
static HOOKS: Mutex<BTreeMap<PathBuf, Hook>> = Mutex::new(BTreeMap::new());

pub(super) fn before_read(path: &Path) -> io::Result<()> {
    let mut hooks = HOOKS.lock().unwrap_or_else(PoisonError::into_inner);
    hooks.get_mut(path).map_or(Ok(()), |hook| hook(path))
}

#[cfg(feature = "write")]
mod sources {
    use std::time::Duration;

    use bt_core::{Candle, CandleSourceExt, Columns, Timeframe, Timestamp, Trades};
    use futures::StreamExt;
    use futures::executor::block_on;
    use tempfile::TempDir;

    use super::*;
    use crate::{CandleWriter, ParquetSource, WriteOptions};

    const ROWS: i64 = 120;

    /// A file of candles whose prices are all `price`: two such differ in nothing else.
    fn write(path: &Path, price: f64) {
        let candle = |minute| Candle {
            start: Timestamp::from_secs(60 * minute).unwrap(),
            open: price,
            high: price,
            low: price,
            close: price,
            volume: price,
            trades: Trades::new(1).unwrap(),
            partial: false,
        };
        let options = WriteOptions::default().with_row_group_rows(30).unwrap();
        let mut columns = Columns::default();
        (0..ROWS).for_each(|minute| columns.push(candle(minute)));
        let mut writer = CandleWriter::new(Vec::new(), Timeframe::MINUTE, options).unwrap();
        writer.append(&columns).unwrap();
        fs::write(path, writer.finish().unwrap()).unwrap();
        // As if it had been there for long: the clock of files ticks slowly.
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
        File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    }

    /// Prices of the candles that a source of `path` hands on, and what ends it, if `harm` comes to it before the read
    /// after so many. None if there are no more.
    fn read(
        path: &Path,
        reads: usize,
        harm: impl Fn(&Path) -> io::Result<()> + Send + 'static,
    ) -> Option<Course> {
        let (mut left, harmed) = (reads, Arc::new(Mutex::new(false)));
        let noted = Arc::clone(&harmed);
        let hook = move |path: &Path| {
            let is_now = left == 0;
            left = left.wrapping_sub(1);
            if !is_now {
                return Ok(());
            }
            *noted.lock().unwrap() = true;
            harm(path)
        };
        HOOKS.lock().unwrap().insert(path.to_path_buf(), Box::new(hook));
        let course = block_on(async {
            let series = "a.b:c@1m".parse().unwrap();
            let mut prices = Vec::new();
            match ParquetSource::files(series, [path]).open().await {
                Err(error) => (prices, Some(error)),
                Ok(source) => {
                    let mut candles = source.candles();
                    loop {
                        match candles.next().await {
                            Some(Ok(candle)) => prices.push(candle.close),
                            Some(Err(error)) => break (prices, Some(error)),
                            None => break (prices, None),
                        }
                    }
                }
            }
        });
        HOOKS.lock().unwrap().remove(path);
        let harmed = *harmed.lock().unwrap();
        harmed.then_some(course)
    }

    type Course = (Vec<f64>, Option<SourceError>);

    /// Harms a file before each of its reads, one after the other; gives what became of each.
    fn at_every_read(harm: impl Fn(&Path) -> io::Result<()> + Copy + Send + 'static) -> Vec<Course> {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("candles.parquet");
        let after = |reads| {
            write(&path, 1.0);
            read(&path, reads, harm)
        };
        let courses: Vec<_> = (0..).map_while(after).collect();
        assert!(courses.len() > 20, "{} reads", courses.len());
        for (prices, error) in &courses {
            assert!(prices.iter().all(|price| *price == 1.0), "rows of both states are never mixed");
            assert!(error.is_some() || prices.len() == ROWS as usize, "never taken for the end");
        }
        courses
    }

    #[test]
    fn r11_a_read_that_fails_in_the_middle_names_the_file_and_the_cause() {
        let courses = at_every_read(|_| Err(io::Error::other("the disk is on fire")));
        for (_, error) in &courses {
            let told = bt_core::error_chain(error.as_ref().unwrap());
            assert!(told.contains("candles.parquet") && told.contains("on fire"), "{told}");
        }
        assert!(courses.iter().any(|(prices, _)| (1..ROWS as usize).contains(&prices.len())));
    }

    #[test]
    fn r11_a_file_that_is_written_over_while_it_is_read_is_an_error() {
        let courses = at_every_read(|path| {
            let bytes = fs::metadata(path)?.len();
            let other = path.with_extension("other");
            write(&other, 2.0);
            let content = fs::read(&other)?;
            assert_eq!(content.len() as u64, bytes);
            fs::write(path, content)
        });
        for (_, error) in &courses {
            let told = bt_core::error_chain(error.as_ref().unwrap());
            assert!(told.contains("candles.parquet") && told.contains("it was changed"), "{told}");
        }
    }

    #[test]
    fn r11_a_file_that_is_cut_while_it_is_read_is_an_error() {
        for length in [0, 100, 3000] {
            let courses = at_every_read(move |path| {
                let file = File::options().write(true).open(path)?;
                assert!(file.metadata()?.len() > length);
                file.set_len(length)
            });
            for (_, error) in &courses {
                let told = bt_core::error_chain(error.as_ref().unwrap());
                assert!(told.contains("candles.parquet") && told.contains("it was changed"), "{told}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn r11_a_file_that_is_replaced_while_it_is_read_is_read_as_it_was_or_an_error() {
        let courses = at_every_read(|path| {
            let other = path.with_extension("other");
            write(&other, 2.0);
            fs::rename(other, path)
        });
        for error in courses.iter().filter_map(|(_, error)| error.as_ref()) {
            let told = bt_core::error_chain(error);
            assert!(told.contains("candles.parquet") && told.contains("it was changed"), "{told}");
        }
        assert!(courses.iter().any(|(_, error)| error.is_none()), "whoever has it open has the old one");
    }
}
