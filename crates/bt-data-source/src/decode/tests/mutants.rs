//! Files changed at random: an error or other values, never a panic, never large buffers.

use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::basic::Encoding;
use parquet::file::properties::WriterVersion;

use super::model::{self, CODECS, Layout, Stored};
use super::*;

fn base(rng: &mut Rng, codec: &str) -> Vec<u8> {
    let mut columns = model::plain(400);
    for column in &mut columns {
        let flag = matches!(column.stored, Stored::Bool(_));
        let integer = matches!(column.stored, Stored::I64(_));
        column.dictionary = !flag && rng.below(2) == 0;
        column.nullable |= rng.below(2) == 0;
        column.page_rows = 64 + rng.below(400);
        column.encoding = match rng.below(3) {
            1 if integer => Encoding::DELTA_BINARY_PACKED,
            2 if !flag => Encoding::BYTE_STREAM_SPLIT,
            _ => Encoding::PLAIN,
        };
    }
    let version = *rng.pick(&[WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0]);
    let layout = Layout {
        compression: model::codec(codec),
        version,
        statistics: rng.below(2) == 0,
        groups: vec![250, 150],
    };
    model::write(&columns, &layout)
}

fn mutate(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let length = bytes.len();
    let footer = u32::from_le_bytes(bytes[length - 8..length - 4].try_into().unwrap()) as usize;
    // Half of the changes are made where the structure is.
    let spot = match rng.below(4) {
        0 | 1 => length - 8 - footer + rng.below(footer + 8),
        _ => rng.below(length),
    };
    match rng.below(7) {
        0 => bytes.truncate(spot),
        1 => bytes[spot] ^= 1 << rng.below(8),
        2 => bytes[spot] = rng.next() as u8,
        3 => {
            let end = (spot + 1 + rng.below(16)).min(length);
            bytes[spot..end].fill(*rng.pick(&[0, 0xff, 0x7f, 0x80]));
        }
        4 => {
            let end = (spot + 1 + rng.below(40)).min(length);
            bytes.drain(spot..end);
        }
        5 => {
            let inserted: Vec<u8> = (0..1 + rng.below(9)).map(|_| rng.next() as u8).collect();
            bytes.splice(spot..spot, inserted);
        }
        _ => (0..1 + rng.below(20)).for_each(|_| {
            let spot = rng.below(length);
            bytes[spot] = rng.next() as u8;
        }),
    }
}

#[test]
fn no_mutant_panics_or_takes_much_memory() {
    let (mut failed, mut same, mut other) = (0, 0, 0);
    for seed in 0..600 {
        let mut rng = Rng(seed);
        let codec = *rng.pick(&CODECS);
        let whole = base(&mut rng, codec);
        let good = rows(&decode_all(&whole, &Terms::default()).unwrap());
        let mut bytes = whole;
        mutate(&mut bytes, &mut rng);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let plan = FilePlan::read(&mut Cursor::new(&bytes), &Terms::default())?;
            let mut scratch = Scratch::default();
            let mut chunks = Vec::new();
            for group in 0..plan.groups() {
                // As a source does: never more rows at once than it has room for.
                for from in (0..plan.group_rows(group).min(1 << 16)).step_by(1 << 13) {
                    let rows = from..plan.group_rows(group).min(from + (1 << 13));
                    let slice = Slice { group, rows, range: all(), batch_rows: 1 << 13 };
                    let mut reader = Cursor::new(&bytes);
                    let decoded = decode(&mut reader, &plan, &slice, &mut scratch, &mut Columns::default);
                    assert!(scratch.bytes() < 4 << 20, "{} bytes", scratch.bytes());
                    chunks.extend(decoded?);
                }
            }
            Ok::<_, DecodeError>(chunks)
        }));
        match outcome {
            Err(_) => panic!("seed {seed}, codec {codec}: a panic"),
            Ok(Err(_)) => failed += 1,
            Ok(Ok(chunks)) if chunks.iter().all(|c| !c.start_only) && rows(&chunks) == good => same += 1,
            Ok(Ok(_)) => other += 1,
        }
    }
    println!("of 600 mutants {failed} were refused, {same} read as before, {other} otherwise");
    assert!(failed > 200 && same > 20, "{failed} {same} {other}");
}
