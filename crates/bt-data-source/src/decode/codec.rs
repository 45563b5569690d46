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
    /// LZ4 in Hadoop's frames or, from some writers, without any.
    Lz4Hadoop,
    Zstd,
    Lz4,
}

impl Codec {
    pub(super) fn new(code: i64) -> Result<Self, Fault> {
        let name = match code {
            0 => return Ok(Codec::None),
            1 => return Ok(Codec::Snappy),
            2 => return Ok(Codec::Gzip),
            5 => return Ok(Codec::Lz4Hadoop),
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
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Codec::None => "none",
            Codec::Snappy => "snappy",
            Codec::Gzip => "gzip",
            Codec::Lz4Hadoop | Codec::Lz4 => "lz4",
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
            Codec::Lz4Hadoop => match hadoop(input, output) {
                Some(filled) => filled,
                None => lz4_flex::block::decompress_into(input, output).map_err(|e| broken(codec, e))?,
            },
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

/// Hadoop's frames: decompressed and compressed length as big-endian u32, then a block. `None` if it is not that.
fn hadoop(mut input: &[u8], output: &mut [u8]) -> Option<usize> {
    let mut filled = 0;
    while !input.is_empty() {
        let (raw, rest) = input.split_first_chunk::<4>()?;
        let (packed, rest) = rest.split_first_chunk::<4>()?;
        let (raw, packed) = (u32::from_be_bytes(*raw) as usize, u32::from_be_bytes(*packed) as usize);
        let (block, rest) = rest.split_at_checked(packed)?;
        let target = output.get_mut(filled..)?.get_mut(..raw)?;
        if lz4_flex::block::decompress_into(block, target).ok()? != raw {
            return None;
        }
        filled += raw;
        input = rest;
    }
    Some(filled)
}
