//! Files put together byte by byte: what no writer at hand produces, right and wrong.

use std::io::Write;

use super::*;

/// A value of a struct in Thrift's compact protocol.
pub(super) enum V {
    Int(i64),
    Byte(u8),
    Flag(bool),
    Bytes(Vec<u8>),
    Struct(Vec<u8>),
    Structs(Vec<Vec<u8>>),
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn zigzag(value: i64) -> Vec<u8> {
    varint((value << 1 ^ value >> 63) as u64)
}

/// A struct of fields with ascending numbers.
pub(super) fn thrift(fields: Vec<(u8, V)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut last = 0;
    for (id, value) in fields {
        let head = (id - last) << 4;
        last = id;
        match value {
            V::Int(v) => bytes.extend([vec![head | 6], zigzag(v)].concat()),
            V::Byte(v) => bytes.extend([head | 3, v]),
            V::Flag(v) => bytes.push(head | if v { 1 } else { 2 }),
            V::Bytes(v) => bytes.extend([vec![head | 8], varint(v.len() as u64), v].concat()),
            V::Struct(v) => bytes.extend([vec![head | 12], v].concat()),
            V::Structs(v) => {
                bytes.extend([vec![head | 9, 0xfc], varint(v.len() as u64), v.concat()].concat())
            }
        }
    }
    bytes.push(0);
    bytes
}

/// The header and body of a page.
#[derive(Clone)]
pub(super) struct Page {
    pub(super) kind: i64,
    pub(super) values: i64,
    pub(super) encoding: i64,
    pub(super) body: Vec<u8>,
    pub(super) uncompressed: Option<i64>,
    pub(super) compressed: Option<i64>,
    pub(super) crc: Option<u32>,
    pub(super) level_encoding: i64,
    /// Version 2: bytes of levels, and whether the rest is compressed.
    pub(super) v2: Option<(i64, bool)>,
}

impl Page {
    pub(super) fn data(values: usize, encoding: i64, body: Vec<u8>) -> Self {
        Page {
            kind: 0,
            values: values as i64,
            encoding,
            body,
            uncompressed: None,
            compressed: None,
            crc: None,
            level_encoding: 3,
            v2: None,
        }
    }

    pub(super) fn dictionary(values: &[f64]) -> Self {
        Page { kind: 2, ..Page::data(values.len(), 0, plain(values)) }
    }

    pub(super) fn v2(values: usize, levels: usize, compressed: bool, body: Vec<u8>) -> Self {
        Page { kind: 3, v2: Some((levels as i64, compressed)), ..Page::data(values, 0, body) }
    }

