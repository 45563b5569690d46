//! Fetching what was missed.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;

use bt_core::{Candle, Series, Timestamp};

/// Where candles can be fetched that did not come by themselves: a venue's archive, or files.
pub trait Backfill: Send + Sync + fmt::Debug {
    /// The first `limit` candles of `series` that start in `range`, ascending, as far as there are any.
    ///
    /// Fewer than `limit` mean that the range holds no more of them.
    ///
    /// # Errors
    /// Anything that another attempt within the call would not mend; the rows are then missing.
    ///
    /// # Cancel safety
    /// Dropped, the future has changed nothing.
    fn fetch(&self, series: &Series, range: Range<Timestamp>, limit: usize) -> Fetch;
}

/// The future of a [`Backfill`].
pub type Fetch = Pin<Box<dyn Future<Output = Result<Vec<Candle>, BackfillError>> + Send>>;

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackfillError {
    /// The venue says no.
    #[error("{url} answers {status}: {excerpt:?}")]
    Refused {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of the answer.
        excerpt: String,
    },
    /// The answer makes no sense.
    #[error("the answer of {url} makes no sense: {reason}")]
    Malformed {
        /// What was asked.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The venue cannot be reached.
    #[error("cannot ask {url}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no answer in time.
    #[error("no answer within {limit:?}")]
    Late {
        /// How long was waited for one.
        limit: std::time::Duration,
    },
    /// A source of candles fails.
    #[error(transparent)]
    Source(#[from] bt_core::SourceError),
}
