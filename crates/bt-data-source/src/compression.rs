//! How written files are compressed.

use std::fmt;
use std::str::FromStr;

use bt_core::ConfigError;

/// How the pages of a written Parquet file are compressed. Zstandard unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all: `none`.
    None,
    /// `snappy`: quick, files half as large again as with the default.
    Snappy,
    /// `gzip`: slow, understood by everything.
    Gzip,
    /// `lz4`: the format's LZ4_RAW.
    Lz4,
    /// `zstd`, at its default level.
    #[default]
    Zstd,
}

impl Compression {
    /// All of them.
    pub const ALL: [Compression; 5] =
        [Compression::None, Compression::Snappy, Compression::Gzip, Compression::Lz4, Compression::Zstd];

    /// The name, as it is parsed and displayed.
    pub const fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Snappy => "snappy",
            Compression::Gzip => "gzip",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Compression {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Compression::ALL.into_iter().find(|c| c.name() == text).ok_or_else(|| ConfigError::Invalid {
            option: "compression",
            value: text.to_string(),
            expected: "none, snappy, gzip, lz4 or zstd",
        })
    }
}
