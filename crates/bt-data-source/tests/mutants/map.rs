//! Where what is in a file.

use std::ops::Range;

use parquet::file::metadata::ParquetMetaDataReader;

/// Places in a file that are worth changing. None is empty.
pub(crate) struct Map {
    /// With its length and the magic bytes.
    pub(crate) footer: Range<usize>,
    /// The headers of all pages.
    pub(crate) headers: Vec<Range<usize>>,
    /// The first bytes of all data pages, where levels are, as they are or compressed.
    pub(crate) levels: Vec<Range<usize>>,
    /// The bodies of all dictionaries; the data pages, if there are none.
    pub(crate) dictionaries: Vec<Range<usize>>,
}

impl Map {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let length = u32::from_le_bytes(bytes[bytes.len() - 8..].first_chunk().copied().unwrap()) as usize;
        let footer = bytes.len() - 8 - length..bytes.len();
        let mut map = Map { footer, headers: vec![], levels: vec![], dictionaries: vec![] };
        let metadata =
            ParquetMetaDataReader::decode_metadata(&bytes[map.footer.start..bytes.len() - 8]).unwrap();
        let mut data = Vec::new();
        for column in metadata.row_groups().iter().flat_map(|group| group.columns()) {
            let (from, size) = column.byte_range();
            let (mut at, end) = (from as usize, (from + size) as usize);
            while at < end {
                let mut header = Header { bytes, at, kind: 0, size: 0 };
                header.read();
                let body = header.at..header.at + header.size;
                map.headers.push(at..header.at);
                at = body.end;
                match header.kind {
                    2 => map.dictionaries.push(body),
                    _ if !body.is_empty() => data.push(body),
                    _ => {}
                }
            }
        }
        map.levels.extend(data.iter().map(|body| body.start..body.end.min(body.start + 12)));
        if map.dictionaries.is_empty() {
            map.dictionaries = data;
        }
        map
    }
}

/// A sound page header in Thrift's compact protocol, read for the page's kind and its size as stored.
struct Header<'a> {
    bytes: &'a [u8],
    at: usize,
    kind: i64,
    size: usize,
}

impl Header<'_> {
    fn read(&mut self) {
        let mut id = 0;
        while let Some(wire) = self.field(&mut id) {
            match (id, wire) {
                (1, 5) => self.kind = self.int(),
                (3, 5) => self.size = self.int() as usize,
                _ => self.skip(wire),
            }
        }
    }

    fn field(&mut self, id: &mut i64) -> Option<u8> {
        let head = self.byte();
        match head >> 4 {
            _ if head == 0 => return None,
            0 => *id = self.int(),
            delta => *id += i64::from(delta),
        }
        Some(head & 15)
    }

    fn skip(&mut self, wire: u8) {
        match wire {
            1 | 2 => {}
            3 => self.at += 1,
            4..=6 => _ = self.int(),
            7 => self.at += 8,
            8 => self.at += self.varint() as usize,
            12 => {
                let mut id = 0;
                while let Some(wire) = self.field(&mut id) {
                    self.skip(wire);
                }
            }
            other => panic!("wire type {other} in a page header"),
        }
    }

    fn int(&mut self) -> i64 {
        let zigzag = self.varint();
        (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64)
    }

    fn varint(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    fn byte(&mut self) -> u8 {
        self.at += 1;
        self.bytes[self.at - 1]
    }
}
