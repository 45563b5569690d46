//! The pages of a column chunk: headers read, bodies handed out or stepped over.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::thread;

use super::error::{Fault, corrupt, unsupported};
use super::thrift::{Cursor, Wire};

/// How much is read at a time.
pub(super) const READ_BLOCK: usize = 512 << 10;

/// How much is read for a page's header when its body may be stepped over. Longest header that is accepted.
const HEADER_BLOCK: usize = 16 << 10;

/// What any page must be like.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageRules {
    /// Most bytes, compressed or not.
    pub(super) most_bytes: usize,
    /// It must have a checksum.
    pub(super) checksums: bool,
}

/// A page's header.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) content: Content,
    /// Bytes of the body as stored, and once decompressed.
    pub(super) compressed: usize,
    pub(super) uncompressed: usize,
    pub(super) crc: Option<u32>,
}

/// What a page holds.
#[derive(Debug)]
pub(super) enum Content {
    Dictionary {
        values: usize,
        encoding: i64,
    },
    Data {
        values: usize,
        encoding: i64,
        layout: Layout,
    },
    /// Something else, to be stepped over.
    Other,
}

/// How the body of a data page is laid out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Layout {
    /// Version 1: levels with their length before them and values, compressed together.
    Together { level_encoding: i64 },
    /// Version 2: levels first, never compressed; then values.
    Apart { levels: usize, skipped: usize, compressed: bool },
}

/// Bytes read from a file, used again for each column.
#[derive(Debug, Default)]
pub(super) struct RawBuffer {
    bytes: Vec<u8>,
    /// The part of `bytes` that was read and not yet passed.
    from: usize,
    to: usize,
}

impl RawBuffer {
    /// All bytes; ranges that [`PageStream::body`] returned are good until the next header is asked for.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads the pages of one column chunk in order.
#[derive(Debug)]
pub(super) struct PageStream<'a, R> {
    reader: &'a mut R,
    pub(super) raw: &'a mut RawBuffer,
    /// Where in the file `raw` ends and the chunk ends.
    at: u64,
    end: u64,
    rules: PageRules,
}

impl<'a, R: Read + Seek> PageStream<'a, R> {
    pub(super) fn new(
        reader: &'a mut R,
        raw: &'a mut RawBuffer,
        from: u64,
        length: u64,
        rules: PageRules,
    ) -> Result<Self, Fault> {
        reader.seek(SeekFrom::Start(from))?;
        (raw.from, raw.to) = (0, 0);
        Ok(PageStream { reader, raw, at: from, end: from + length, rules })
    }

    /// The next page's header. `whole`: its body will be asked for.
    pub(super) fn header(&mut self, whole: bool) -> Result<Header, Fault> {
        // Where all cores are busy, the event loop gets its turn here and not milliseconds later.
        thread::yield_now();
        self.fill(HEADER_BLOCK, if whole { READ_BLOCK } else { HEADER_BLOCK })?;
        let bytes = &self.raw.bytes[self.raw.from..self.raw.to];
        if bytes.is_empty() {
            return Err(corrupt("the column chunk ends before its rows do"));
        }
        let mut cursor = Cursor::new(bytes);
        let header = header(&mut cursor, self.rules.most_bytes)?;
        self.raw.from += bytes.len() - cursor.remaining();
        let rest = (self.raw.to - self.raw.from) as u64 + (self.end - self.at);
        if header.compressed as u64 > rest {
            let Header { compressed, .. } = header;
            return Err(corrupt(format_args!(
                "a page is said to have {compressed} bytes, the chunk has {rest} left"
            )));
        }
        Ok(header)
    }

    /// Reads a page's body. Returns where it is in the buffer.
    pub(super) fn body(&mut self, header: &Header) -> Result<std::ops::Range<usize>, Fault> {
        self.fill(header.compressed, READ_BLOCK)?;
        let body = self.raw.from..self.raw.from + header.compressed;
        let stored = self.raw.bytes.get(body.clone()).filter(|_| body.end <= self.raw.to);
        let stored = stored.ok_or_else(|| corrupt("a page is cut short"))?;
        if let Some(stated) = header.crc {
            let mut crc = flate2::Crc::new();
            crc.update(stored);
            if crc.sum() != stated {
                return Err(corrupt(format_args!(
                    "the checksum of a page is {:08x}, its header says {stated:08x}",
                    crc.sum()
                )));
            }
        } else if self.rules.checksums {
            return Err(unsupported("a page has no checksum, expected one"));
        }
        self.raw.from = body.end;
        Ok(body)
    }

    /// Steps over a page's body, without reading what has not been read.
    pub(super) fn step_over(&mut self, header: &Header) -> Result<(), Fault> {
        let beyond = header.compressed.saturating_sub(self.raw.to - self.raw.from);
        if beyond > 0 {
            self.at += beyond as u64;
            self.reader.seek(SeekFrom::Start(self.at))?;
            (self.raw.from, self.raw.to) = (0, 0);
        } else {
            self.raw.from += header.compressed;
        }
        Ok(())
    }

    /// Makes `want` bytes available, or all that the chunk still has; reads `block` bytes at least if any.
    fn fill(&mut self, want: usize, block: usize) -> Result<(), Fault> {
        let raw = &mut *self.raw;
        let here = raw.to - raw.from;
        if here >= want || self.at == self.end {
            return Ok(());
        }
        raw.bytes.copy_within(raw.from..raw.to, 0);
        (raw.from, raw.to) = (0, here);
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let more = (want - here).max(block).min(left);
        if raw.bytes.len() < here + more {
            raw.bytes.resize(here + more, 0);
        }
        self.reader.read_exact(&mut raw.bytes[here..here + more])?;
        raw.to += more;
        self.at += more as u64;
        Ok(())
    }
}

