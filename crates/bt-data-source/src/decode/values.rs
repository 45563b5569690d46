//! The values of a page, in each of the encodings.

use std::ops::Range;

use super::delta::Delta;
use super::error::{Fault, corrupt, unsupported};
use super::rle::{Block, Hybrid, Span, ends};

/// A physical type.
pub(super) trait Physical: Copy {
    const SIZE: usize;

    /// From `SIZE` bytes, little-endian.
    fn from_le(bytes: &[u8]) -> Self;

    /// From a delta-encoded value; `None` for types that are not integers.
    fn from_delta(value: i64) -> Option<Self>;
}

macro_rules! physical {
    ($($type:ty: $delta:expr;)*) => {$(
        impl Physical for $type {
            const SIZE: usize = size_of::<$type>();

            #[inline(always)]
            fn from_le(bytes: &[u8]) -> Self {
                bytes.first_chunk().map_or(0 as $type, |b| <$type>::from_le_bytes(*b))
            }

            #[inline(always)]
            fn from_delta(value: i64) -> Option<Self> {
                let convert: fn(i64) -> Option<$type> = $delta;
                convert(value)
            }
        }
    )*};
}

physical! {
    // The format computes modulo the width of the type.
    i32: |v| Some(v as i32);
    i64: Some;
    f32: |_| None;
    f64: |_| None;
}

/// What a column's values become.
pub(super) trait Kind {
    type Out: Copy;

    /// Bytes of a value in encoding PLAIN, where they are whole bytes.
    const WIDTH: usize;

    /// Whether a page may have this encoding, apart from dictionaries.
    fn open(&self, encoding: Encoding, bytes: &[u8]) -> Option<Result<Values, Fault>>;

    /// Reads a dictionary of `n` values.
    fn dictionary(&self, bytes: &[u8], n: usize, out: &mut Vec<Self::Out>) -> Result<(), Fault>;

    /// Appends the next `n` values.
    fn take(
        &self,
        values: &mut Values,
        source: Source<'_, Self::Out>,
        n: usize,
        out: &mut Vec<Self::Out>,
        block: &mut Block,
    ) -> Result<(), Fault>;
}

/// What values are taken from: the bytes of the page, and the dictionary of the chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a, O> {
    pub(super) bytes: &'a [u8],
    pub(super) dictionary: &'a [O],
}

/// The encodings that the format has, by its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    Dictionary,
    Rle,
    DeltaBinaryPacked,
    ByteStreamSplit,
    Other(&'static str),
}

impl Encoding {
    pub(super) fn new(code: i64) -> Result<Self, Fault> {
        Ok(match code {
            0 => Encoding::Plain,
            2 | 8 => Encoding::Dictionary,
            3 => Encoding::Rle,
            4 => Encoding::Other("BIT_PACKED"),
            5 => Encoding::DeltaBinaryPacked,
            6 => Encoding::Other("DELTA_LENGTH_BYTE_ARRAY"),
            7 => Encoding::Other("DELTA_BYTE_ARRAY"),
            9 => Encoding::ByteStreamSplit,
            _ => return Err(corrupt(format_args!("unknown encoding {code}"))),
        })
    }

    fn name(self) -> &'static str {
        match self {
            Encoding::Plain => "PLAIN",
            Encoding::Dictionary => "RLE_DICTIONARY",
            Encoding::Rle => "RLE",
            Encoding::DeltaBinaryPacked => "DELTA_BINARY_PACKED",
            Encoding::ByteStreamSplit => "BYTE_STREAM_SPLIT",
            Encoding::Other(name) => name,
        }
    }
}

/// A position in the values of a page.
#[derive(Clone, Debug)]
pub(super) enum Values {
    /// At a byte.
    Plain(usize),
    /// At a bit: booleans.
    Bits(usize),
    /// Booleans in runs.
    Flags(Hybrid),
    /// Indices into the dictionary.
    Dictionary(Hybrid),
    Delta(Delta),
    /// At a value, of so many.
    Split(usize, usize),
}

