//! Where frames come from.

use std::pin::Pin;

use futures_core::Stream;

use crate::{FeedError, Frame, Series, SlotCounts, SourceStats};

/// A stream of frames in strictly increasing close order (R19), which ends for ever after its first error.
pub trait FrameFeed: Stream<Item = Result<Frame, FeedError>> + Send {
    /// The series of the slots of every frame, in their order (R20).
    fn series(&self) -> &[Series];

    /// What was handed out so far and what the sources did for it, in the order of [`series`](FrameFeed::series).
    fn stats(&self) -> Vec<SeriesStats>;
}

/// A feed of any kind.
pub type BoxFeed = Pin<Box<dyn FrameFeed>>;

impl<F: FrameFeed + ?Sized> FrameFeed for Pin<Box<F>> {
    fn series(&self) -> &[Series] {
        (**self).series()
    }

    fn stats(&self) -> Vec<SeriesStats> {
        (**self).stats()
    }
}

/// Counters of one series of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesStats {
    /// The series.
    pub series: Series,
    /// Its slots in the frames that were handed out.
    pub slots: SlotCounts,
    /// What its source did.
    pub source: SourceStats,
}
