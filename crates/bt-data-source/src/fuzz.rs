//! What a fuzzer calls: functions over bytes that return whatever the bytes are.

use std::io::Cursor;

use bt_core::{Columns, TimeRange};

use crate::decode::{self, FilePlan, Scratch, Slice};
use crate::limits::Terms;
use crate::pool::SLICE_ROWS;

/// Slices that are decoded of a file, so that one that holds its rows in next to no bytes does not take for ever.
const SLICES: usize = 64;

/// Reads the footer of a file and decodes its rows, as a source does. Returns how many rows those were.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parquet(bytes: &[u8]) -> Result<u64, String> {
    let mut reader = Cursor::new(bytes);
    let plan = FilePlan::read(&mut reader, &Terms::default()).map_err(|error| error.to_string())?;
    let slices = (0..plan.groups()).flat_map(|group| {
        let rows = plan.group_rows(group);
        (0..rows).step_by(SLICE_ROWS).map(move |first| (group, first..rows.min(first + SLICE_ROWS)))
    });
    let mut scratch = Scratch::default();
    let mut read = 0;
    for (group, rows) in slices.take(SLICES) {
        let slice = Slice { group, rows, range: TimeRange::ALL, batch_rows: 1 << 13 };
        let chunks = decode::decode(&mut reader, &plan, &slice, &mut scratch, &mut Columns::default)
            .map_err(|error| error.to_string())?;
        read += chunks.iter().map(|chunk| chunk.columns.start.len() as u64).sum::<u64>();
    }
    Ok(read)
}

/// Reads a message of a venue.
///
/// # Errors
/// What is wrong with it, in words.
#[cfg(feature = "live")]
pub fn message(bytes: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    crate::live::read_message(text)
}

/// Reads the candles in a venue's answer. Returns how many there are.
///
/// # Errors
/// What is wrong with it, in words.
#[cfg(feature = "live")]
pub fn answer(bytes: &[u8]) -> Result<usize, String> {
    crate::live::read_answer(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    /// Files that once broke a reader, and what is to become of them: so many rows, or an error with these words.
    const CORPUS: [(&str, Result<u64, &str>); 9] = [
        ("claims-of-a-dictionary", Err("a dictionary is said to have 1073741824 values")),
        ("claims-of-a-page", Err("a page of 4 values is said to have 1048576 bytes")),
        ("claims-of-levels", Ok(4)),
        ("claims-of-rows", Err("row group 0 is said to have 1099511627776 rows")),
        ("column-order", Ok(4)),
        ("endless-number", Err("a number in the metadata has more than 64 bits")),
        ("lz4-in-several-blocks", Ok(4)),
        ("nested-groups", Err("the schema ends too early")),
        ("no-rows-nowhere", Ok(0)),
    ];

    #[test]
    fn what_once_broke_a_reader_breaks_none_again() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
        let files = fs::read_dir(dir).unwrap().map(|file| {
            let path = file.unwrap().path();
            (
                path.file_stem().unwrap().to_str().unwrap().to_owned(),
                super::parquet(&fs::read(&path).unwrap()),
            )
        });
        let files: BTreeMap<_, _> = files.collect();
        assert_eq!(files.keys().collect::<Vec<_>>(), CORPUS.map(|(name, _)| name));
        for (read, (name, expected)) in files.values().zip(CORPUS) {
            match (read, expected) {
                (Ok(rows), Ok(expected)) => assert_eq!(*rows, expected, "{name}"),
                (Err(text), Err(expected)) => assert!(text.contains(expected), "{name}: {text}"),
                _ => panic!("{name}: {read:?}"),
            }
        }
    }
}
