//! Pins what crosses threads.

use bt_data_source::{MemoryBuilder, MemorySource};

fn send<T: Send>() {}
#[cfg(feature = "parquet")]
fn sync<T: Sync>() {}
fn unpin<T: Unpin>() {}
fn is_static<T: 'static>() {}

#[test]
fn sources_in_memory() {
    send::<MemorySource>();
    unpin::<MemorySource>();
    is_static::<MemorySource>();
    send::<MemoryBuilder>();
}

#[cfg(feature = "parquet")]
#[test]
fn sources_on_files_and_pools() {
    use bt_data_source::{ParquetBuilder, ParquetSource, PoolStats, ReadPool, ReadPoolBuilder};

    fn future_is_send(builder: ParquetBuilder) -> impl Send {
        builder.open()
    }
    let _ = future_is_send;
    send::<ParquetSource>();
    unpin::<ParquetSource>();
    is_static::<ParquetSource>();
    send::<ParquetBuilder>();
    send::<ReadPool>();
    sync::<ReadPool>();
    unpin::<ReadPool>();
    send::<ReadPoolBuilder>();
    sync::<PoolStats>();
}

#[cfg(feature = "live")]
#[test]
fn live_sources_and_archives() {
    use bt_data_source::{
        Backfill, Fetch, Handover, Live, LiveBuilder, LiveError, RestBackfill, WsBuilder, WsCandleSource,
    };

    send::<Live>();
    shared::<Live>();
    send::<LiveBuilder>();
    send::<LiveError>();
    send::<WsBuilder>();
    send::<WsCandleSource>();
    unpin::<WsCandleSource>();
    is_static::<WsCandleSource>();
    send::<Handover<MemorySource>>();
    unpin::<Handover<MemorySource>>();
    send::<RestBackfill>();
    shared::<RestBackfill>();
    send::<std::sync::Arc<dyn Backfill>>();
    send::<Fetch>();
}

#[cfg(feature = "live")]
fn shared<T: Sync>() {}
