//! Logs straight to a journal.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bt_core::{LogError, LogEvent, topic};
use futures_sink::Sink;

use super::spool::{Handle, Shared};
use super::{FsyncPolicy, JournalError, encode_line};

/// A [`LogSink`](bt_core::LogSink) that writes a component's events to a journal without a bus between.
///
/// It sets the component's name on each event; the topic is [`topic::LOG`], and events of all sinks of one
/// journal are numbered together, from 1, in the order in which they were sent. Accepted (R29) means that the
/// line is in the journal's buffer, and, with [`FsyncPolicy::Always`], on the disk. A failure to write shows in
/// the next call, and when the journal is closed.
#[must_use = "sinks do nothing unless polled"]
pub struct JournalSink {
    shared: Arc<Shared>,
    fsync: FsyncPolicy,
    component: &'static str,
    handle: Handle,
}

impl JournalSink {
    pub(super) fn new(shared: Arc<Shared>, fsync: FsyncPolicy, component: &'static str) -> Self {
        JournalSink { shared, fsync, component, handle: Handle::default() }
    }

    /// Whether the journal can be written so far as is known, also when it was closed or dropped meanwhile.
    ///
    /// # Errors
    /// [`JournalError::Write`].
    pub fn check(&self) -> Result<(), JournalError> {
        self.shared.lock().failure(&self.shared)
    }
}

impl Sink<LogEvent> for JournalSink {
    type Error = LogError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), LogError>> {
        let Self { shared, handle, .. } = &mut *self;
        shared.poll_ready(handle, cx).map_err(refused)
    }

    fn start_send(self: Pin<&mut Self>, mut event: LogEvent) -> Result<(), LogError> {
        event.component = self.component;
        self.shared.append(|seq, lines| encode_line(topic::LOG, seq, &event, lines)).map_err(refused)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), LogError>> {
        let Self { shared, fsync, handle, .. } = &mut *self;
        match fsync {
            FsyncPolicy::Always => shared.poll_flush(handle, cx).map_err(refused),
            FsyncPolicy::Never | FsyncPolicy::Interval(_) => {
                Poll::Ready(shared.lock().failure(shared).map_err(refused))
            }
        }
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), LogError>> {
        let Self { shared, handle, .. } = &mut *self;
        shared.poll_flush(handle, cx).map_err(refused)
    }
}

fn refused(error: JournalError) -> LogError {
    LogError::Other(Box::new(error))
}

impl Drop for JournalSink {
    fn drop(&mut self) {
        let waker = self.shared.lock().forget(&self.handle);
        drop(waker);
    }
}

impl fmt::Debug for JournalSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalSink")
            .field("path", &self.shared.path)
            .field("component", &self.component)
            .finish_non_exhaustive()
    }
}
