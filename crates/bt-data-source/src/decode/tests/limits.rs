//! What a file may claim, and what is asked of it beyond the format.

use std::io::{self, Seek, SeekFrom};

use super::handmade::{self, Page, V, candles, expected, plain, thrift, with_close};
use super::*;
use crate::Limits;

const CLOSE: &str = "in row group 0 in column `close`";

fn read(file: handmade::File, terms: &Terms) -> Result<Vec<Row>, String> {
    decode_all(&file.bytes(), terms).map(|chunks| rows(&chunks)).map_err(|error| error.to_string())
}

fn limited(limits: Limits) -> Terms {
    Terms { limits, ..Terms::default() }
}

#[test]
fn pages_and_row_groups_are_no_larger_than_the_limits() {
    let file = || handmade::File::new(&with_close(vec![Page::data(4, 0, plain(&handmade::PRICES))]));
    let pages = |bytes| limited(Limits::default().with_max_page_bytes(bytes));
    assert_eq!(read(file(), &pages(32)).unwrap(), expected());
    let text = read(file(), &pages(31)).unwrap_err();
    assert!(text.starts_with("a page is said to have 32 bytes, expected 0 to 31"), "{text}");
    assert!(text.ends_with("in row group 0 in column `start_ms`"), "{text}");
    let groups = |rows| limited(Limits::default().with_max_row_group_rows(rows));
    assert_eq!(read(file(), &groups(4)).unwrap(), expected());
    assert_eq!(
        read(file(), &groups(3)).unwrap_err(),
        "row group 0 is said to have 4 rows, expected 3 at most"
    );
    // What decoding may take beside the rows is bounded by the limit too.
    let transient = |terms: &Terms| {
        let mut file = file();
        (file.rows, file.file_rows) = (4, 4);
        FilePlan::read(&mut Cursor::new(file.bytes()), terms).unwrap().transient_bytes(0)
    };
    assert!(transient(&pages(10)) < transient(&Terms::default()));
}

#[test]
fn row_groups_are_no_more_than_the_format_can_number() {
    let footer = |groups| {
        let file = handmade::File::new(&candles());
        let footer = thrift(vec![
            (1, V::Int(1)),
            (2, V::Structs(file.schema)),
            (3, V::Int(0)),
            (4, V::Structs(vec![vec![0]; groups])),
        ]);
        let bytes = [b"PAR1", &footer[..], &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat();
        decode_all(&bytes, &Terms::default()).unwrap_err().to_string()
    };
    assert!(footer(65_537).contains("said to have 65537 row groups, expected 65536 at most"));
    assert!(footer(65_536).contains("row group 0 has 0 columns, the schema 6"));
}

#[test]
fn a_page_cannot_claim_more_than_its_codec_makes_of_its_bytes() {
    for (codec, most, name) in
        [(1, 32, "snappy"), (2, 1040, "gzip"), (5, 256, "lz4"), (7, 256, "lz4"), (6, 32 << 10, "zstd")]
    {
        // Many values, so that the page may be large as far as they go.
        let text = |uncompressed| {
            let page = Page { uncompressed: Some(uncompressed), ..Page::data(4, 0, vec![0]) };
            let mut columns = with_close(vec![page]);
            columns[4].codec = codec;
            read(handmade::File::new(&columns), &Terms::default()).unwrap_err()
        };
        let claim = format!("a page of 1 bytes ({name}) is said to decompress to {}", most + 1);
        assert!(text(most + 1).starts_with(&claim) && text(most + 1).ends_with(CLOSE), "{}", text(most + 1));
        assert!(!text(most).contains("said to decompress"), "{}", text(most));
    }
}

#[test]
fn a_page_without_a_checksum_is_refused_where_one_is_required() {
    let strict = Terms { checksums: true, ..Terms::default() };
    let with = |mut page: Page| {
        let mut crc = flate2::Crc::new();
        crc.update(&page.body);
        page.crc = Some(crc.sum());
        page
    };
    let all = |close: Vec<Page>| {
        let mut columns = with_close(close);
        for column in columns.iter_mut().filter(|c| c.name != "close") {
            column.pages.iter_mut().for_each(|page| *page = with(page.clone()));
        }
        handmade::File::new(&columns)
    };
    let data = || Page::data(4, 0, plain(&handmade::PRICES));
    let dictionary = || Page::dictionary(&handmade::PRICES);
    let indices = || Page::data(4, 8, vec![2, 3, 0b11_10_01_00]);
    for good in [vec![with(data())], vec![with(dictionary()), with(indices())]] {
        assert_eq!(read(all(good), &strict).unwrap(), expected());
    }
    for bad in [vec![data()], vec![with(dictionary()), indices()], vec![dictionary(), with(indices())]] {
        assert_eq!(read(all(bad.clone()), &Terms::default()).unwrap(), expected());
        let text = read(all(bad), &strict).unwrap_err();
        assert_eq!(text, format!("a page has no checksum, expected one {CLOSE}"));
    }
}

/// Bytes whose reading panics beyond a point.
struct Trap(Cursor<Vec<u8>>, u64);

impl io::Read for Trap {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(self.0.position() != self.1, "trapped");
        self.0.read(buffer)
    }
}

impl Seek for Trap {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn a_panic_is_an_error_with_its_place() {
    let bytes = handmade::File::new(&candles()).bytes();
    let plan = FilePlan::read(&mut Cursor::new(&bytes), &Terms::default()).unwrap();
    let mut reader = Trap(Cursor::new(bytes), plan.chunks(0)[4].offset);
    let slice = Slice { group: 0, rows: 0..4, range: all(), batch_rows: 9 };
    let read = decode(&mut reader, &plan, &slice, &mut Scratch::default(), &mut Columns::default);
    let text = read.unwrap_err().to_string();
    assert_eq!(text, format!("the decoder panicked: trapped {CLOSE}"));
}
