//! The journal itself.

use std::fmt;
use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bt_core::{Envelope, Event, LogEvent};
use futures_core::Stream;

use super::spool::{Handle, Shared};
use super::{FsyncPolicy, JournalConfig, JournalError, JournalSink, encode_line, writer};

/// A journal: JSON lines, one per event, as [`encode_line`] writes them, appended to a file as the run goes.
///
/// Lines go into a bounded buffer; a thread of the journal's own takes all that are there, writes them as one
/// batch, and takes the next. So the file always holds whole lines and a prefix of the run, unless the process
/// is killed within a write; what is after the last line feed is then a torn line
/// ([`JournalReader::torn_at`](super::JournalReader::torn_at)). It holds nothing of the wall clock.
///
/// A write that fails (a full disk, a limit on sizes) is an error of everything that is called from then on, with
/// the number of events that were not written. So is a file that was removed, replaced or changed by another: before
/// each batch, and at the end, the thread looks whether what stands under the journal's name is the file that it
/// writes to, at the length that it wrote.
///
/// Dropping it without [`close`](Journal::close) waits until what was appended is written, and **blocks the
/// thread** for so long; errors are for its [sinks](JournalSink::check) only then. A pipe or a device may take
/// its time, or nothing for ever: it is given up when it has not taken everything within a second, which is an error.
/// The thread that writes to it is left to itself then, and ends with the process, or when somebody reads.
#[must_use = "a journal that is dropped is closed"]
pub struct Journal {
    shared: Arc<Shared>,
    fsync: FsyncPolicy,
    thread: Option<JoinHandle<()>>,
    handle: Handle,
    /// Whether the system takes what is written at once, and never waits for somebody to read it.
    is_file: bool,
}

/// How long a journal that is dropped waits for a pipe to take what is left.
const PATIENCE: Duration = Duration::from_secs(1);

impl Journal {
    /// Creates a journal as [`JournalConfig::new`] has it.
    ///
    /// # Errors
    /// [`JournalError::Create`].
    pub fn create(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        JournalConfig::new().create(path)
    }

    pub(super) fn start(path: PathBuf, file: File, fsync: FsyncPolicy, buffer: usize) -> io::Result<Self> {
        let is_file = file.metadata()?.is_file();
        let shared = Arc::new(Shared::new(path, buffer));
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("bt-journal".to_owned())
            .spawn(move || writer::run(&theirs, file, fsync))?;
        Ok(Journal { shared, fsync, thread: Some(thread), handle: Handle::default(), is_file })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// A sink that writes `component`'s events straight to this journal, for pipelines without a bus.
    pub fn sink(&self, component: &'static str) -> JournalSink {
        JournalSink::new(Arc::clone(&self.shared), self.fsync, component)
    }

    /// Ready when the buffer has room. It is not a reservation: another handle may fill it.
    ///
    /// # Errors
    /// [`JournalError::Write`]; [`JournalError::Closed`].
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), JournalError>> {
        self.shared.poll_ready(&mut self.handle, cx)
    }

    /// Appends an event's line to the buffer, whatever its size. After a failure it appends nothing, and the
    /// event counts among those that were not written.
    ///
    /// # Errors
    /// [`JournalError::Write`]; [`JournalError::Closed`].
    pub fn append(&mut self, topic: &str, seq: u64, event: &LogEvent) -> Result<(), JournalError> {
        self.shared.append(|_, lines| encode_line(topic, seq, event, lines))
    }

