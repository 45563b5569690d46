//! Services: futures that the engine owns and polls itself.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bt_core::BoxError;

use crate::RunFailure;
use crate::bell::{Bell, Call};

pub(crate) type ServiceFuture = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// The services of an engine, in order of registration.
pub(crate) struct Services {
    services: Vec<Service>,
    running: usize,
    bell: Arc<Bell>,
}

impl Services {
    pub(crate) fn new(bell: Arc<Bell>) -> Self {
        Services { services: Vec::new(), running: 0, bell }
    }

    /// Adds a service, which is polled for the first time when services are first driven.
    pub(crate) fn push(&mut self, name: &'static str, future: ServiceFuture) {
        let call = Call::new(&self.bell);
        let waker = Waker::from(Arc::clone(&call));
        self.services.push(Service { name, future: Some(future), call, waker });
        self.running += 1;
    }

    /// Whether a service that runs was woken and not yet polled.
    pub(crate) fn any_woken(&self) -> bool {
        self.services.iter().any(|service| service.future.is_some() && service.call.is_marked())
    }

    /// Polls once each service that was woken, in order of registration, and returns how many they were.
    ///
    /// A service that one before it has woken is polled in the same pass; one after it, in the next. How each
    /// finished service ended is told to `finished`.
    pub(crate) fn drive(&mut self, mut finished: impl FnMut(&'static str, Fate)) -> usize {
        let mut polled = 0;
        for service in &mut self.services {
            if service.future.is_none() || !service.call.answer() {
                continue;
            }
            polled += 1;
            if let Poll::Ready(fate) = service.poll() {
                self.running -= 1;
                finished(service.name, fate);
            }
        }
        polled
    }

    /// Whether every service has finished.
    pub(crate) fn all_finished(&self) -> bool {
        self.running == 0
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.services.iter().map(|service| service.name)
    }

    /// Drops the service called `name` where it stands; whether there was one that ran.
    pub(crate) fn cancel(&mut self, name: &str) -> bool {
        let Some(service) = self.services.iter_mut().find(|s| s.name == name && s.future.is_some()) else {
            return false;
        };
        self.running -= 1;
        service.bury().is_some()
    }

    /// Drops all services that still run but those to be kept, and names them.
    pub(crate) fn cancel_unless(&mut self, keep: impl Fn(&str) -> bool) -> Vec<&'static str> {
        let others = self.services.iter_mut().filter(|service| !keep(service.name));
        let cancelled: Vec<_> = others.filter_map(Service::bury).collect();
        self.running -= cancelled.len();
        cancelled
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        // A stop handle outlives the engine; it must not keep the engine's task.
        self.bell.clear();
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// How a service ended.
pub(crate) enum Fate {
    Returned,
    Failed(BoxError),
    Panicked(String),
}

impl Fate {
    /// What it means for the run: a return is in order once the end has been told (R34).
    pub(crate) fn failure(self, service: &'static str, end_told: bool) -> Option<RunFailure> {
        match self {
            Fate::Returned if end_told => None,
            Fate::Returned => Some(RunFailure::ServiceReturned { service }),
            Fate::Failed(source) => Some(RunFailure::ServiceFailed { service, source }),
            Fate::Panicked(message) => Some(RunFailure::ServicePanicked { service, message }),
        }
    }
}

struct Service {
    name: &'static str,
    /// `None` once it has finished. With the future goes its subscription.
    future: Option<ServiceFuture>,
    call: Arc<Call>,
    waker: Waker,
}

impl Service {
    fn poll(&mut self) -> Poll<Fate> {
        let Some(future) = &mut self.future else { return Poll::Pending };
        let mut cx = Context::from_waker(&self.waker);
        // What a panic leaves behind is not looked at again: the future is dropped below.
        let fate = match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(()))) => Fate::Returned,
            Ok(Poll::Ready(Err(error))) => Fate::Failed(error),
            Err(panic) => Fate::Panicked(message(panic.as_ref())),
        };
        self.bury();
        Poll::Ready(fate)
    }

    fn bury(&mut self) -> Option<&'static str> {
        let future = self.future.take()?;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
            let message = message(panic.as_ref());
            tracing::error!(service = self.name, message, "a service panicked while it was dropped");
        }
        Some(self.name)
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
