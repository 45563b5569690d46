//! Putting an engine together.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bt_core::{
    BoxError, BusError, Clock, ConfigError, Event, EventBus, FrameFeed, Level, LogEvent, Outbox, Pacer,
    Yield, topic,
};

use crate::barrier::Barrier;
use crate::bell::Bell;
use crate::course::Course;
use crate::outlet::Outlet;
use crate::run::Run;
use crate::service::{ServiceFuture, Services};
use crate::{Engine, ServiceContext, StopHandle, TokioYield};

/// What an [`Engine`] is made of.
///
/// Give the bus before the services, so that the compiler knows what their context is of.
#[must_use = "a builder does nothing unless built"]
pub struct EngineBuilder<F, B: EventBus<Payload = Event>> {
    feed: Option<F>,
    bus: Option<B>,
    clock: Option<Arc<dyn Clock>>,
    services: Vec<ServiceConfig<B>>,
    queue_capacity: usize,
    max_frames: Option<u64>,
    barrier_limit: Duration,
    pacer: Pacer,
}

struct ServiceConfig<B: EventBus<Payload = Event>> {
    name: &'static str,
    topics: Vec<String>,
    queue_capacity: usize,
    begin: Box<dyn FnOnce(ServiceContext<B>) -> ServiceFuture + Send>,
}

impl<F: FrameFeed, B: EventBus<Payload = Event>> EngineBuilder<F, B> {
    /// Envelopes in a service's queue, unless set.
    pub const QUEUE_CAPACITY: usize = 64;

    /// How long a barrier may take, unless set (R28).
    pub const BARRIER_LIMIT: Duration = Duration::from_secs(30);

    pub(crate) fn new() -> Self {
        EngineBuilder {
            feed: None,
            bus: None,
            clock: None,
            services: Vec::new(),
            queue_capacity: Self::QUEUE_CAPACITY,
            max_frames: None,
            barrier_limit: Self::BARRIER_LIMIT,
            pacer: Pacer::new(TokioYield::new()),
        }
    }

    /// Where the frames come from.
    pub fn feed(mut self, feed: F) -> Self {
        self.feed = Some(feed);
        self
    }

    /// Where they go. The bus must have the topics of [`topic::ALL`].
    pub fn bus(mut self, bus: B) -> Self {
        self.bus = Some(bus);
        self
    }

    /// The clock that the engine moves to each frame's close.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Adds a service: a future that works on what is published to `topics` and to the control topic.
    ///
    /// It is polled by the engine, after those registered before it. It must not return before it has taken
    /// [`Control::End`](bt_core::Control::End); an error, an early return and a panic end the run (R34). The
    /// simplest service takes deliveries until there are no more; a service that records logs must, since there
    /// are logs after the end event. Its name is also the component of its logs.
    ///
    /// `begin` is called when the run begins.
    pub fn service<S, Fut>(
        mut self,
        name: &'static str,
        topics: impl IntoIterator<Item: AsRef<str>>,
        begin: S,
    ) -> Self
    where
        S: FnOnce(ServiceContext<B>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let mut topics: Vec<String> = topics.into_iter().map(|topic| topic.as_ref().to_owned()).collect();
        if !topics.iter().any(|t| t == topic::CONTROL) {
            topics.push(topic::CONTROL.to_owned());
        }
        self.services.push(ServiceConfig {
            name,
            topics,
            queue_capacity: self.queue_capacity,
            // Called inside of the future, where a panic is caught and named.
            begin: Box::new(|cx| Box::pin(async move { begin(cx).await })),
        });
        self
    }

    /// Envelopes in the queue of each service that is added **after** this.
    pub fn queue_capacity(mut self, envelopes: usize) -> Self {
        self.queue_capacity = envelopes;
        self
    }

    /// Ends the run in order after this many frames.
    pub fn max_frames(mut self, frames: u64) -> Self {
        self.max_frames = Some(frames);
        self
    }

