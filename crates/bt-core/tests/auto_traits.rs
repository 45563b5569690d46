//! What the public types promise about threads and pinning.

use bt_core::*;

fn send<T: Send>() {}
fn send_sync_unpin<T: Send + Sync + Unpin>() {}

#[test]
fn values_are_shared_between_threads() {
    send_sync_unpin::<(Timestamp, TimeRange, Timeframe, Instrument, Series)>();
    send_sync_unpin::<(Candle, Trades, Columns, CandleBatch, Frame, FrameBlock, Slot)>();
    send_sync_unpin::<(LogEvent, Event, Envelope<Event>, BusStats, SourceStats, StatsHandle)>();
    send_sync_unpin::<(SimClock, SystemClock)>();
    send_sync_unpin::<(ConfigError, SourceError, FeedError, LogError, BusError)>();
}

#[test]
fn streams_and_sinks_can_move_between_threads() {
    send::<(BoxSource, BoxFeed, BoxLogSink, Outbox, Pacer)>();
    send::<Candles<BoxSource>>();
    send::<FromCandles<futures::stream::Empty<Result<Candle, SourceError>>>>();
}
