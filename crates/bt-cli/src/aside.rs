//! Work that others may hold up for as long as they like, on a thread of its own.

use std::future::Future;
use std::path::Path;

use futures::FutureExt;
use tokio::sync::oneshot;

use crate::failure::Failure;
use crate::signals::Signals;

/// Opens `path`, or gives up at a signal: a pipe is open only when somebody has opened its other end.
pub(crate) async fn open<T: Send + 'static>(
    path: &Path,
    signals: &Signals,
    open: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    if !may_wait(path) {
        return open();
    }
    signals.unless(aside(open)?).await.unwrap_or_else(|number| Err(Failure::Signal(number)))
}

/// Whether what stands there is a pipe or a device: who opens it or writes to it may have to wait for another.
pub(crate) fn may_wait(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// What `work` gives. If nobody waits for it any more it is left to itself, and ends with the process.
pub(crate) fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<impl Future<Output = Result<T, Failure>> + Unpin, Failure> {
    let (told, result) = oneshot::channel();
    std::thread::Builder::new()
        .name("bt-aside".into())
        .spawn(move || drop(told.send(work())))
        .map_err(|error| Failure::run("cannot start a thread", &error))?;
    Ok(result.map(|result| {
        result.unwrap_or_else(|_| Err(Failure::Run("a thread that opens files has panicked".into())))
    }))
}
