//! The thread that writes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::sync::{Arc, Condvar, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::FsyncPolicy;
use super::spool::{Shared, Spool};

/// How long the thread waits for more after the first line of a batch. What a killed process leaves lags at
/// most so much behind.
const LINGER: Duration = Duration::from_millis(5);

/// Writes what is spooled, batch by batch, until the journal is closed or the system refuses.
pub(super) fn run(shared: &Shared, file: File, fsync: FsyncPolicy) {
    let _ending = Ending(shared);
    let mut out = Out::new(file, fsync);
    let mut batch = Vec::new();
    loop {
        let mut spool = wait(shared, &out);
        std::mem::swap(&mut spool.lines, &mut batch);
        let events = std::mem::take(&mut spool.buffered);
        let last = spool.closing;
        let room = spool.take_waiting();
        drop(spool);
        room.into_iter().for_each(|(_, waker)| waker.wake());

        let result = out.write(shared, &batch).and_then(|()| out.sync(last).map_err(|e| (Kept::All, e)));
        batch.clear();

        let mut spool = shared.lock();
        match result {
            Ok(()) => spool.written += events,
            Err((kept, error)) => {
                match kept {
                    Kept::Lines(lines) => spool.written += lines,
                    Kept::All => spool.written += events,
                    Kept::Nothing => spool.written = 0,
                }
                spool.failed = Some(Arc::new(error));
            }
        }
        spool.ended = last || spool.failed.is_some();
        let ended = spool.ended;
        let progress = spool.take_waiting();
        drop(spool);
        progress.into_iter().for_each(|(_, waker)| waker.wake());
        if ended {
            return;
        }
    }
}

/// Sees to it that nobody waits for a thread that a waker's panic has ended.
struct Ending<'a>(&'a Shared);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut spool = self.0.lock();
        if !std::mem::replace(&mut spool.ended, true) {
            spool.failed.get_or_insert_with(|| Arc::new(io::Error::other("the journal's thread panicked")));
            let waiting = spool.take_waiting();
            drop(spool);
            waiting.into_iter().for_each(|(_, waker)| waker.wake());
        }
    }
}

/// Waits until there is something to write, sync or end.
fn wait<'a>(shared: &'a Shared, out: &Out) -> MutexGuard<'a, Spool> {
    let mut spool = shared.lock();
    while spool.buffered == 0 && !spool.closing {
        spool.asleep = true;
        match out.until_sync() {
            None => spool = shared.bell.wait(spool).unwrap_or_else(PoisonError::into_inner),
            Some(left) if left.is_zero() => break,
            Some(left) => spool = timed(&shared.bell, spool, left),
        }
    }
    spool.asleep = false;
    let batch = shared.batch();
    let start = Instant::now();
    while spool.buffered > 0 && !spool.is_urgent(batch) {
        let left = LINGER.saturating_sub(start.elapsed());
        if left.is_zero() {
            break;
        }
        spool = timed(&shared.bell, spool, left);
    }
    spool
}

fn timed<'a>(bell: &Condvar, spool: MutexGuard<'a, Spool>, limit: Duration) -> MutexGuard<'a, Spool> {
    bell.wait_timeout(spool, limit).unwrap_or_else(PoisonError::into_inner).0
}

/// What stands in the file after a failure.
#[derive(Debug, PartialEq, Eq)]
enum Kept {
    /// So many lines of the batch, and all before it.
    Lines(u64),
    /// The batch too.
    All,
    /// Nothing: the file is gone.
    Nothing,
}

/// The file, with what the policy needs to know.
struct Out {
    file: File,
    fsync: FsyncPolicy,
    /// Length of the file up to the last whole line.
    length: u64,
    /// When the oldest byte was written that is not synced.
    dirty: Option<Instant>,
}

impl Out {
    fn new(file: File, fsync: FsyncPolicy) -> Self {
        // A pipe or a device cannot be synced.
        let regular = file.metadata().is_ok_and(|m| m.is_file());
        let fsync = if regular { fsync } else { FsyncPolicy::Never };
        Out { file, fsync, length: 0, dirty: None }
    }

    /// Writes whole lines, and nothing if the file is not where it was made.
    fn write(&mut self, shared: &Shared, lines: &[u8]) -> Result<(), (Kept, io::Error)> {
        // The system goes on taking what is written to a file that was removed; it would vanish unnoticed.
        if let Err(error) = fs::metadata(&shared.path)
            && error.kind() == io::ErrorKind::NotFound
        {
            return Err((Kept::Nothing, error));
        }
        if lines.is_empty() {
            return Ok(());
        }
        self.dirty.get_or_insert_with(Instant::now);
        write_lines(&mut self.file, lines).map_err(|(kept, error)| {
            // Only whole lines stay; on a device that cannot be cut there is nothing to keep.
            let _ = self.file.set_len(self.length + kept as u64);
            (Kept::Lines(count_lines(&lines[..kept])), error)
        })?;
        self.length += lines.len() as u64;
        Ok(())
    }

    fn sync(&mut self, last: bool) -> io::Result<()> {
        let due = match self.fsync {
            FsyncPolicy::Never => false,
            FsyncPolicy::Interval(_) => last || self.until_sync().is_some_and(|left| left.is_zero()),
            FsyncPolicy::Always => true,
        };
        if due && self.dirty.take().is_some() {
            self.file.sync_data()?;
        }
        Ok(())
    }

    /// How long from now until the interval is over, if there is anything to sync then.
    fn until_sync(&self) -> Option<Duration> {
        match (self.fsync, self.dirty) {
            (FsyncPolicy::Interval(interval), Some(since)) => Some(interval.saturating_sub(since.elapsed())),
            _ => None,
        }
    }
}

/// Writes all of `lines`; on failure, how many bytes of whole lines were written.
fn write_lines(out: &mut impl Write, lines: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut done = 0;
    let error = loop {
        if done == lines.len() {
            return Ok(());
        }
        match out.write(&lines[done..]) {
            Ok(0) => break io::ErrorKind::WriteZero.into(),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break error,
        }
    };
    let whole = lines[..done].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    Err((whole, error))
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_counts_whole_lines() {
        /// Takes five bytes, then is full.
        struct Small(usize);
        impl Write for Small {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let count = bytes.len().min(2).min(self.0);
                self.0 -= count;
                if count == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(count) }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (whole, error) = write_lines(&mut Small(5), b"a\nb\ncd\n").unwrap_err();
        assert_eq!((whole, error.kind()), (4, io::ErrorKind::StorageFull));
        assert_eq!(count_lines(&b"a\nb\ncd\n"[..whole]), 2);
        assert!(write_lines(&mut Small(7), b"a\nb\ncd\n").is_ok());
    }
}
