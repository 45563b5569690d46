//! One column of one row group: from pages to values, across the pages' borders.

use std::io::{Read, Seek};
use std::ops::Range;

use super::codec::{Codec, Decompressor};
use super::error::{Fault, corrupt, unsupported};
use super::pages::{Content, Header, Layout, PageRules, PageStream, Part, RawBuffer};
use super::plan::{ChunkPlan, ColumnPlan, most_page_bytes};
use super::rle::{BLOCK, Block, Hybrid, Span};
use super::values::{Encoding, Kind, Source, Values, scatter};

/// Buffers of use for any column.
#[derive(Debug)]
pub(super) struct Buffers {
    raw: RawBuffer,
    page: Vec<u8>,
    decompressor: Decompressor,
    block: Box<Block>,
}

impl Default for Buffers {
    fn default() -> Self {
        Buffers {
            raw: RawBuffer::default(),
            page: Vec::new(),
            decompressor: Decompressor::default(),
            block: Box::new([0; BLOCK]),
        }
    }
}

#[cfg(test)]
impl Buffers {
    pub(super) fn bytes(&self) -> usize {
        self.raw.bytes().len() + self.page.capacity() + size_of_val(&*self.block)
    }
}

/// A column of a row group, as it is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored<'a> {
    pub(super) column: &'a ColumnPlan,
    pub(super) chunk: &'a ChunkPlan,
    pub(super) rows: usize,
    pub(super) rules: PageRules,
}

/// A position in a column of a row group.
pub(super) struct ColumnReader<'a, R, K: Kind> {
    stream: PageStream<'a, R>,
    codec: Codec,
    nullable: bool,
    kind: K,
    /// Rows of the row group that no page has been opened for.
    unread: usize,
    page: Option<Page>,
    /// Decompressed body of the page at hand.
    decompressed: &'a mut Vec<u8>,
    decompressor: &'a mut Decompressor,
    block: &'a mut Block,
    dictionary: &'a mut Vec<K::Out>,
    has_dictionary: bool,
    had_data: bool,
}

/// The page at hand.
struct Page {
    /// Rows to come.
    left: usize,
    /// Which values are there; `None` if all are.
    levels: Option<(Hybrid, Part)>,
    values: Values,
    part: Part,
}

impl<'a, R: Read + Seek, K: Kind> ColumnReader<'a, R, K> {
    pub(super) fn open(
        reader: &'a mut R,
        Stored { column, chunk, rows, rules }: Stored<'_>,
        kind: K,
        buffers: &'a mut Buffers,
        dictionary: &'a mut Vec<K::Out>,
    ) -> Result<Self, Fault> {
        let Buffers { raw, page, decompressor, block } = buffers;
        dictionary.clear();
        Ok(ColumnReader {
            stream: PageStream::new(reader, raw, chunk.offset, chunk.compressed, rules)?,
            codec: chunk.codec,
            nullable: column.nullable,
            kind,
            unread: rows,
            page: None,
            decompressed: page,
            decompressor,
            block,
            dictionary,
            has_dictionary: false,
            had_data: false,
        })
    }

    /// Passes over `n` rows; pages that lie wholly within them are not decompressed.
    pub(super) fn skip(&mut self, mut n: usize) -> Result<(), Fault> {
        while n > 0 {
            let passed = match &mut self.page {
                Some(page) if page.left > 0 => page.left.min(n),
                _ => {
                    n -= self.next_page(n)?;
                    continue;
                }
            };
            self.pass(passed)?;
            n -= passed;
        }
        Ok(())
    }

    /// Appends the next `n` rows to `out`. A null is stored as `null`, and `on_null` is told at which row, from 0.
    pub(super) fn read(
        &mut self,
        n: usize,
        null: K::Out,
        out: &mut Vec<K::Out>,
        mut on_null: impl FnMut(Range<usize>),
    ) -> Result<(), Fault> {
        let before = out.len();
        let end = before + n;
        out.reserve(n);
        while out.len() < end {
            match &self.page {
                Some(page) if page.left > 0 => {
                    let now = page.left.min(end - out.len());
                    self.read_page(now, null, out, &mut |rows| {
                        on_null(rows.start - before..rows.end - before)
                    })?;
                }
                _ => {
                    self.next_page(0)?;
                }
            }
        }
        Ok(())
    }