impl Values {
    /// At the first of a page's values.
    pub(super) fn open<K: Kind>(
        kind: &K,
        encoding: Encoding,
        bytes: &[u8],
        has_dictionary: bool,
    ) -> Result<Self, Fault> {
        if encoding == Encoding::Dictionary {
            if !has_dictionary {
                return Err(corrupt("a page refers to a dictionary, but there was none before it"));
            }
            return match bytes.first() {
                Some(&width) => Hybrid::new(width, 1).map(Values::Dictionary),
                // Nothing but nulls.
                None => Hybrid::new(0, 0).map(Values::Dictionary),
            };
        }
        kind.open(encoding, bytes).unwrap_or_else(|| {
            Err(unsupported(format_args!("encoding {} is not supported for its type", encoding.name())))
        })
    }
}

impl Values {
    /// Passes over `n` values.
    pub(super) fn skip<K: Kind>(&mut self, bytes: &[u8], n: usize) -> Result<(), Fault> {
        match self {
            Values::Plain(at) => {
                *at = n.checked_mul(K::WIDTH).and_then(|n| at.checked_add(n)).ok_or_else(ends)?
            }
            Values::Bits(at) | Values::Split(at, _) => *at = at.checked_add(n).ok_or_else(ends)?,
            Values::Flags(runs) | Values::Dictionary(runs) => runs.skip(bytes, n)?,
            Values::Delta(delta) => delta.take(bytes, n, |_| ())?,
        }
        Ok(())
    }
}

/// Numbers: stored as `P`, wanted as what `convert` makes of them.
pub(super) struct Numbers<P, F> {
    convert: F,
    physical: std::marker::PhantomData<P>,
}

impl<P, F> Numbers<P, F> {
    pub(super) fn new<O>(convert: F) -> Self
    where
        F: Fn(P) -> O,
    {
        Numbers { convert, physical: std::marker::PhantomData }
    }
}

impl<P: Physical, O: Copy, F: Fn(P) -> O> Kind for Numbers<P, F> {
    type Out = O;
    const WIDTH: usize = P::SIZE;

    fn open(&self, encoding: Encoding, bytes: &[u8]) -> Option<Result<Values, Fault>> {
        match encoding {
            Encoding::Plain => Some(Ok(Values::Plain(0))),
            Encoding::DeltaBinaryPacked if P::from_delta(0).is_some() => {
                // Nothing but nulls may have no bytes at all.
                let header: &[u8] = if bytes.is_empty() { &[128, 1, 4, 0, 0] } else { bytes };
                Some(Delta::new(header).map(Values::Delta))
            }
            Encoding::ByteStreamSplit if bytes.len().is_multiple_of(P::SIZE) => {
                Some(Ok(Values::Split(0, bytes.len() / P::SIZE)))
            }
            Encoding::ByteStreamSplit => Some(Err(ends())),
            _ => None,
        }
    }

    fn dictionary(&self, bytes: &[u8], n: usize, out: &mut Vec<O>) -> Result<(), Fault> {
        out.clear();
        if n.checked_mul(P::SIZE) != Some(bytes.len()) {
            let size = bytes.len();
            return Err(corrupt(format_args!("a dictionary of {n} values has {size} bytes")));
        }
        out.extend(bytes.chunks_exact(P::SIZE).map(|b| (self.convert)(P::from_le(b))));
        Ok(())
    }

    fn take(
        &self,
        values: &mut Values,
        source: Source<'_, O>,
        mut n: usize,
        out: &mut Vec<O>,
        block: &mut Block,
    ) -> Result<(), Fault> {
        let Source { bytes, dictionary } = source;
        match values {
            Values::Plain(at) => {
                let taken =
                    bytes.get(*at..).and_then(|b| b.get(..n.checked_mul(P::SIZE)?)).ok_or_else(ends)?;
                *at += taken.len();
                out.extend(taken.chunks_exact(P::SIZE).map(|b| (self.convert)(P::from_le(b))));
            }
            Values::Dictionary(indices) => {
                while n > 0 {
                    let missing = |index: u32| {
                        let size = dictionary.len();
                        corrupt(format_args!("index {index} is beyond the dictionary of {size} values"))
                    };
                    n -= match indices.span(bytes, n, block)? {
                        Span::Repeat(index, n) => {
                            let value = dictionary.get(index as usize).ok_or_else(|| missing(index))?;
                            out.extend(std::iter::repeat_n(*value, n));
                            n
                        }
                        Span::Packed(n) => {
                            let indices = &block[..n];
                            let largest = indices.iter().fold(0, |a, &b| a.max(b));
                            if largest as usize >= dictionary.len() {
                                return Err(missing(largest));
                            }
                            out.extend(indices.iter().map(|&index| dictionary[index as usize]));
                            n
                        }
                    };
                }
            }
            Values::Delta(delta) => {
                delta.take(bytes, n, |value| out.extend(P::from_delta(value).map(&self.convert)))?;
            }
            Values::Split(at, count) => {
                let (from, to) = (*at, at.checked_add(n).filter(|to| to <= count).ok_or_else(ends)?);
                *at = to;
                // One slice per byte of a value, all of the same length.
                let mut streams: [&[u8]; 8] = [&[]; 8];
                for (stream, part) in streams.iter_mut().zip(bytes.chunks_exact((*count).max(1))) {
                    *stream = &part[from..to];
                }
                let mut gathered = [0; 8];
                out.extend((0..n).map(|i| {
                    for (byte, stream) in gathered.iter_mut().zip(&streams[..P::SIZE]) {
                        *byte = stream[i];
                    }
                    (self.convert)(P::from_le(&gathered))
                }));
            }
            Values::Bits(_) | Values::Flags(_) => return Err(corrupt("numbers cannot be stored as bits")),
        }
        Ok(())
    }
}

