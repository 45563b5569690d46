//! DELTA_BINARY_PACKED: the differences of integers, bit-packed in blocks.

use super::error::{Fault, corrupt};
use super::rle::{ends, varint};

/// Largest block that is accepted; writers use 128 to 1,024.
const MAX_BLOCK: u64 = 1 << 16;

/// A position in delta-encoded values. It holds no bytes: each call is given the same slice.
#[derive(Clone, Debug)]
pub(super) struct Delta {
    /// Values in a miniblock, and miniblocks in a block.
    per_mini: usize,
    minis: usize,
    /// Values to come, the first included.
    left: u64,
    first: bool,
    last: i64,
    smallest: i64,
    /// Where the widths of the block at hand are, and which miniblock is at hand.
    widths: usize,
    mini: usize,
    /// Where the miniblock at hand is, and how many of its values were taken.
    from: usize,
    taken: usize,
    width: u8,
}

impl Delta {
    pub(super) fn new(bytes: &[u8]) -> Result<Self, Fault> {
        let mut at = 0;
        let block = varint(bytes, &mut at)?;
        let minis = varint(bytes, &mut at)?;
        let left = varint(bytes, &mut at)?;
        let last = zigzag(varint(bytes, &mut at)?);
        let even = minis > 0 && block % minis == 0;
        if block == 0 || block > MAX_BLOCK || !even || (block / minis) % 8 != 0 {
            return Err(corrupt(format_args!("delta blocks of {block} values in {minis} parts cannot be")));
        }
        let (per_mini, minis) = ((block / minis) as usize, minis as usize);
        Ok(Delta {
            per_mini,
            minis,
            left,
            first: true,
            last,
            smallest: 0,
            widths: at,
            mini: minis,
            from: at,
            taken: per_mini,
            width: 0,
        })
    }

    /// Calls `each` for the next `n` values.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        mut n: usize,
        mut each: impl FnMut(i64),
    ) -> Result<(), Fault> {
        match self.left.checked_sub(n as u64) {
            Some(left) => self.left = left,
            None => return Err(ends()),
        }
        if self.first && n > 0 {
            self.first = false;
            n -= 1;
            each(self.last);
        }
        while n > 0 {
            if self.taken == self.per_mini {
                self.next_mini(bytes)?;
            }
            let now = n.min(self.per_mini - self.taken);
            let packed = &bytes[self.from..];
            for index in self.taken..self.taken + now {
                let delta = bits(packed, index * usize::from(self.width), self.width) as i64;
                // Differences wrap around: that is how the format has it.
                self.last = self.last.wrapping_add(self.smallest).wrapping_add(delta);
                each(self.last);
            }
            self.taken += now;
            n -= now;
        }
        Ok(())
    }

    /// Goes to the next miniblock and makes sure that all of its bytes are there.
    fn next_mini(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut from = self.from + self.mini_bytes();
        self.mini += 1;
        if self.mini >= self.minis {
            self.smallest = zigzag(varint(bytes, &mut from)?);
            self.widths = from;
            self.mini = 0;
            from += self.minis;
        }
        self.width = *bytes.get(self.widths + self.mini).ok_or_else(ends)?;
        if self.width > 64 {
            return Err(corrupt(format_args!("differences are said to have {} bits", self.width)));
        }
        self.from = from;
        self.taken = 0;
        match bytes.len().checked_sub(from) {
            Some(rest) if rest >= self.mini_bytes() => Ok(()),
            _ => Err(ends()),
        }
    }

    fn mini_bytes(&self) -> usize {
        self.per_mini / 8 * usize::from(self.width)
    }
}

/// `width` bits from bit `at` on; what is beyond the end counts as zero.
fn bits(bytes: &[u8], at: usize, width: u8) -> u64 {
    if width == 0 {
        return 0;
    }
    let from = &bytes[at / 8..];
    let window = match from.first_chunk::<16>() {
        Some(sixteen) => u128::from_le_bytes(*sixteen),
        None => {
            let mut tail = [0; 16];
            tail[..from.len()].copy_from_slice(from);
            u128::from_le_bytes(tail)
        }
    };
    (window >> (at % 8)) as u64 & (u64::MAX >> (64 - width))
}

fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
