//! What is done to a file.

use std::fmt;
use std::ops::Range;

use crate::base::{Base, CODECS};
use crate::map::Map;

/// A small generator of numbers.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn within(&mut self, range: &Range<usize>) -> usize {
        range.start + self.below(range.len())
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Changes a file.
type Change = fn(&mut Vec<u8>, &Map, &mut Rng);

/// The kinds of change, each with a name.
pub(crate) const KINDS: [(&str, Change); 9] = [
    ("truncated", truncate),
    ("cut", cut),
    ("footer flipped", |bytes, map, rng| flip(bytes, &map.footer, rng)),
    ("page header flipped", |bytes, map, rng| flip(bytes, &pick(&map.headers, rng), rng)),
    ("levels flipped", |bytes, map, rng| flip(bytes, &pick(&map.levels, rng), rng)),
    ("dictionary flipped", |bytes, map, rng| flip(bytes, &pick(&map.dictionaries, rng), rng)),
    ("zeroed", |bytes, map, rng| zero(bytes, map, rng)),
    ("bogus varint", |bytes, map, rng| bogus_varint(bytes, map, rng)),
    ("random bytes", |bytes, _, rng| random(bytes, rng)),
];

/// A changed file, by its number.
pub(crate) struct Mutant {
    number: u64,
    pub(crate) kind: &'static str,
    change: Change,
    pub(crate) base: Base,
}

impl Mutant {
    pub(crate) fn new(number: u64) -> Self {
        let (kind, change) = KINDS[(number % KINDS.len() as u64) as usize];
        let base = Base::new(number / KINDS.len() as u64);
        Mutant { number, kind, change, base }
    }

    /// The changed bytes, and those before.
    pub(crate) fn bytes(&self) -> (Vec<u8>, Vec<u8>) {
        let whole = self.base.bytes();
        let map = Map::of(&whole);
        let mut changed = whole.clone();
        (self.change)(&mut changed, &map, &mut Rng(self.number));
        (changed, whole)
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mutant {} ({}, {})", self.number, self.kind, CODECS[self.base.codec])
    }
}

fn pick(ranges: &[Range<usize>], rng: &mut Rng) -> Range<usize> {
    rng.pick(ranges).clone()
}

fn truncate(bytes: &mut Vec<u8>, map: &Map, rng: &mut Rng) {
    if rng.below(2) == 0 {
        bytes.truncate(rng.below(bytes.len()));
    } else {
        // With its footer behind it, as if the file had been put together wrongly.
        bytes.drain(rng.below(map.footer.start)..map.footer.start);
    }
}

fn cut(bytes: &mut Vec<u8>, _: &Map, rng: &mut Rng) {
    let from = rng.below(bytes.len());
    let to = (from + 1 + rng.below(64)).min(bytes.len());
    bytes.drain(from..to);
}

/// Changes a few bits or bytes.
fn flip(bytes: &mut [u8], range: &Range<usize>, rng: &mut Rng) {
    for _ in 0..1 + rng.below(3) {
        let at = rng.within(range);
        bytes[at] = match rng.below(3) {
            0 => rng.next() as u8,
            _ => bytes[at] ^ 1 << rng.below(8),
        };
    }
}

fn zero(bytes: &mut [u8], map: &Map, rng: &mut Rng) {
    let from = if rng.below(3) == 0 { rng.within(&map.footer) } else { rng.below(bytes.len()) };
    let to = (from + 1 + rng.below(200)).min(bytes.len());
    bytes[from..to].fill(0);
}

/// Puts a number of up to ten bytes where numbers are: large, negative, or without an end.
fn bogus_varint(bytes: &mut [u8], map: &Map, rng: &mut Rng) {
    let range = if rng.below(2) == 0 { map.footer.clone() } else { pick(&map.headers, rng) };
    let from = rng.within(&range);
    let to = (from + 1 + rng.below(10)).min(range.end);
    bytes[from..to].fill(*rng.pick(&[0xff, 0x80, 0xfe]));
    if rng.below(2) == 0 {
        bytes[to - 1] &= 0x7f;
    }
}

fn random(bytes: &mut [u8], rng: &mut Rng) {
    for _ in 0..1 + rng.below(30) {
        let at = rng.below(bytes.len());
        bytes[at] = rng.next() as u8;
    }
}