    /// Ready when all that was appended was handed to the system, and synced with [`FsyncPolicy::Always`].
    ///
    /// # Errors
    /// [`JournalError::Write`].
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), JournalError>> {
        self.shared.poll_flush(&mut self.handle, cx)
    }

    /// Refuses further events; ready when all that were appended are written and the thread has ended, with
    /// their number. It may be polled again and says the same.
    ///
    /// # Errors
    /// [`JournalError::Write`].
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<u64, JournalError>> {
        let mut spool = self.shared.lock();
        if !spool.ended {
            let old = spool.park(&mut self.handle, cx.waker());
            let asks = !std::mem::replace(&mut spool.closing, true);
            drop(spool);
            drop(old);
            if asks {
                self.shared.bell.notify_one();
            }
            return Poll::Pending;
        }
        spool.closing = true;
        let result = spool.failure(&self.shared).map(|()| spool.written);
        drop(spool);
        self.join();
        Poll::Ready(result)
    }

    /// Writes what was appended, ends the thread and gives the number of events written.
    ///
    /// # Errors
    /// [`JournalError::Write`].
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it blocks as dropping the journal does.
    pub async fn close(mut self) -> Result<u64, JournalError> {
        poll_fn(|cx| self.poll_close(cx)).await
    }

    /// Journals the log events among `deliveries` until they end, and gives the number of events written: the
    /// journal as a service. A delivery is acknowledged when its line is in the buffer; a write that fails ends
    /// it at once, also while nothing is delivered. What is queued for it then is taken, and counts among the
    /// events that were not written.
    ///
    /// # Errors
    /// [`JournalError::Write`].
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it loses no delivery that it has taken, and blocks as dropping the journal
    /// does.
    pub async fn run<S, D>(mut self, deliveries: S) -> Result<u64, JournalError>
    where
        S: Stream<Item = D> + Unpin,
        D: Deref<Target = Envelope<Event>>,
    {
        let mut deliveries = deliveries;
        let mut failure = loop {
            match poll_fn(|cx| self.poll_delivery(&mut deliveries, cx)).await {
                Ok(None) => return self.close().await,
                Ok(Some(delivery)) => {
                    if let Err(error) = self.append_delivery(&delivery) {
                        break error;
                    }
                }
                Err(error) => break error,
            }
        };
        let mut queued = |cx: &mut Context<'_>| match Pin::new(&mut deliveries).poll_next(cx) {
            Poll::Ready(delivery) => Poll::Ready(delivery),
            Poll::Pending => Poll::Ready(None),
        };
        while let Some(delivery) = poll_fn(&mut queued).await {
            if let Err(error) = self.append_delivery(&delivery) {
                failure = error;
            }
        }
        Err(failure)
    }

    fn append_delivery(&mut self, delivery: &Envelope<Event>) -> Result<(), JournalError> {
        match &delivery.payload {
            Event::Log(event) => self.append(&delivery.topic, delivery.seq, event),
            _ => Ok(()),
        }
    }

    fn poll_delivery<S>(
        &mut self,
        deliveries: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<S::Item>, JournalError>>
    where
        S: Stream + Unpin,
    {
        ready!(self.poll_ready(cx))?;
        let polled = Pin::new(deliveries).poll_next(cx);
        if polled.is_pending() {
            // To hear of a failure. The thread looks for us after each batch: once in many events.
            let mut spool = self.shared.lock();
            spool.failure(&self.shared)?;
            let old = spool.park(&mut self.handle, cx.waker());
            drop(spool);
            drop(old);
        }
        polled.map(Ok)
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // Had it panicked, in a waker, the spool says so.
            let _ = thread.join();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let patience = (!self.is_file).then_some(PATIENCE);
        if self.shared.end(&self.handle, patience) {
            self.join();
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "helpers of tests are tests")]
mod tests {
    use super::*;
    use bt_core::Level;
    use std::io::{PipeReader, Read};

    /// A journal that is written to a pipe, with more than a pipe holds.
    fn piped() -> (PipeReader, Journal, JournalSink) {
        let (reader, writer) = io::pipe().unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(writer));
        let mut journal = Journal::start("pipe".into(), file, FsyncPolicy::Never, 1 << 20).unwrap();
        for n in 0..EVENTS {
            let event = LogEvent::new(Level::Info, "test", "TEST_EVENT", "x".repeat(900)).with("n", n);
            journal.append("log", n + 1, &event).unwrap();
        }
        let sink = journal.sink("test");
        (reader, journal, sink)
    }

    const EVENTS: u64 = 500;

    #[test]
    fn a_pipe_that_nobody_reads_is_given_up_when_it_is_dropped_and_that_is_an_error() {
        let (mut reader, journal, sink) = piped();
        drop(journal);
        let Err(JournalError::Write { written, unwritten, source, .. }) = sink.check() else {
            panic!("it should have failed")
        };
        assert_eq!(written + unwritten, EVENTS);
        assert!(written > 0 && unwritten > 0, "{written}");
        assert!(source.to_string().contains("reader"), "{source}");
        // What the thread had in hand goes out, and nothing after it; its end closes the pipe.
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        let lines = read.lines().count() as u64;
        assert!(read.ends_with('\n') && (written..=written + 4).contains(&lines), "{lines} {written}");
        assert!(matches!(sink.check(), Err(JournalError::Write { written: w, .. }) if w == written));
    }

    #[test]
    fn a_pipe_that_is_read_has_everything_when_it_is_dropped() {
        let (mut reader, journal, sink) = piped();
        let reading = thread::spawn(move || {
            let mut read = String::new();
            reader.read_to_string(&mut read).map(|_| read)
        });
        drop(journal);
        assert!(sink.check().is_ok());
        assert_eq!(reading.join().unwrap().unwrap().lines().count() as u64, EVENTS);
    }
}
