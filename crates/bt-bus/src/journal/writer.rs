//! The thread that writes.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::Path;
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
        spool.buffered = 0;
        let last = spool.closing;
        let room = spool.take_waiting();
        drop(spool);
        room.into_iter().for_each(|(_, waker)| waker.wake());

        let result = out.put(shared, &batch, last);
        batch.clear();

        let mut spool = shared.lock();
        // Of one that was given up it was said what it had written.
        if spool.failed.is_none() {
            spool.written = out.events;
            spool.failed = result.err().map(Arc::new);
        }
        spool.ended = last || spool.failed.is_some();
        if spool.ended {
            // Whoever finds that it has ended may begin another.
            drop(out.file.unlock());
        }
        let ended = spool.ended;
        let progress = spool.take_waiting();
        drop(spool);
        shared.progress.notify_all();
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
            self.0.progress.notify_all();
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

/// The file, with what stands in it and what the policy needs to know.
struct Out {
    file: File,
    /// Which file it is, if it is one that can be taken away: not a pipe or a device.
    identity: Option<(u64, u64)>,
    fsync: FsyncPolicy,
    /// Length of the file up to the last whole line.
    length: u64,
    /// Events in it.
    events: u64,
    /// Events in it when it was last synced.
    synced: u64,
    /// When the oldest byte was written that is not synced.
    dirty: Option<Instant>,
}

impl Out {
    fn new(file: File, fsync: FsyncPolicy) -> Self {
        let identity = file.metadata().ok().filter(Metadata::is_file).map(|found| identity(&found));
        // A pipe or a device cannot be synced.
        let fsync = if identity.is_some() { fsync } else { FsyncPolicy::Never };
        Out { file, identity, fsync, length: 0, events: 0, synced: 0, dirty: None }
    }

    /// Writes whole lines and sees to it that they last. After a failure `events` are those that stand in the file
    /// all the same.
    fn put(&mut self, shared: &Shared, lines: &[u8], last: bool) -> io::Result<()> {
        if !lines.is_empty() {
            self.look(&shared.path)?;
            if self.identity.is_some() { self.write(lines)? } else { self.hand_over(shared, lines)? }
        }
        self.sync(last)?;
        if last { self.look(&shared.path) } else { Ok(()) }
    }

    /// Writes to what may not take it for a long time: what was taken is known at any moment.
    fn hand_over(&mut self, shared: &Shared, mut lines: &[u8]) -> io::Result<()> {
        while !lines.is_empty() {
            let (piece, later) = lines.split_at(piece(0, lines).len());
            self.write(piece)?;
            shared.note(self.events)?;
            lines = later;
        }
        Ok(())
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.dirty.get_or_insert_with(Instant::now);
        if let Err((kept, error)) = write_lines(&mut self.file, self.length, lines) {
            self.length += kept as u64;
            self.events += count_lines(&lines[..kept]);
            // Only whole lines stay; on a device that cannot be cut there is nothing to keep.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += lines.len() as u64;
        self.events += count_lines(lines);
        Ok(())
    }

    /// Looks whether the file is where it was made and holds what was written, no more and no less. The system
    /// goes on taking what is written to one that was removed or replaced; it would vanish unnoticed.
    fn look(&mut self, path: &Path) -> io::Result<()> {
        self.is_in_place(path).inspect_err(|_| self.events = 0)
    }

    fn is_in_place(&self, path: &Path) -> io::Result<()> {
        let Some(made) = self.identity else { return Ok(()) };
        let found = fs::metadata(path)?;
        if identity(&found) != made {
            return Err(io::Error::other("another file has taken its place"));
        }
        if found.len() != self.length {
            let (found, expected) = (found.len(), self.length);
            let what = format!("another has changed it: it has {found} bytes, expected {expected}");
            return Err(io::Error::other(what));
        }
        Ok(())
    }

    fn sync(&mut self, last: bool) -> io::Result<()> {
        let due = match self.fsync {
            FsyncPolicy::Never => false,
            FsyncPolicy::Interval(_) => last || self.until_sync().is_some_and(|left| left.is_zero()),
            FsyncPolicy::Always => true,
        };
        if due && self.dirty.take().is_some() {
            self.file.sync_data().inspect_err(|_| self.events = self.synced)?;
            self.synced = self.events;
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

/// Device and number of a file.
#[cfg(unix)]
fn identity(found: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (found.dev(), found.ino())
}

/// There is no telling one file from another.
#[cfg(not(unix))]
fn identity(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

/// Writes all of `lines` from `offset` of the file on; on failure, how many bytes of whole lines were written.
fn write_lines(out: &mut impl Write, offset: u64, lines: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut done = 0;
    let error = loop {
        if done == lines.len() {
            return Ok(());
        }
        match out.write(piece(offset + done as u64, &lines[done..])) {
            Ok(0) => break io::ErrorKind::WriteZero.into(),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break error,
        }
    };
    let whole = lines[..done].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    Err((whole, error))
}

/// The system takes a page of a file at a time, and a process that is killed leaves those that were taken.
const PAGE: usize = 4096;

/// As much of `lines` as is written at once at `offset`: those that end within the page, or the one that leaves it.
/// So a kill can tear only a line between two pages, and has next to no time for it.
fn piece(offset: u64, lines: &[u8]) -> &[u8] {
    let room = PAGE - (offset % PAGE as u64) as usize;
    if lines.len() <= room {
        return lines;
    }
    let is_end = |byte: &u8| *byte == b'\n';
    let end = lines[..room].iter().rposition(is_end).or_else(|| lines.iter().position(is_end));
    &lines[..end.map_or(lines.len(), |at| at + 1)]
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
        let (whole, error) = write_lines(&mut Small(5), 0, b"a\nb\ncd\n").unwrap_err();
        assert_eq!((whole, error.kind()), (4, io::ErrorKind::StorageFull));
        assert_eq!(count_lines(&b"a\nb\ncd\n"[..whole]), 2);
        assert!(write_lines(&mut Small(7), 0, b"a\nb\ncd\n").is_ok());
    }

    #[test]
    fn a_write_stays_within_a_page_or_is_one_line() {
        // Lines of all lengths up to two pages, short ones mostly.
        let lines: Vec<u8> =
            (0..200_usize).flat_map(|n| [vec![b'x'; n * n * n % 8192], vec![b'\n']].concat()).collect();
        let (mut offset, mut left) = (4000, &*lines);
        while !left.is_empty() {
            let piece = piece(offset, left);
            assert!(piece.ends_with(b"\n"));
            let page = |at: u64| at / PAGE as u64;
            let last = offset + piece.len() as u64 - 1;
            assert!(page(offset) == page(last) || count_lines(piece) == 1, "{offset} {}", piece.len());
            offset += piece.len() as u64;
            left = &left[piece.len()..];
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_cannot_be_synced_does_not_count() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut out = Out::new(file.reopen().unwrap(), FsyncPolicy::Always);
        let shared = Shared::new(file.path().to_owned(), 1);
        out.put(&shared, b"a\nb\n", false).unwrap();
        // A pipe takes bytes and cannot be synced.
        let (_reader, pipe) = io::pipe().unwrap();
        out.file = File::from(std::os::fd::OwnedFd::from(pipe));
        assert!(out.put(&shared, b"c\n", false).is_err());
        assert_eq!(out.events, 2);
    }
}