    /// Reads `n` rows of the page at hand, which has them.
    fn read_page(
        &mut self,
        n: usize,
        null: K::Out,
        out: &mut Vec<K::Out>,
        on_null: &mut dyn FnMut(Range<usize>),
    ) -> Result<(), Fault> {
        let Some(Page { left, levels, values, part }) = &mut self.page else { return Ok(()) };
        let source =
            Source { bytes: part.of(self.stream.raw, self.decompressed), dictionary: self.dictionary };
        *left -= n;
        let Some((levels, level_part)) = levels else {
            return self.kind.take(values, source, n, out, self.block);
        };
        let level_bytes = level_part.of(self.stream.raw, self.decompressed);
        let mut rest = n;
        // The block serves the values while it holds the levels.
        let mut present = [0; BLOCK];
        while rest > 0 {
            rest -= match levels.span(level_bytes, rest, &mut present)? {
                Span::Repeat(1, n) => {
                    self.kind.take(values, source, n, out, self.block)?;
                    n
                }
                Span::Repeat(_, n) => {
                    on_null(out.len()..out.len() + n);
                    out.extend(std::iter::repeat_n(null, n));
                    n
                }
                Span::Packed(n) => {
                    scatter(&present[..n], null, out, on_null, |count, out| {
                        self.kind.take(values, source, count, out, self.block)
                    })?;
                    n
                }
            };
        }
        Ok(())
    }

    /// Passes over `n` rows of the page at hand, which has them.
    fn pass(&mut self, n: usize) -> Result<(), Fault> {
        let Some(Page { left, levels, values, part }) = &mut self.page else { return Ok(()) };
        *left -= n;
        let present = match levels {
            None => n,
            Some((levels, part)) => {
                let bytes = part.of(self.stream.raw, self.decompressed);
                let (mut rest, mut present) = (n, 0);
                while rest > 0 {
                    rest -= match levels.span(bytes, rest, self.block)? {
                        Span::Repeat(level, n) => {
                            present += if level == 1 { n } else { 0 };
                            n
                        }
                        Span::Packed(n) => {
                            present += self.block[..n].iter().sum::<u32>() as usize;
                            n
                        }
                    };
                }
                present
            }
        };
        let bytes = part.of(self.stream.raw, self.decompressed);
        values.skip::<K>(bytes, present)
    }

    /// Opens the next data page, or, if it has no more than `skip` rows, steps over it and returns how many.
    fn next_page(&mut self, skip: usize) -> Result<usize, Fault> {
        self.page = None;
        let header = self.stream.header(skip == 0)?;
        match header.content {
            Content::Other => self.stream.step_over(&header)?,
            Content::Dictionary { values, encoding } => self.load_dictionary(&header, values, encoding)?,
            Content::Data { values, .. } if values > self.unread => {
                let Self { unread, .. } = self;
                return Err(corrupt(format_args!(
                    "a page is said to have {values} values, expected {unread} at most"
                )));
            }
            Content::Data { values, .. } if values <= skip => {
                self.stream.step_over(&header)?;
                self.had_data = true;
                self.unread -= values;
                return Ok(values);
            }
            Content::Data { values, encoding, layout } => {
                self.had_data = true;
                self.unread -= values;
                self.page = Some(self.open_page(&header, values, encoding, layout)?);
            }
        }
        Ok(0)
    }

