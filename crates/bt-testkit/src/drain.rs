//! Runs streams to their end.

use std::pin::pin;

use bt_core::{Candle, CandleSource, FeedError, FrameFeed, SourceError};
use futures::StreamExt;
use futures::executor::block_on;

use crate::Recorder;
use crate::reference::RefFrame;

/// Runs a source to its end or error on this thread. The candles that it yielded are returned, and each is
/// entered in `recorder`, batch by batch as they come.
pub fn drain_source(source: impl CandleSource, recorder: &Recorder) -> (Vec<Candle>, Option<SourceError>) {
    block_on(async {
        let mut source = pin!(source);
        let mut candles = Vec::new();
        while let Some(item) = source.next().await {
            match item {
                Ok(batch) => {
                    recorder.batch(&batch);
                    candles.extend(batch.iter());
                }
                Err(error) => return (candles, Some(error)),
            }
        }
        (candles, None)
    })
}

/// Runs a feed to its end or error on this thread. The frames that it yielded are returned, and each is
/// entered in `recorder` as it comes.
pub fn drain_feed(feed: impl FrameFeed, recorder: &Recorder) -> (Vec<RefFrame>, Option<FeedError>) {
    block_on(async {
        let mut feed = pin!(feed);
        let mut frames = Vec::new();
        while let Some(item) = feed.next().await {
            match item {
                Ok(frame) => {
                    recorder.frame(&frame);
                    frames.push(RefFrame::from(&frame));
                }
                Err(error) => return (frames, Some(error)),
            }
        }
        (frames, None)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entry, JitterExt, Step};
    use bt_core::{
        CandleBatch, EmptyReason, Frame, FrameBlock, Series, SeriesStats, Slot, SourceError, Timestamp,
    };
    use futures::{Stream, stream};
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    struct Feed<S>(S, Vec<Series>);

    impl<S: Stream<Item = Result<Frame, FeedError>> + Unpin> Stream for Feed<S> {
        type Item = Result<Frame, FeedError>;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Pin::new(&mut self.0).poll_next(cx)
        }
    }

    impl<S: Stream<Item = Result<Frame, FeedError>> + Unpin + Send> FrameFeed for Feed<S> {
        fn series(&self) -> &[Series] {
            &self.1
        }

        fn stats(&self) -> Vec<SeriesStats> {
            Vec::new()
        }
    }

    #[test]
    fn a_feed_is_run_to_its_error() {
        let series: Vec<Series> = vec!["a.s:A@1m".parse().unwrap()];
        let mut block = FrameBlock::new(series.clone().into());
        let slot = Slot::Empty(EmptyReason::NotDue);
        for close in [1, 2] {
            block.begin(Timestamp::from_nanos(close));
            block.push(slot);
        }
        let block = Arc::new(block);
        let items = vec![
            Ok(Frame::new(Arc::clone(&block), 0)),
            Ok(Frame::new(block, 1)),
            Err(FeedError::Other("broken".into())),
        ];
        let recorder = Recorder::new();
        let feed = Feed(stream::iter(items), series).jitter(&[true, false]);
        let (frames, error) = drain_feed(feed, &recorder);
        let closes = [1, 2].map(Timestamp::from_nanos);
        assert_eq!(frames, closes.map(|close| RefFrame { close, slots: vec![slot] }));
        assert!(error.is_some());
        assert_eq!(recorder.entries(), closes.map(Entry::Frame));
    }

    #[test]
    fn a_source_is_run_to_its_error() {
        let script = vec![
            Step::Batch(CandleBatch::tick(Timestamp::EPOCH)),
            Step::Pending,
            Step::Error(SourceError::Other("broken".into())),
        ];
        let source = crate::ScriptedSource::new("a.s:A@1m".parse().unwrap(), None, script);
        let (candles, error) = drain_source(source, &Recorder::new());
        assert!(candles.is_empty() && error.is_some());
    }
}
