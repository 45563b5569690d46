//! Where candles come from.

use std::pin::Pin;

use futures_core::Stream;

use crate::{CandleBatch, Candles, Series, SourceError, StatsHandle, Timestamp};

/// A stream of batches of candles of one series, historical or live.
///
/// What every source keeps to, and the contract suite of the test kit checks:
/// - Starts lie on the series' grid and strictly increase, within a batch and across batches.
/// - A watermark is never contradicted by a later row, and the stream yields `None` for ever after its end
///   or its first error (R11).
/// - What it logs about a row is accepted after everything before the row was yielded, and before the row is
///   (R29): a batch never spans a log.
/// - How rows are cut into batches changes neither rows nor logs (R35).
/// - `Pending` is returned only when something polled with the same context was pending; dropping the stream
///   cancels its background work (R38).
///
/// The trait is object safe.
pub trait CandleSource: Stream<Item = Result<CandleBatch, SourceError>> + Send {
    /// The series of all its candles.
    fn series(&self) -> &Series;

    /// Where the series ends by declaration: the `to` of its range (R23). `None` if it is open.
    fn declared_end(&self) -> Option<Timestamp>;

    /// Its counters.
    fn stats(&self) -> StatsHandle;
}

/// A source of any kind.
pub type BoxSource = Pin<Box<dyn CandleSource>>;

impl<S: CandleSource + ?Sized> CandleSource for Pin<Box<S>> {
    fn series(&self) -> &Series {
        (**self).series()
    }

    fn declared_end(&self) -> Option<Timestamp> {
        (**self).declared_end()
    }

    fn stats(&self) -> StatsHandle {
        (**self).stats()
    }
}

impl<S: CandleSource + Unpin + ?Sized> CandleSource for Box<S> {
    fn series(&self) -> &Series {
        (**self).series()
    }

    fn declared_end(&self) -> Option<Timestamp> {
        (**self).declared_end()
    }

    fn stats(&self) -> StatsHandle {
        (**self).stats()
    }
}

/// What can be done with any source.
pub trait CandleSourceExt: CandleSource {
    /// A view of the source as a stream of single candles.
    fn candles(self) -> Candles<Self>
    where
        Self: Sized,
    {
        Candles::new(self)
    }

    /// The source behind a pointer, to keep sources of several kinds together.
    fn boxed_source(self) -> BoxSource
    where
        Self: Sized + 'static,
    {
        Box::pin(self)
    }
}

impl<S: CandleSource + ?Sized> CandleSourceExt for S {}