/// A header, of a page of at most `most` bytes.
fn header(c: &mut Cursor<'_>, most: usize) -> Result<Header, Fault> {
    let (mut kind, mut compressed, mut uncompressed, mut crc) = (-1, None, None, None);
    let (mut v1, mut v2, mut dictionary) = (None, None, None);
    c.fields(|c, id, wire| {
        match (id, wire) {
            (1, Wire::Int) => kind = c.int()?,
            (2, Wire::Int) => uncompressed = Some(page_size(c, most)?),
            (3, Wire::Int) => compressed = Some(page_size(c, most)?),
            (4, Wire::Int) => crc = Some(c.int()? as u32),
            (5, Wire::Struct) => v1 = Some(data_v1(c)?),
            (7, Wire::Struct) => dictionary = Some(dictionary_page(c)?),
            (8, Wire::Struct) => v2 = Some(data_v2(c, most)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let (Some(compressed), Some(uncompressed)) = (compressed, uncompressed) else {
        return Err(corrupt("a page's header lacks its size"));
    };
    let content = match kind {
        0 => v1,
        2 => dictionary,
        3 => v2,
        1 => Some(Content::Other),
        _ => return Err(corrupt(format_args!("a page's header gives {kind} for its kind"))),
    };
    let content = content.ok_or_else(|| corrupt("a page's header lacks the part for its kind"))?;
    match content {
        Content::Data { layout: Layout::Apart { levels, skipped, .. }, .. }
            if levels + skipped > compressed.min(uncompressed) =>
        {
            Err(corrupt("the levels of a page are said to be longer than the page"))
        }
        content => Ok(Header { content, compressed, uncompressed, crc }),
    }
}

fn data_v1(c: &mut Cursor<'_>) -> Result<Content, Fault> {
    let (mut values, mut encoding, mut level_encoding) = (None, -1, -1);
    c.fields(|c, id, wire| {
        match (id, wire) {
            (1, Wire::Int) => values = Some(count(c)?),
            (2, Wire::Int) => encoding = c.int()?,
            (3, Wire::Int) => level_encoding = c.int()?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let values = values.ok_or_else(|| corrupt("a page's header lacks its number of values"))?;
    Ok(Content::Data { values, encoding, layout: Layout::Together { level_encoding } })
}

fn data_v2(c: &mut Cursor<'_>, most: usize) -> Result<Content, Fault> {
    let (mut values, mut rows, mut encoding) = (None, None, -1);
    let (mut levels, mut skipped, mut compressed) = (0, 0, true);
    c.fields(|c, id, wire| {
        match (id, wire) {
            (1, Wire::Int) => values = Some(count(c)?),
            (3, Wire::Int) => rows = Some(count(c)?),
            (4, Wire::Int) => encoding = c.int()?,
            (5, Wire::Int) => levels = page_size(c, most)?,
            (6, Wire::Int) => skipped = page_size(c, most)?,
            (7, Wire::True | Wire::False) => compressed = wire == Wire::True,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    match values {
        Some(values) if rows.is_none_or(|rows| rows == values) => {
            Ok(Content::Data { values, encoding, layout: Layout::Apart { levels, skipped, compressed } })
        }
        Some(values) => Err(corrupt(format_args!("a page has {values} values in another number of rows"))),
        None => Err(corrupt("a page's header lacks its number of values")),
    }
}

fn dictionary_page(c: &mut Cursor<'_>) -> Result<Content, Fault> {
    let (mut values, mut encoding) = (None, -1);
    c.fields(|c, id, wire| {
        match (id, wire) {
            (1, Wire::Int) => values = Some(count(c)?),
            (2, Wire::Int) => encoding = c.int()?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let values = values.ok_or_else(|| corrupt("a dictionary's header lacks its number of values"))?;
    Ok(Content::Dictionary { values, encoding })
}

/// A size of a page or a part of one, within the limit.
fn page_size(c: &mut Cursor<'_>, most: usize) -> Result<usize, Fault> {
    let size = c.int()?;
    match usize::try_from(size) {
        Ok(size) if size <= most => Ok(size),
        _ => Err(corrupt(format_args!("a page is said to have {size} bytes, expected 0 to {most}"))),
    }
}

/// A number of values, which the format holds in 32 bits.
fn count(c: &mut Cursor<'_>) -> Result<usize, Fault> {
    let count = c.int()?;
    u32::try_from(count)
        .map(|count| count as usize)
        .map_err(|_| corrupt(format_args!("a page is said to have {count} values")))
}

/// Bytes in one of the buffers.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// In the buffer of decompressed bytes, else in that of bytes as read.
    pub(super) decompressed: bool,
    pub(super) range: Range<usize>,
}

impl Part {
    pub(super) fn of<'b>(&self, raw: &'b RawBuffer, decompressed: &'b [u8]) -> &'b [u8] {
        let buffer = if self.decompressed { decompressed } else { raw.bytes() };
        &buffer[self.range.clone()]
    }

    /// The part without its first `n` bytes, and those.
    pub(super) fn split(&self, n: usize) -> Option<(Part, Part)> {
        let at = self.range.start.checked_add(n).filter(|&at| at <= self.range.end)?;
        let part = |range| Part { decompressed: self.decompressed, range };
        Some((part(self.range.start..at), part(at..self.range.end)))
    }
}