    fn bytes(&self) -> Vec<u8> {
        let length = self.body.len() as i64;
        let mut fields = vec![
            (1, V::Int(self.kind)),
            (2, V::Int(self.uncompressed.unwrap_or(length))),
            (3, V::Int(self.compressed.unwrap_or(length))),
        ];
        fields.extend(self.crc.map(|crc| (4, V::Int(i64::from(crc as i32)))));
        let (values, encoding) = ((1, V::Int(self.values)), (2, V::Int(self.encoding)));
        fields.push(match (self.kind, self.v2) {
            (2, _) => (7, V::Struct(thrift(vec![values, encoding]))),
            (3, Some((levels, compressed))) => {
                let rows = (3, V::Int(self.values));
                let encoding = (4, V::Int(self.encoding));
                let sizes = [(5, V::Int(levels)), (6, V::Int(0)), (7, V::Flag(compressed))];
                let nulls = (2, V::Int(0));
                (8, V::Struct(thrift([values, nulls, rows, encoding].into_iter().chain(sizes).collect())))
            }
            _ => {
                let levels = (3, V::Int(self.level_encoding));
                (5, V::Struct(thrift(vec![values, encoding, levels, (4, V::Int(3))])))
            }
        });
        [thrift(fields), self.body.clone()].concat()
    }
}

pub(super) fn plain(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// A column of a file by hand.
#[derive(Clone)]
pub(super) struct Chunk {
    pub(super) name: &'static str,
    physical: i64,
    repetition: i64,
    pub(super) codec: i64,
    pub(super) pages: Vec<Page>,
    values: i64,
    /// Bytes that the footer claims for the pages once decompressed.
    uncompressed: i64,
}

pub(super) const PRICES: [f64; 4] = [10.0, 11.0, 12.0, 13.0];

pub(super) fn column(name: &'static str, pages: Vec<Page>) -> Chunk {
    Chunk { name, physical: 5, repetition: 0, codec: 0, pages, values: 4, uncompressed: 1000 }
}

/// Four candles, a minute each.
pub(super) fn candles() -> Vec<Chunk> {
    let starts = (0..4i64).flat_map(|i| (i * 60_000).to_le_bytes()).collect();
    let prices = |name| column(name, vec![Page::data(4, 0, plain(&PRICES))]);
    vec![
        Chunk { physical: 2, ..column("start_ms", vec![Page::data(4, 0, starts)]) },
        prices("open"),
        prices("high"),
        prices("low"),
        prices("close"),
        prices("volume"),
    ]
}

pub(super) fn with_close(pages: Vec<Page>) -> Vec<Chunk> {
    candles()
        .into_iter()
        .map(|c| if c.name == "close" { Chunk { pages: pages.clone(), ..c } } else { c })
        .collect()
}

pub(super) struct File {
    data: Vec<u8>,
    pub(super) schema: Vec<Vec<u8>>,
    chunks: Vec<Vec<u8>>,
    /// Rows of the row group, and of the file.
    pub(super) rows: i64,
    pub(super) file_rows: i64,
    /// So many bytes of the data are left out.
    shorter: usize,
}

fn leaf(name: &str, physical: i64, repetition: i64) -> Vec<u8> {
    thrift(vec![(1, V::Int(physical)), (3, V::Int(repetition)), (4, V::Bytes(name.into()))])
}

fn group(name: &str, children: usize) -> Vec<u8> {
    thrift(vec![(3, V::Int(1)), (4, V::Bytes(name.into())), (5, V::Int(children as i64))])
}

impl File {
    pub(super) fn new(columns: &[Chunk]) -> Self {
        let (data, schema) = (b"PAR1".to_vec(), vec![group("root", columns.len())]);
        let mut file = File { data, schema, chunks: vec![], rows: 4, file_rows: 4, shorter: 0 };
        for column in columns {
            let from = file.data.len();
            column.pages.iter().for_each(|page| file.data.extend(page.bytes()));
            let metadata = thrift(vec![
                (1, V::Int(column.physical)),
                (4, V::Int(column.codec)),
                (5, V::Int(column.values)),
                (6, V::Int(column.uncompressed)),
                (7, V::Int((file.data.len() - from) as i64)),
                (9, V::Int(from as i64)),
            ]);
            file.schema.push(leaf(column.name, column.physical, column.repetition));
            file.chunks.push(thrift(vec![(2, V::Int(0)), (3, V::Struct(metadata))]));
        }
        file
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        let row_group = thrift(vec![(1, V::Structs(self.chunks)), (2, V::Int(9)), (3, V::Int(self.rows))]);
        let footer = thrift(vec![
            (1, V::Int(1)),
            (2, V::Structs(self.schema)),
            (3, V::Int(self.file_rows)),
            (4, V::Structs(vec![row_group])),
        ]);
        let data = &self.data[..self.data.len() - self.shorter];
        [data, &footer, &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat()
    }
}

fn read(bytes: &[u8]) -> Result<Vec<Row>, String> {
    match decode_all(bytes, &Terms::default()) {
        Ok(chunks) => Ok(rows(&chunks)),
        Err(error) => Err(error.to_string()),
    }
}

fn read_columns(columns: &[Chunk]) -> Result<Vec<Row>, String> {
    read(&File::new(columns).bytes())
}

pub(super) fn expected() -> Vec<Row> {
    let row = |i: usize| Row {
        start: i as i64 * 60_000_000_000,
        prices: [PRICES[i].to_bits(); 5],
        trades: None,
        faults: vec![],
    };
    (0..4).map(row).collect()
}

/// That reading fails in the close column, with a text that holds `part`.
#[track_caller]
fn fails(pages: Vec<Page>, part: &str) {
    let text = read_columns(&with_close(pages)).unwrap_err();
    assert!(text.contains(part) && text.ends_with("in row group 0 in column `close`"), "{text}");
}

#[test]
fn a_plain_file_and_its_cuts_into_pages() {
    assert_eq!(read_columns(&candles()).unwrap(), expected());
    let cut = vec![
        Page::data(1, 0, plain(&PRICES[..1])),
        Page::data(0, 0, vec![]),
        Page { kind: 1, ..Page::data(9, 9, vec![1, 2, 3]) }, // an index page
        Page::data(3, 0, plain(&PRICES[1..])),
    ];
    assert_eq!(read_columns(&with_close(cut)).unwrap(), expected());
    fails(vec![Page::data(3, 0, plain(&PRICES[..3]))], "ends before its rows do");
    fails(vec![Page::data(5, 0, plain(&[1.0; 5]))], "said to have 5 values, expected 4 at most");
    fails(vec![Page::data(4, 0, plain(&PRICES[..3]))], "a page ends before its values do");
    fails(vec![], "ends before its rows do");
}

#[test]
fn checksums_are_held_against_the_bytes() {
    let page = Page::data(4, 0, plain(&PRICES));
    let mut crc = flate2::Crc::new();
    crc.update(&page.body);
    let right = Page { crc: Some(crc.sum()), ..page.clone() };
    assert_eq!(read_columns(&with_close(vec![right])).unwrap(), expected());
    fails(vec![Page { crc: Some(crc.sum() ^ 1), ..page }], "the checksum of a page is");
}

#[test]
fn dictionaries_come_first_and_once_and_are_not_exceeded() {
    let dictionary = || Page::dictionary(&PRICES);
    // Width 2; one group of packed indices 0 1 2 3.
    let indices = |bytes: &[u8]| Page::data(4, 8, bytes.to_vec());
    let good = || indices(&[2, 3, 0b11_10_01_00, 0]);
    assert_eq!(read_columns(&with_close(vec![dictionary(), good()])).unwrap(), expected());
    let old = Page { encoding: 2, ..good() };
    assert_eq!(read_columns(&with_close(vec![dictionary(), old])).unwrap(), expected());
    // Without the padding of the group.
    assert_eq!(
        read_columns(&with_close(vec![dictionary(), indices(&[2, 3, 0b11_10_01_00])])).unwrap(),
        expected()
    );
    fails(vec![good()], "there was none before it");
    fails(vec![dictionary(), dictionary(), good()], "expected it first and once");
    fails(vec![Page::data(1, 0, plain(&[1.0])), dictionary(), good()], "expected it first and once");
    fails(vec![Page::dictionary(&PRICES[..3]), good()], "index 3 is beyond the dictionary of 3 values");
    fails(vec![Page::dictionary(&[]), good()], "beyond the dictionary of 0 values");
    fails(vec![dictionary(), indices(&[3, 8, 7])], "index 7 is beyond");
    fails(vec![dictionary(), indices(&[2, 8, 7])], "a run repeats 7, which has more than 2 bits");
    fails(vec![dictionary(), indices(&[33, 8, 0])], "33 bits, expected 32 at most");
    fails(vec![dictionary(), indices(&[2, 3])], "a page ends before its values do");
    fails(vec![dictionary(), indices(&[2, 0, 0, 0, 0])], "a page ends before its values do");
    fails(vec![dictionary(), indices(&[32, 4])], "a page ends before its values do");
    fails(vec![Page { values: 5, ..dictionary() }, good()], "a dictionary of 5 values has 32 bytes");
    fails(
        vec![Page { values: 1 << 30, ..dictionary() }, good()],
        "said to have 1073741824 values in 32 bytes",
    );
    fails(vec![Page { values: -1, ..dictionary() }, good()], "said to have -1 values");
    fails(vec![Page { encoding: 6, ..dictionary() }, good()], "expected PLAIN");
}

#[test]
fn what_is_not_supported_is_named() {
    let page = |encoding| vec![Page::data(4, encoding, plain(&PRICES))];
    fails(page(7), "encoding DELTA_BYTE_ARRAY is not supported");
    fails(page(5), "encoding DELTA_BINARY_PACKED is not supported for its type");
    fails(page(3), "encoding RLE is not supported for its type");
    fails(page(10), "unknown encoding 10");
    for (codec, part) in [(4, "BROTLI"), (3, "LZO"), (99, "unknown codec 99")] {
        let columns: Vec<_> =
            candles().into_iter().map(|c| if c.name == "close" { Chunk { codec, ..c } } else { c }).collect();
        let text = read_columns(&columns).unwrap_err();
        assert!(text.contains(part) && text.ends_with("in row group 0 in column `close`"), "{text}");
    }
    let mut columns = candles();
    columns[0].physical = 3;
    let text = read_columns(&columns).unwrap_err();
    assert!(text.contains("its type is int96") && text.ends_with("in column `start_ms`"), "{text}");
    let mut columns = candles();
    columns[4].repetition = 2;
    assert!(read_columns(&columns).unwrap_err().contains("repeated"));
    let mut bytes = File::new(&candles()).bytes();
    let length = bytes.len();
    bytes[length - 1] = b'E';
    assert_eq!(read(&bytes).unwrap_err(), "the footer is encrypted");
}

fn nullable(pages: Vec<Page>) -> Vec<Chunk> {
    let change = |c: Chunk| {
        if c.name == "close" { Chunk { repetition: 1, pages: pages.clone(), ..c } } else { c }
    };
    candles().into_iter().map(change).collect()
}

#[test]
fn levels_are_counted_not_believed() {
    let page = |levels: &[u8], values: &[f64]| {
        let length = (levels.len() as u32).to_le_bytes();
        Page::data(4, 0, [&length[..], levels, &plain(values)].concat())
    };
    let closes = |pages| -> Result<Vec<u64>, String> {
        let rows = read_columns(&nullable(pages))?;
        Ok(rows.iter().map(|r| r.prices[3]).collect())
    };
    let nan = f64::NAN;
    for (levels, values, expected) in [
        (&[8, 1][..], &PRICES[..], PRICES),
        (&[4, 1, 4, 1], &PRICES, PRICES),
        (&[3, 0b1111], &PRICES, PRICES),
        (&[3, 0b0101], &PRICES[..2], [10.0, nan, 11.0, nan]),
        (&[2, 0, 2, 1, 3, 0b10], &PRICES[..2], [nan, 10.0, nan, 11.0]),
        (&[8, 0], &[], [nan; 4]),
        // Runs that claim more than there are rows.
        (&[0xfe, 0xff, 0xff, 0xff, 0xff, 0x0f, 1], &PRICES, PRICES),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 0x0f, 0xff], &PRICES, PRICES),
    ] {
        let read = closes(vec![page(levels, values)]).unwrap();
        assert_eq!(read, expected.map(bits), "{levels:?}");
    }
    for levels in [&[][..], &[8], &[6, 1], &[8, 2], &[1], &[0, 0], &[0xff; 12]] {
        let text = closes(vec![page(levels, &PRICES)]).unwrap_err();
        assert!(text.ends_with("in column `close`"), "{levels:?}: {text}");
    }
    // Fewer values than levels say, and levels that are longer than the page.
    assert!(closes(vec![page(&[8, 1], &PRICES[..3])]).unwrap_err().contains("a page ends"));
    let cut = Page::data(4, 0, vec![200, 0, 0, 0, 8, 1]);
    assert!(closes(vec![cut]).unwrap_err().contains("levels of a page are cut short"));
    let packed = Page { level_encoding: 4, ..page(&[8, 1], &PRICES) };
    assert!(closes(vec![packed]).unwrap_err().contains("BIT_PACKED"));
    // Version 2 has its levels before the values, without a length.
    let v2 = Page::v2(4, 2, true, [&[3, 0b0101][..], &plain(&PRICES[..2])].concat());
    assert_eq!(closes(vec![v2.clone()]).unwrap(), [10.0, nan, 11.0, nan].map(bits));
    assert!(closes(vec![Page { v2: Some((99, true)), ..v2 }]).unwrap_err().contains("longer than the page"));
}

#[test]
fn sizes_are_claims() {
    let page = || Page::data(4, 0, plain(&PRICES));
    fails(vec![Page { compressed: Some(-1), ..page() }], "a page is said to have -1 bytes");
    fails(
        vec![Page { compressed: Some(1 << 40), ..page() }],
        "said to have 1099511627776 bytes, expected 0 to 268435456",
    );
    fails(
        vec![Page { compressed: Some(1 << 20), ..page() }],
        "a page is said to have 1048576 bytes, the chunk has 32 left",
    );
    fails(vec![Page { uncompressed: Some(31), ..page() }], "a page has 32 bytes, its header says 31");
    fails(vec![Page { uncompressed: Some(100 << 20), ..page() }], "a page of 4 values is said to have");
    fails(vec![Page { values: -4, ..page() }], "said to have -4 values");
    let mut columns = candles();
    columns[2].values = 5;
    assert!(read_columns(&columns).unwrap_err().contains("it has 5 values, expected 4"));
    for rows in [5, i64::MAX, -1] {
        let text = read(&File { rows, ..File::new(&candles()) }.bytes()).unwrap_err();
        assert!(text.contains(&rows.to_string()), "{text}");
    }
    let text = read(&File { file_rows: 5, ..File::new(&candles()) }.bytes()).unwrap_err();
    assert_eq!(text, "the row groups have 4 rows, the file says 5");
    let mut bytes = File::new(&candles()).bytes();
    let at = bytes.len() - 8;
    for claim in [u32::MAX, bytes.len() as u32 - 11] {
        bytes[at..at + 4].copy_from_slice(&claim.to_le_bytes());
        let text = read(&bytes).unwrap_err();
        assert!(text.contains(&format!("the footer is said to have {claim} bytes")), "{text}");
    }
    // A column chunk that reaches into the footer.
    let footer = File::new(&candles());
    let from = footer.data.len();
    let text = read(&File { shorter: 1, ..footer }.bytes()).unwrap_err();
    assert!(text.contains(&format!("but the data ends at {}", from - 1)), "{text}");
    assert!(text.ends_with("in row group 0 in column `volume`"), "{text}");
}

#[test]
fn r37_a_lying_footer_raises_no_floor_beyond_what_its_rows_need() {
    let transient = |uncompressed| {
        let columns: Vec<_> = candles().into_iter().map(|c| Chunk { uncompressed, ..c }).collect();
        let bytes = File::new(&columns).bytes();
        let plan = FilePlan::read(&mut std::io::Cursor::new(bytes), &Terms::default()).unwrap();
        plan.transient_bytes(0)
    };
    assert_eq!(transient(1 << 50), transient(2 << 20));
    assert!(transient(1 << 50) < 4 << 20, "{}", transient(1 << 50));
    assert!(transient(100) < transient(1000));
    let page = Page { body: vec![0; 2 << 20], uncompressed: Some(32), ..Page::data(4, 0, vec![]) };
    fails(vec![page], "a page of 4 values is said to take 2097152 bytes");
}

#[test]
fn compressed_pages_must_fill_what_they_claim() {
    let body = plain(&PRICES);
    let block = lz4_flex::block::compress(&body);
    let frame =
        |block: &[u8]| [&32u32.to_be_bytes()[..], &(block.len() as u32).to_be_bytes(), block].concat();
    let halves: Vec<u8> = body
        .chunks(16)
        .flat_map(|half| {
            let block = lz4_flex::block::compress(half);
            [&16u32.to_be_bytes()[..], &(block.len() as u32).to_be_bytes(), &block].concat()
        })
        .collect();
    // As Hadoop writes what is larger than its buffer: one length, several blocks; then another frame.
    let blocks = |parts: &[&[u8]]| -> Vec<u8> {
        let length = parts.iter().map(|part| part.len() as u32).sum::<u32>();
        let packed = parts.iter().flat_map(|part| {
            let block = lz4_flex::block::compress(part);
            [&(block.len() as u32).to_be_bytes()[..], &block].concat()
        });
        length.to_be_bytes().into_iter().chain(packed).collect()
    };
    let several = [blocks(&[&body[..5], &body[5..9], &body[9..20]]), blocks(&[&body[20..]])].concat();
    let mut own = lz4_flex::frame::FrameEncoder::new(Vec::new());
    own.write_all(&body).unwrap();
    let snappy = snap::raw::Encoder::new().compress_vec(&body).unwrap();
    let zstd = zstd::bulk::compress(&body, 1).unwrap();
    let good = [
        (1, snappy),
        (6, zstd.clone()),
        (7, block.clone()),
        // What was LZ4 once: in frames of one kind or the other, and without.
        (5, frame(&block)),
        (5, halves),
        (5, several),
        (5, own.finish().unwrap()),
        (5, block),
    ];
    let file = |codec, page: Page| {
        let mut columns = with_close(vec![page]);
        columns[4].codec = codec;
        read_columns(&columns)
    };
    for (codec, compressed) in good {
        let page = Page { uncompressed: Some(32), ..Page::data(4, 0, compressed.clone()) };
        assert_eq!(file(codec, page.clone()).unwrap(), expected(), "codec {codec}");
        for uncompressed in [31, 33, 40] {
            let page = Page { uncompressed: Some(uncompressed), ..page.clone() };
            assert!(file(codec, page).is_err(), "codec {codec} to {uncompressed} bytes");
        }
        // LZ4's own frames may lack the mark at their end, of four bytes.
        let cut = Page { body: compressed[..compressed.len() - 5].to_vec(), ..page };
        assert!(file(codec, cut).is_err(), "codec {codec} cut short");
    }
    // Version 2 may say that a page is not compressed after all.
    assert_eq!(file(6, Page::v2(4, 0, false, body)).unwrap(), expected());
    let page = Page { uncompressed: Some(32), ..Page::v2(4, 0, true, zstd) };
    assert_eq!(file(6, page).unwrap(), expected());
}

#[test]
fn other_columns_may_be_anything() {
    // A group of two leaves before the others, a logical type that is not known, and column orders that are not.
    let mut file = File::new(&candles());
    let float16 = thrift(vec![
        (1, V::Int(7)),
        (2, V::Int(2)),
        (3, V::Int(1)),
        (4, V::Bytes(b"half".to_vec())),
        (10, V::Struct(thrift(vec![(15, V::Struct(vec![0]))]))),
    ]);
    file.schema[0] = group("root", 8);
    file.schema.splice(1..1, [group("nested", 2), leaf("close", 5, 1), leaf("open", 6, 2), float16]);
    let other = thrift(vec![(2, V::Int(0)), (3, V::Struct(thrift(vec![(4, V::Int(77))])))]);
    file.chunks.splice(0..0, [other.clone(), other.clone(), other]);
    assert_eq!(read(&file.bytes()).unwrap(), expected());
    // A column within a group is not the one at the top.
    let mut file = File::new(&candles()[..5]);
    file.schema[0] = group("root", 6);
    file.schema.extend([group("nested", 1), leaf("volume", 5, 1)]);
    assert!(read(&file.bytes()).unwrap_err().ends_with("in column `volume`"));
}

#[test]
fn a_row_group_without_rows_may_be_anywhere() {
    let nowhere = |size| {
        let metadata = [(4, V::Int(0)), (5, V::Int(0)), (6, V::Int(size)), (7, V::Int(size)), (9, V::Int(0))];
        thrift(vec![(2, V::Int(0)), (3, V::Struct(thrift(metadata.into())))])
    };
    for size in [0, 21, i64::MAX] {
        let file = File { rows: 0, file_rows: 0, chunks: vec![nowhere(size); 6], ..File::new(&candles()) };
        assert_eq!(read(&file.bytes()).unwrap(), []);
        let file = File { chunks: vec![nowhere(size); 6], ..File::new(&candles()) };
        assert!(read(&file.bytes()).unwrap_err().ends_with("in row group 0 in column `start_ms`"));
    }
}

#[test]
fn schemas_that_contradict_themselves_are_refused() {
    let broken = |change: fn(&mut File)| {
        let mut file = File::new(&candles());
        change(&mut file);
        read(&file.bytes()).unwrap_err()
    };
    assert!(broken(|f| f.schema[0] = group("root", 7)).contains("the schema ends too early"));
    assert!(broken(|f| f.schema[0] = group("root", 5)).contains("outside its root"));
    assert!(broken(|f| f.schema.clear()).contains("the schema has 0 elements"));
    assert!(broken(|f| f.chunks.truncate(5)).contains("row group 0 has 5 columns, the schema 6"));
    // As deep as it is long: what recurses over this ends the process.
    let text = broken(|f| {
        f.schema[0] = group("root", 7);
        f.schema.extend((0..60_000).map(|_| group("g", 1)));
        f.schema.push(leaf("x", 5, 1));
    });
    assert!(text.contains("row group 0 has 6 columns, the schema 7"), "{text}");
    let text = broken(|f| f.schema.extend((0..70_000).map(|_| leaf("x", 5, 1))));
    assert!(text.contains("the schema has 70007 elements"), "{text}");
}

#[test]
fn long_names_are_cut_in_texts() {
    let mut file = File::new(&candles());
    file.schema[5] = leaf(&"x".repeat(1000), 5, 0);
    let text = read(&file.bytes()).unwrap_err();
    assert!(text.contains(&"x".repeat(64)) && !text.contains(&"x".repeat(65)), "{text}");
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let whole = File::new(&candles()).bytes();
    for length in 0..whole.len() {
        assert!(read(&whole[..length]).is_err(), "{length} of {}", whole.len());
    }
    let error = decode_all(&whole[..20], &Terms::default()).unwrap_err();
    let outside = error.at(std::path::Path::new("x.parquet")).to_string();
    assert_eq!(outside, "x.parquet is corrupt: the file does not end in PAR1: cut short, or not Parquet");
}

#[test]
fn integer_annotations_are_understood_in_both_forms() {
    // Logical type INTEGER(32, unsigned) on `close`, as int32.
    let annotated = |annotation: (u8, V)| {
        let ints: Vec<u8> = [1u32, u32::MAX, 3, 4].into_iter().flat_map(u32::to_le_bytes).collect();
        let mut columns = with_close(vec![Page::data(4, 0, ints)]);
        columns[4].physical = 1;
        let mut file = File::new(&columns);
        file.schema[5] =
            thrift(vec![(1, V::Int(1)), (3, V::Int(0)), (4, V::Bytes(b"close".to_vec())), annotation]);
        read(&file.bytes()).map(|rows| f64::from_bits(rows[1].prices[3]))
    };
    let logical = |signed| {
        (10, V::Struct(thrift(vec![(10, V::Struct(thrift(vec![(1, V::Byte(32)), (2, V::Flag(signed))])))])))
    };
    assert_eq!(annotated(logical(false)), Ok(4_294_967_295.0));
    assert_eq!(annotated(logical(true)), Ok(-1.0));
    assert_eq!(annotated((6, V::Int(13))), Ok(4_294_967_295.0));
    assert_eq!(annotated((6, V::Int(17))), Ok(-1.0));
    assert!(annotated((6, V::Int(5))).unwrap_err().contains("its type is decimal (stored as int32)"));
    assert!(annotated((6, V::Int(6))).unwrap_err().contains("its type is date"));
}
