//! Decompression, and for the writer compression, in one place.
//!
//! The codecs are used directly, not through arrow2's page reader: it makes a new context for each page, and
//! takes output that falls short of the stated length for whole, with the last page's bytes behind it.

use std::fmt;
#[cfg(feature = "write")]
use std::io;
use std::io::Read;

use super::error::{Fault, corrupt, unsupported};

/// How a column chunk is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    None,
    Snappy,
    Gzip,
    /// LZ4 in Hadoop's frames or, from some writers, in LZ4's own or in none.
    Lz4Old,
    Zstd,
    Lz4,
}

impl Codec {
    pub(super) fn new(code: i64) -> Result<Self, Fault> {
        let name = match code {
            0 => return Ok(Codec::None),
            1 => return Ok(Codec::Snappy),
            2 => return Ok(Codec::Gzip),
            5 => return Ok(Codec::Lz4Old),
            6 => return Ok(Codec::Zstd),
            7 => return Ok(Codec::Lz4),
            3 => "LZO",
            4 => "BROTLI",
            _ => return Err(corrupt(format_args!("unknown codec {code}"))),
        };
        Err(unsupported(format_args!(
            "codec {name} is not supported, expected none, snappy, gzip, lz4 or zstd"
        )))
    }

    /// More than what one compressed byte can become: keeps a small page from claiming a large buffer.
    pub(super) fn most_from_a_byte(self) -> usize {
        match self {
            Codec::None => 1,
            // A copy of 64 bytes takes three.
            Codec::Snappy => 32,
            // A match of 258 bytes takes two bits.
            Codec::Gzip => 1040,
            // The length of a match grows by 255 a byte.
            Codec::Lz4Old | Codec::Lz4 => 256,
            // A block of 128 KiB that repeats a byte takes four.
            Codec::Zstd => 32 << 10,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Codec::None => "none",
            Codec::Snappy => "snappy",
            Codec::Gzip => "gzip",
            Codec::Lz4Old | Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        })
    }
}

/// Decompresses pages, one after the other.
#[derive(Default)]
pub(super) struct Decompressor {
    // Its context takes 100 kB and more, which is why it is kept.
    zstd: Option<zstd::bulk::Decompressor<'static>>,
    snappy: snap::raw::Decoder,
}

impl Decompressor {
    /// Fills `output` from `input`, exactly.
    pub(super) fn decompress(&mut self, codec: Codec, input: &[u8], output: &mut [u8]) -> Result<(), Fault> {
        let filled = match codec {
            Codec::None => {
                let copied = input.len().min(output.len());
                output[..copied].copy_from_slice(&input[..copied]);
                input.len()
            }
            Codec::Snappy => self.snappy.decompress(input, output).map_err(|e| broken(codec, e))?,
            Codec::Zstd => {
                if self.zstd.is_none() {
                    self.zstd = Some(zstd::bulk::Decompressor::new()?);
                }
                match &mut self.zstd {
                    Some(context) => {
                        context.decompress_to_buffer(input, output).map_err(|e| broken(codec, e))?
                    }
                    None => 0,
                }
            }
            Codec::Gzip => {
                let mut stream = flate2::read::MultiGzDecoder::new(input);
                stream.read_exact(output).map_err(|e| broken(codec, e))?;
                let more = stream.read(&mut [0]).map_err(|e| broken(codec, e))?;
                output.len() + more
            }
            Codec::Lz4 => lz4_flex::block::decompress_into(input, output).map_err(|e| broken(codec, e))?,
            Codec::Lz4Old => lz4_old(input, output)?,
        };
        match filled == output.len() {
            true => Ok(()),
            false => Err(corrupt(format_args!(
                "a page decompresses ({codec}) to {filled} bytes, its header says {}",
                output.len()
            ))),
        }
    }
}

/// Compresses a page for the writer.
#[cfg(feature = "write")]
pub(crate) fn compress(compression: crate::Compression, input: &[u8]) -> io::Result<Vec<u8>> {
    use crate::Compression;
    use std::io::Write;

    Ok(match compression {
        Compression::None => input.to_vec(),
        Compression::Snappy => snap::raw::Encoder::new().compress_vec(input)?,
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(input)?;
            encoder.finish()?
        }
        Compression::Lz4 => lz4_flex::block::compress(input),
        Compression::Zstd => zstd::bulk::compress(input, zstd::DEFAULT_COMPRESSION_LEVEL)?,
    })
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor").finish_non_exhaustive()
    }
}

fn broken(codec: Codec, error: impl fmt::Display) -> Fault {
    corrupt(format_args!("a page cannot be decompressed ({codec}): {error}"))
}

/// What writers have put under the name LZ4: Hadoop's frames, LZ4's own frames, or a bare block.
fn lz4_old(input: &[u8], output: &mut [u8]) -> Result<usize, Fault> {
    const FRAME: [u8; 4] = 0x184d_2204_u32.to_le_bytes();

    if let Some(filled) = hadoop(input, output) {
        return Ok(filled);
    }
    if input.starts_with(&FRAME) {
        let mut stream = lz4_flex::frame::FrameDecoder::new(input);
        stream.read_exact(output).map_err(|e| broken(Codec::Lz4Old, e))?;
        let more = stream.read(&mut [0]).map_err(|e| broken(Codec::Lz4Old, e))?;
        return Ok(output.len() + more);
    }
    lz4_flex::block::decompress_into(input, output).map_err(|e| broken(Codec::Lz4Old, e))
}

/// Hadoop's frames: the decompressed length, then blocks until that is reached, each after its compressed length.
/// Both as big-endian u32. `None` if it is not that.
fn hadoop(mut input: &[u8], output: &mut [u8]) -> Option<usize> {
    fn length(input: &mut &[u8]) -> Option<usize> {
        let (length, rest) = input.split_first_chunk::<4>()?;
        *input = rest;
        Some(u32::from_be_bytes(*length) as usize)
    }

    let mut filled = 0;
    while !input.is_empty() {
        let end = filled + length(&mut input)?;
        loop {
            let packed = length(&mut input)?;
            let (block, rest) = input.split_at_checked(packed)?;
            let target = output.get_mut(filled..end)?;
            filled += lz4_flex::block::decompress_into(block, target).ok()?;
            input = rest;
            if filled == end {
                break;
            }
        }
    }
    Some(filled)
}
