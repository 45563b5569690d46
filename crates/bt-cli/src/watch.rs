//! What is noted of the frames that pass: their number, their ends, their fingerprint, the progress.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bt_core::{FeedError, Frame, FrameFeed, Series, SeriesStats, SlotCounts, Timestamp};
use futures::Stream;

use crate::progress::Meter;

/// Notes what passes. Clones share the notes.
#[derive(Clone, Debug)]
pub(crate) struct Watch(Arc<Mutex<Notes>>);

#[derive(Debug)]
struct Notes {
    totals: FrameTotals,
    fingerprint: blake3::Hasher,
    /// Encoded frames that are not yet in the fingerprint: it is faster on large pieces.
    encoded: Vec<u8>,
    meter: Meter,
}

/// What passed.
#[derive(Clone, Debug, Default)]
pub(crate) struct FrameTotals {
    pub(crate) frames: u64,
    pub(crate) slots: SlotCounts,
    pub(crate) first_close: Option<Timestamp>,
    pub(crate) last_close: Option<Timestamp>,
}

/// Bytes that are hashed at a time.
const PIECE: usize = 128 << 10;

impl Watch {
    /// Watches a feed of these series, whose progress `meter` shows.
    pub(crate) fn new(series: &[Series], meter: Meter) -> Self {
        // The names come first: equal numbers of other instruments are other frames.
        let encoded = series.iter().flat_map(|series| format!("{series}\n").into_bytes()).collect();
        let fingerprint = blake3::Hasher::new();
        Watch(Arc::new(Mutex::new(Notes { totals: FrameTotals::default(), fingerprint, encoded, meter })))
    }

    /// Notes a frame.
    pub(crate) fn see(&self, frame: &Frame) {
        let mut notes = self.lock();
        let Notes { totals, fingerprint, encoded, meter } = &mut *notes;
        totals.frames += 1;
        totals.first_close.get_or_insert(frame.close());
        totals.last_close = Some(frame.close());
        totals.slots += frame.counts();
        frame.encode(encoded);
        if encoded.len() >= PIECE {
            fingerprint.update(encoded);
            encoded.clear();
            meter.reach(frame.close(), totals.frames);
        }
    }

    /// What passed so far.
    pub(crate) fn totals(&self) -> FrameTotals {
        self.lock().totals.clone()
    }

    /// The fingerprint of what passed so far.
    pub(crate) fn fingerprint(&self) -> String {
        let notes = self.lock();
        notes.fingerprint.clone().update(&notes.encoded).finalize().to_string()
    }

    /// No frame follows.
    pub(crate) fn end(&self) {
        self.lock().meter.end();
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        // Notes are whole after every frame, so a panic elsewhere cannot have left them half taken.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A feed whose frames are watched as they are handed out.
#[derive(Debug)]
pub(crate) struct Watched<F> {
    pub(crate) feed: F,
    pub(crate) watch: Watch,
}

impl<F: FrameFeed + Unpin> Stream for Watched<F> {
    type Item = Result<Frame, FeedError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = Pin::new(&mut self.feed).poll_next(cx);
        if let Poll::Ready(Some(Ok(frame))) = &item {
            self.watch.see(frame);
        }
        item
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.feed.size_hint()
    }
}

impl<F: FrameFeed + Unpin> FrameFeed for Watched<F> {
    fn series(&self) -> &[Series] {
        self.feed.series()
    }

    fn stats(&self) -> Vec<SeriesStats> {
        self.feed.stats()
    }
}
