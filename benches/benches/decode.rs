//! The decoder alone: a month of one series, on one thread.

use std::hint::black_box;

use bt_data_source::bare::BareDecoder;
use bt_data_source::{Compression, SynthConfig, WriteOptions, write_month};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn decode(c: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let synth = SynthConfig::default().with_instruments(1).with_months(1).build().expect("a data set");
    let candles = synth.columns(0, 0);
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(candles.len() as u64));
    let codecs = [("plain", Compression::None), ("snappy", Compression::Snappy), ("zstd", Compression::Zstd)];
    for (name, compression) in codecs {
        let options = WriteOptions::default().with_compression(compression);
        let root = directory.path().join(name);
        let file =
            write_month(&root, synth.series(0), synth.months()[0], &candles, &options).expect("a file");
        let mut decoder = BareDecoder::default();
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                decoder.decode(&file, usize::MAX, |columns| _ = black_box(columns)).expect("a sound file");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