    /// How long anything may wait for the bus, in tokio's time: to become idle, to make room, to see services
    /// finish. After that the run ends with an error that names who holds it up, and the engine drops those of
    /// its services that have not moved. Once the bus is closed, those that still move are waited for until they
    /// have handled all that was accepted (R30).
    pub fn barrier_limit(mut self, limit: Duration) -> Self {
        self.barrier_limit = limit;
        self
    }

    /// How the engine gives the thread back (R36), instead of by [`TokioYield`].
    pub fn with_yield(mut self, yielding: impl Yield + 'static) -> Self {
        self.pacer = Pacer::new(yielding);
        self
    }

    /// The engine, with its services subscribed and nothing begun.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] without feed, bus or clock; [`ConfigError::Invalid`] for a limit of zero or a
    /// queue without room; what the bus says to a topic it lacks or a name it has, as [`ConfigError::Other`] with
    /// the [`BusError`] in it.
    pub fn build(self) -> Result<Engine<F, B>, ConfigError> {
        let EngineBuilder {
            feed,
            bus,
            clock,
            services: configs,
            queue_capacity: _,
            max_frames,
            barrier_limit,
            pacer,
        } = self;
        let feed = feed.ok_or(ConfigError::Missing { what: "feed" })?;
        let bus = bus.ok_or(ConfigError::Missing { what: "bus" })?;
        let clock = clock.ok_or(ConfigError::Missing { what: "clock" })?;
        if barrier_limit.is_zero() {
            let value = format!("{barrier_limit:?}");
            return Err(ConfigError::Invalid { option: "barrier limit", value, expected: "more than zero" });
        }
        let bell = Arc::new(Bell::default());
        let stop = StopHandle::new(&bell);
        let frames = Outlet::new(topic::FRAME, bus.publisher(topic::FRAME).map_err(refused)?);
        let control = Outlet::new(topic::CONTROL, bus.publisher(topic::CONTROL).map_err(refused)?);
        let mut outbox = Outbox::new(bus.log_sink("engine").map_err(refused)?);
        // Who listens is no part of what happens: the record is the same with and without another journal (R35).
        outbox.push(
            LogEvent::new(Level::Info, "engine", "ENGINE_STARTED", "the run begins")
                .with("series", feed.series().len()),
        );
        let span = tracing::info_span!("run", series = feed.series().len());
        let mut services = Services::new(Arc::clone(&bell));
        for config in configs {
            let name = config.name;
            services.push(name, config.build(&bus, &clock, &stop)?);
        }
        let run = Run {
            frames,
            control,
            outbox,
            clock,
            services,
            barrier: Barrier::new(bus.clone(), barrier_limit),
            bus,
            pacer,
            yielded: false,
            relieved: false,
            rounds: 0,
            course: Course::new(max_frames),
            stop,
            started: None,
        };
        Ok(Engine::new(feed, run, bell, span))
    }
}

impl<B: EventBus<Payload = Event>> ServiceConfig<B> {
    fn build(self, bus: &B, clock: &Arc<dyn Clock>, stop: &StopHandle) -> Result<ServiceFuture, ConfigError> {
        let ServiceConfig { name, topics, queue_capacity, begin } = self;
        if queue_capacity == 0 {
            let value = queue_capacity.to_string();
            return Err(ConfigError::Invalid { option: "queue capacity", value, expected: "at least 1" });
        }
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        let cx = ServiceContext {
            name,
            subscription: bus.subscribe(name, &topics, queue_capacity).map_err(refused)?,
            bus: bus.clone(),
            clock: Arc::clone(clock),
            outbox: Outbox::new(bus.log_sink(name).map_err(refused)?),
            stop: stop.clone(),
            publishers: Vec::new(),
        };
        Ok(begin(cx))
    }
}

fn refused(error: BusError) -> ConfigError {
    ConfigError::Other(Box::new(error))
}

impl<F, B: EventBus<Payload = Event>> fmt::Debug for EngineBuilder<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder")
            .field("services", &self.services.iter().map(|service| service.name).collect::<Vec<_>>())
            .field("max_frames", &self.max_frames)
            .field("barrier_limit", &self.barrier_limit)
            .finish_non_exhaustive()
    }
}
