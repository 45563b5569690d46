//! What a feed is made of.

use std::fmt;

use bt_core::{BoxSource, CandleSource, ConfigError, LogSink, Outbox, Pacer, Series, Timestamp, Yield};

use crate::BarFeed;

/// At which closes there is a frame (R21).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Align {
    /// Wherever at least one series has a bar.
    #[default]
    Outer,
    /// Only where every due series has a bar.
    Inner,
}

/// What stands in for a bar that a due series does not have (R22).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fill {
    /// Nothing: the slot is empty.
    None,
    /// The previous close, after the first bar, for at most `limit` slots in a row.
    Forward {
        /// How many slots in a row; without a limit if `None`.
        limit: Option<u64>,
    },
}

impl Fill {
    /// Whether another slot may be filled after `fills` in a row.
    pub(crate) fn allows(self, fills: u64) -> bool {
        match self {
            Fill::None => false,
            Fill::Forward { limit } => limit.is_none_or(|limit| fills < limit),
        }
    }
}

impl Default for Fill {
    /// Forward, without a limit.
    fn default() -> Self {
        Fill::Forward { limit: None }
    }
}

/// What an error of a source means for the feed (R25).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnSourceError {
    /// The feed ends with it.
    #[default]
    Fail,
    /// It is logged, its series ends there, and the others go on.
    Isolate,
}

/// Makes a [`BarFeed`].
#[must_use]
#[derive(Default)]
pub struct BarFeedBuilder {
    sources: Vec<BoxSource>,
    align: Align,
    fill: Fill,
    on_source_error: OnSourceError,
    outbox: Outbox,
    pacer: Pacer,
}

impl BarFeedBuilder {
    /// Adds a source. The order in which sources are added means nothing (R20).
    pub fn subscribe(mut self, source: impl CandleSource + 'static) -> Self {
        self.sources.push(Box::pin(source));
        self
    }

    /// Sets at which closes there is a frame; [`Align::Outer`] unless set.
    pub fn align(mut self, align: Align) -> Self {
        self.align = align;
        self
    }

    /// Sets what stands in for a missing bar; forward without a limit unless set.
    pub fn fill(mut self, fill: Fill) -> Self {
        self.fill = fill;
        self
    }

    /// Sets what an error of a source means; [`OnSourceError::Fail`] unless set.
    pub fn on_source_error(mut self, policy: OnSourceError) -> Self {
        self.on_source_error = policy;
        self
    }

    /// Sets where the feed's logs go; nowhere unless set.
    pub fn log(mut self, sink: impl LogSink + 'static) -> Self {
        self.outbox = Outbox::new(sink);
        self
    }

    /// Sets how the feed gives its executor the thread back (R36).
    pub fn with_yield(mut self, yielding: impl Yield + 'static) -> Self {
        self.pacer = Pacer::new(yielding);
        self
    }

    /// The feed.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] without a source, [`ConfigError::DuplicateSeries`] if two sources are of the
    /// same series (R18).
    pub fn build(self) -> Result<BarFeed, ConfigError> {
        let BarFeedBuilder { mut sources, align, fill, on_source_error, outbox, pacer } = self;
        if sources.is_empty() {
            return Err(ConfigError::Missing { what: "series" });
        }
        sources.sort_by(|a, b| a.series().cmp(b.series()));
        let series: Vec<Series> = sources.iter().map(|source| source.series().clone()).collect();
        if let Some(twice) = series.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ConfigError::DuplicateSeries { series: twice[0].clone() });
        }
        let ends: Vec<Option<Timestamp>> = sources.iter().map(|source| source.declared_end()).collect();
        let merge = crate::merge::Merge::new(series.into(), &ends, align, fill);
        Ok(BarFeed::new(sources, merge, on_source_error, outbox, pacer))
    }
}

impl fmt::Debug for BarFeedBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let series: Vec<&Series> = self.sources.iter().map(|source| source.series()).collect();
        f.debug_struct("BarFeedBuilder")
            .field("series", &series)
            .field("align", &self.align)
            .field("fill", &self.fill)
            .field("on_source_error", &self.on_source_error)
            .finish_non_exhaustive()
    }
}
