//! The hybrid of runs and bit-packed groups: definition levels, dictionary indices, booleans.

use super::error::{Fault, corrupt};

/// How many values are unpacked at a time.
pub(super) const BLOCK: usize = 512;

/// Room for unpacked values.
pub(super) type Block = [u32; BLOCK];

/// A position in hybrid-encoded values. It holds no bytes: each call is given the same slice.
#[derive(Clone, Debug)]
pub(super) struct Hybrid {
    width: u8,
    /// Where the next run begins.
    next: usize,
    run: Run,
}

/// The run at hand.
#[derive(Clone, Debug)]
enum Run {
    /// One value, so many times more.
    Repeat { value: u32, left: usize },
    /// Values packed from byte `from` on, those from `index` up to `end` to come.
    Packed { from: usize, index: usize, end: usize },
}

/// Values that come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// One value, so many times.
    Repeat(u32, usize),
    /// So many values, in the block.
    Packed(usize),
}

impl Hybrid {
    /// Values of `width` bits from byte `from` on.
    pub(super) fn new(width: u8, from: usize) -> Result<Self, Fault> {
        match width <= 32 {
            true => Ok(Hybrid { width, next: from, run: Run::Repeat { value: 0, left: 0 } }),
            false => Err(corrupt(format_args!("values are said to have {width} bits, expected 32 at most"))),
        }
    }

    /// Whether the next `n` values are all `value`, in one run. Takes none.
    pub(super) fn is_run_of(&mut self, bytes: &[u8], value: u32, n: usize) -> Result<bool, Fault> {
        self.settle(bytes)?;
        Ok(matches!(self.run, Run::Repeat { value: v, left } if v == value && left >= n))
    }

    /// The next values, from 1 to `most` (which must not be 0).
    pub(super) fn span(&mut self, bytes: &[u8], most: usize, block: &mut Block) -> Result<Span, Fault> {
        self.settle(bytes)?;
        match &mut self.run {
            Run::Repeat { value, left } => {
                let n = most.min(*left);
                *left -= n;
                Ok(Span::Repeat(*value, n))
            }
            Run::Packed { from, index, end } => {
                let n = most.min(*end - *index).min(BLOCK);
                unpack(&bytes[*from..], self.width, *index, &mut block[..n]);
                *index += n;
                Ok(Span::Packed(n))
            }
        }
    }

    /// Passes over `n` values without looking at them.
    pub(super) fn skip(&mut self, bytes: &[u8], mut n: usize) -> Result<(), Fault> {
        while n > 0 {
            self.settle(bytes)?;
            let passed = match &mut self.run {
                Run::Repeat { left, .. } => {
                    let passed = n.min(*left);
                    *left -= passed;
                    passed
                }
                Run::Packed { index, end, .. } => {
                    let passed = n.min(*end - *index);
                    *index += passed;
                    passed
                }
            };
            n -= passed;
        }
        Ok(())
    }

    /// Makes sure that the run at hand is not used up.
    fn settle(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        while match self.run {
            Run::Repeat { left, .. } => left == 0,
            Run::Packed { index, end, .. } => index == end,
        } {
            // Each run takes a byte at least, so this ends.
            self.next_run(bytes)?;
        }
        Ok(())
    }

    fn next_run(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let head = varint(bytes, &mut self.next)?;
        let width = usize::from(self.width);
        let from = self.next;
        let rest = bytes.len() - from;
        let length = usize::try_from(head >> 1).unwrap_or(usize::MAX);
        if head & 1 == 1 {
            // Some writers leave out the padding of the last group.
            let stored = length.saturating_mul(width).min(rest);
            let end = match width {
                0 => length.saturating_mul(8),
                _ => length.saturating_mul(8).min(stored * 8 / width),
            };
            self.next = from + stored;
            self.run = Run::Packed { from, index: 0, end };
        } else {
            let stored = width.div_ceil(8);
            let value = bytes.get(from..from + stored).ok_or_else(ends)?;
            let value = value.iter().rev().fold(0u32, |value, &byte| value << 8 | u32::from(byte));
            if width < 32 && value >> width != 0 {
                return Err(corrupt(format_args!("a run repeats {value}, which has more than {width} bits")));
            }
            self.next = from + stored;
            self.run = Run::Repeat { value, left: length };
        }
        Ok(())
    }
}

/// Unpacks the values of `width` bits from `index` on. The caller has made sure that they are there.
fn unpack(bytes: &[u8], width: u8, index: usize, out: &mut [u32]) {
    macro_rules! by_width {
        ($($width:literal)*) => {
            match width {
                $($width => unpack_width::<$width>(bytes, index, out),)*
                _ => out.fill(0),
            }
        };
    }
    by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
}

/// The width is known to the compiler: eight values are `WIDTH` bytes, and their shifts are constants.
fn unpack_width<const WIDTH: usize>(bytes: &[u8], index: usize, out: &mut [u32]) {
    let one = |index: usize| {
        let bit = index * WIDTH;
        let from = &bytes[bit / 8..];
        let mut window = [0; 8];
        let n = from.len().min(8);
        window[..n].copy_from_slice(&from[..n]);
        ((u64::from_le_bytes(window) >> (bit % 8)) & (u64::MAX >> (64 - WIDTH))) as u32
    };
    // Up to the next group, then groups, then what is left.
    let head = (index.next_multiple_of(8) - index).min(out.len());
    let (head, rest) = out.split_at_mut(head);
    let (groups, tail) = rest.as_chunks_mut::<8>();
    let first = index + head.len();
    for (value, index) in head.iter_mut().zip(index..) {
        *value = one(index);
    }
    let packed = bytes[(first / 8 * WIDTH).min(bytes.len())..].as_chunks::<WIDTH>().0;
    let last = first + 8 * groups.len();
    for (group, packed) in groups.iter_mut().zip(packed) {
        for (i, value) in group.iter_mut().enumerate() {
            let (byte, shift) = (i * WIDTH / 8, i * WIDTH % 8);
            let window = (0..(shift + WIDTH).div_ceil(8)).map(|k| u64::from(packed[byte + k]) << (8 * k));
            *value = ((window.sum::<u64>() >> shift) & (u64::MAX >> (64 - WIDTH))) as u32;
        }
    }
    for (value, index) in tail.iter_mut().zip(last..) {
        *value = one(index);
    }
}

/// An unsigned number of 7 bits per byte.
pub(super) fn varint(bytes: &[u8], at: &mut usize) -> Result<u64, Fault> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at).ok_or_else(ends)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(corrupt("a number in a page has more than 64 bits"))
}

/// The fault of values that are fewer than the page says.
pub(super) fn ends() -> Fault {
    corrupt("a page ends before its values do")
}