    fn open_page(
        &mut self,
        header: &Header,
        values: usize,
        encoding: i64,
        layout: Layout,
    ) -> Result<Page, Fault> {
        // No encoding of these types takes more: keeps a small page from claiming a large buffer.
        let most = 16 * values + (64 << 10);
        if header.uncompressed > most {
            return Err(corrupt(format_args!(
                "a page of {values} values is said to have {} bytes, expected {most} at most",
                header.uncompressed
            )));
        }
        let encoding = Encoding::new(encoding)?;
        let body = self.body(header, values)?;
        let body = Part { decompressed: false, range: body };
        let (levels, part) = match layout {
            Layout::Apart { levels, skipped, compressed } => {
                let cut = || corrupt("the levels of a page are cut short");
                let (_, rest) = body.split(skipped).ok_or_else(cut)?;
                let (levels, rest) = rest.split(levels).ok_or_else(cut)?;
                let codec = if compressed { self.codec } else { Codec::None };
                let length = header.uncompressed - skipped - levels.range.len();
                (self.nullable.then_some(levels), self.inflate(codec, rest, length)?)
            }
            Layout::Together { level_encoding } => {
                let all = self.inflate(self.codec, body, header.uncompressed)?;
                match self.nullable {
                    false => (None, all),
                    true => {
                        if level_encoding != 3 {
                            return Err(unsupported(
                                "definition levels in encoding BIT_PACKED are not supported",
                            ));
                        }
                        let bytes = all.of(self.stream.raw, self.decompressed);
                        let length = bytes.first_chunk().map(|b| u32::from_le_bytes(*b) as usize);
                        let split = all.split(4).and_then(|(_, rest)| rest.split(length?));
                        let (levels, part) =
                            split.ok_or_else(|| corrupt("the levels of a page are cut short"))?;
                        (Some(levels), part)
                    }
                }
            }
        };
        let levels = match levels {
            None => None,
            Some(part) => {
                let mut levels = Hybrid::new(1, 0)?;
                let bytes = part.of(self.stream.raw, self.decompressed);
                match values == 0 || levels.is_run_of(bytes, 1, values)? {
                    true => None,
                    false => Some((levels, part)),
                }
            }
        };
        let bytes = part.of(self.stream.raw, self.decompressed);
        let at = Values::open(&self.kind, encoding, bytes, self.has_dictionary)?;
        Ok(Page { left: values, levels, values: at, part })
    }

    fn load_dictionary(&mut self, header: &Header, values: usize, encoding: i64) -> Result<(), Fault> {
        if self.has_dictionary || self.had_data {
            return Err(corrupt("a dictionary follows other pages, expected it first and once"));
        }
        if !matches!(Encoding::new(encoding)?, Encoding::Plain | Encoding::Dictionary) {
            return Err(unsupported("the encoding of the dictionary is not supported, expected PLAIN"));
        }
        // Writers that were given a dictionary may store values that no row has, but hardly this many.
        let most = self.unread + (64 << 10);
        if values > most || header.uncompressed > 8 * most {
            return Err(corrupt(format_args!(
                "a dictionary is said to have {values} values in {} bytes for {} rows",
                header.uncompressed, self.unread
            )));
        }
        let body = self.body(header, values)?;
        let part =
            self.inflate(self.codec, Part { decompressed: false, range: body }, header.uncompressed)?;
        let bytes = part.of(self.stream.raw, self.decompressed);
        self.kind.dictionary(bytes, values, self.dictionary)?;
        self.has_dictionary = true;
        Ok(())
    }

    /// Reads a page's body, if its size can be right.
    fn body(&mut self, header: &Header, values: usize) -> Result<Range<usize>, Fault> {
        let (bytes, most) = (header.compressed, most_page_bytes(values));
        if bytes > most {
            return Err(corrupt(format_args!(
                "a page of {values} values is said to take {bytes} bytes, expected {most} at most"
            )));
        }
        self.stream.body(header)
    }

    /// Decompresses bytes as read to `length` bytes, if they are compressed.
    fn inflate(&mut self, codec: Codec, part: Part, length: usize) -> Result<Part, Fault> {
        let input = part.of(self.stream.raw, &[]);
        if codec == Codec::None {
            return match input.len() == length {
                true => Ok(part),
                false => {
                    Err(corrupt(format_args!("a page has {} bytes, its header says {length}", input.len())))
                }
            };
        }
        let most = input.len().saturating_mul(codec.most_from_a_byte());
        if length > most {
            let size = input.len();
            return Err(corrupt(format_args!(
                "a page of {size} bytes ({codec}) is said to decompress to {length}, expected {most} at most"
            )));
        }
        if self.decompressed.len() < length {
            self.decompressed.resize(length, 0);
        }
        // Some writers leave out the empty frame of no values.
        if length > 0 {
            self.decompressor.decompress(codec, input, &mut self.decompressed[..length])?;
        }
        Ok(Part { decompressed: true, range: 0..length })
    }
}