/// Booleans.
pub(super) struct Flags;

impl Kind for Flags {
    type Out = bool;
    const WIDTH: usize = 0;

    fn open(&self, encoding: Encoding, bytes: &[u8]) -> Option<Result<Values, Fault>> {
        match encoding {
            Encoding::Plain => Some(Ok(Values::Bits(0))),
            // After the length in four bytes. A page of nulls may have none.
            Encoding::Rle if bytes.is_empty() => Some(Hybrid::new(1, 0).map(Values::Flags)),
            Encoding::Rle => Some(match bytes.first_chunk::<4>() {
                Some(length) if u32::from_le_bytes(*length) as usize <= bytes.len() - 4 => {
                    Hybrid::new(1, 4).map(Values::Flags)
                }
                _ => Err(ends()),
            }),
            _ => None,
        }
    }

    fn dictionary(&self, _: &[u8], _: usize, _: &mut Vec<bool>) -> Result<(), Fault> {
        Err(corrupt("booleans cannot have a dictionary"))
    }

    fn take(
        &self,
        values: &mut Values,
        source: Source<'_, bool>,
        mut n: usize,
        out: &mut Vec<bool>,
        block: &mut Block,
    ) -> Result<(), Fault> {
        let bytes = source.bytes;
        match values {
            Values::Bits(at) => {
                let (from, to) = (*at, *at + n);
                if to > bytes.len() * 8 {
                    return Err(ends());
                }
                *at = to;
                out.extend((from..to).map(|bit| bytes[bit / 8] >> (bit % 8) & 1 == 1));
            }
            Values::Flags(runs) => {
                while n > 0 {
                    n -= match runs.span(bytes, n, block)? {
                        Span::Repeat(flag, n) => {
                            out.extend(std::iter::repeat_n(flag == 1, n));
                            n
                        }
                        Span::Packed(n) => {
                            out.extend(block[..n].iter().map(|&flag| flag == 1));
                            n
                        }
                    };
                }
            }
            _ => return Err(corrupt("booleans cannot be stored as numbers")),
        }
        Ok(())
    }
}

/// Appends as many values as levels are 1, with `null` where they are 0. `take` appends so many values.
pub(super) fn scatter<O: Copy>(
    present: &[u32],
    null: O,
    out: &mut Vec<O>,
    on_null: &mut dyn FnMut(Range<usize>),
    mut take: impl FnMut(usize, &mut Vec<O>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let from = out.len();
    let count = present.iter().sum::<u32>() as usize;
    take(count, out)?;
    if count == present.len() {
        return Ok(());
    }
    // Backwards, so that no value is overwritten before it was moved.
    out.resize(from + present.len(), null);
    let mut next = from + count;
    for (row, &level) in present.iter().enumerate().rev() {
        if level == 1 {
            next -= 1;
            out[from + row] = out[next];
        } else {
            out[from + row] = null;
        }
    }
    let nulls = present.iter().enumerate().filter(|&(_, &level)| level == 0);
    nulls.for_each(|(row, _)| on_null(from + row..from + row + 1));
    Ok(())
}
