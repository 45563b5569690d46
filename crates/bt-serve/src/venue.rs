//! A venue, from its settings to its end.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bt_core::{BoxSource, ConfigError, Instrument, Series, SourceError, TimeRange, Timestamp, error_chain};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::config::ServeConfig;
use crate::connection::Connection;
use crate::desk::Desk;
use crate::faults::Plan;
use crate::listing::{Listing, millis};
use crate::pacer;
use crate::schedule::Schedule;
use crate::stats::ServeStats;
use crate::steps::STEP;

/// A source that is being opened.
pub type Opening = Pin<Box<dyn Future<Output = Result<BoxSource, SourceError>> + Send>>;

/// Where a venue has its candles from: any function that opens a source of the candles of a series that start in a
/// range.
///
/// It is asked once for every series and the whole range, and for what REST requests ask for. The source has candles of
/// that series, from that range.
pub trait Archive: Send + Sync {
    /// Opens a source.
    fn open(&self, series: &Series, range: TimeRange) -> Opening;
}

impl<F: Fn(&Series, TimeRange) -> Opening + Send + Sync> Archive for F {
    fn open(&self, series: &Series, range: TimeRange) -> Opening {
        self(series, range)
    }
}

/// Why there is no venue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// A setting cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The archive has no candles of a series, or cannot read them.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// An instant that the messages of a venue cannot hold.
    #[error("cannot serve {series} from {range}: {at} is not a whole number of milliseconds")]
    NotMillis {
        /// The series.
        series: Series,
        /// Its range.
        range: TimeRange,
        /// The instant.
        at: Timestamp,
    },
    /// It cannot listen there.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
}

/// A venue that serves candles of an archive as if they were happening.
///
/// It is tasks of the tokio runtime that it was made on, which end when it is dropped, and with them all connections.
/// Its times are those of tokio's clock: in tests that may be paused, with clients on the same runtime.
#[derive(Debug)]
pub struct Venue {
    address: SocketAddr,
    desk: Arc<Desk>,
    failure: oneshot::Receiver<SourceError>,
    tasks: JoinHandle<()>,
}

/// Settings of a [`Venue`].
#[must_use = "a builder does nothing until it listens"]
pub struct VenueBuilder {
    series: Vec<Series>,
    range: TimeRange,
    archive: Box<dyn Archive>,
    config: ServeConfig,
}

impl Venue {
    /// A venue of these series, whose symbols are those of their instruments, with the candles of `archive` that start
    /// in `range`. Its present begins at the start of the range.
    pub fn builder(
        series: impl IntoIterator<Item = Series>,
        range: TimeRange,
        archive: impl Archive + 'static,
    ) -> VenueBuilder {
        let (series, archive) = (series.into_iter().collect(), Box::new(archive));
        VenueBuilder { series, range, archive, config: ServeConfig::default() }
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The present instant.
    pub fn present(&self) -> Timestamp {
        Timestamp::from_millis(self.desk.present.now()).unwrap_or(Timestamp::MAX)
    }

    /// What it has done so far.
    pub fn stats(&self) -> ServeStats {
        self.desk.tally.snapshot()
    }

    /// The error of the archive that ends the course of time, if there is ever one. Connections stay, and nothing more is
    /// sent to them.
    ///
    /// # Cancel safety
    /// An error that is not taken is kept for the next call.
    pub async fn failure(&mut self) -> SourceError {
        match (&mut self.failure).await {
            Ok(error) => error,
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Venue {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

impl VenueBuilder {
    /// Sets where it listens, how fast time moves, and what goes wrong.
    pub fn config(mut self, config: ServeConfig) -> Self {
        self.config = config;
        self
    }

    /// Opens the archive, and listens from then on.
    ///
    /// # Errors
    /// [`ServeError::Config`] and [`ServeError::NotMillis`] for settings that cannot be, [`ServeError::Source`],
    /// [`ServeError::Listen`].
    ///
    /// # Cancel safety
    /// Dropped, the future leaves nothing behind.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time.
    pub async fn listen(self) -> Result<Venue, ServeError> {
        let VenueBuilder { series, range, archive, config } = self;
        config.check()?;
        let listing = Listing::new(series)?;
        let odd = [range.from(), range.to()].into_iter().find(|at| millis(*at).is_none());
        if let Some(at) = odd {
            let series = listing.at(0).series.clone();
            return Err(ServeError::NotMillis { series, range, at });
        }
        let address = config.listen;
        let stranger = stranger(&listing)?;
        let desk = Arc::new(Desk::new(listing, stranger, config, range, archive)?);
        let schedule = pacer::open(&desk).await?;
        let fail = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let (failed, failure) = oneshot::channel();
        let tasks = tokio::spawn(run(Arc::clone(&desk), schedule, listener, failed));
        Ok(Venue { address, desk, failure, tasks })
    }
}

/// A series that is not listed.
fn stranger(listing: &Listing) -> Result<Series, ConfigError> {
    let series = &listing.at(0).series;
    let (exchange, market) = (series.instrument().exchange(), series.instrument().market());
    let mut symbol = "NOBODYASKED".to_owned();
    while listing.iter().any(|listed| listed.symbol == symbol) {
        symbol.push('X');
    }
    Ok(Instrument::new(exchange, market, &symbol)?.at(series.timeframe()))
}

async fn run(
    desk: Arc<Desk>,
    schedule: Schedule,
    listener: TcpListener,
    failed: oneshot::Sender<SourceError>,
) {
    let pace = async {
        if let Err(error) = pacer::pace(&desk, schedule).await {
            tracing::error!(error = error_chain(&error), "no more candles");
            // Whoever wants to know asks.
            let _ = failed.send(error);
        }
    };
    tokio::join!(accept(Arc::clone(&desk), listener), pace);
}

/// Takes connections, each a task that ends with this one.
async fn accept(desk: Arc<Desk>, listener: TcpListener) {
    let mut tasks = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    number += 1;
                    // Messages are small and should not wait for others. Where that cannot be had, they do.
                    let _ = stream.set_nodelay(true);
                    let plan = desk.config.faults.as_ref().map(|faults| Plan::new(faults, number));
                    let desk = Arc::clone(&desk);
                    tasks.spawn(Connection { desk, number, stream, address: from.ip(), plan }.run());
                }
                // Of too many open files, say, which passes.
                Err(error) => {
                    tracing::warn!(%error, "cannot take a connection");
                    sleep(STEP).await;
                }
            },
            Some(_) = tasks.join_next() => {}
            // See `steps`.
            () = sleep(STEP) => {}
        }
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("listing", &self.listing)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for VenueBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VenueBuilder")
            .field("series", &self.series)
            .field("range", &self.range)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
