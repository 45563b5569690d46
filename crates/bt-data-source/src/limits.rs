//! On what terms files are read.

use crate::ColumnNames;

/// The most that a file may claim of its parts: what claims more is refused before anything is allocated or
/// decoded by the claim.
///
/// A claim is held against the file's own length as well, and against what so many values can need, so that a
/// small file never takes much memory, whatever it says. These limits are for large ones. No writer comes near
/// the defaults with candles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(crate) max_page_bytes: usize,
    pub(crate) max_row_group_rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_page_bytes: Limits::PAGE_BYTES, max_row_group_rows: Limits::ROW_GROUP_ROWS }
    }
}

impl Limits {
    /// The default for a page: 256 MiB. Writers aim at 1 MiB; some write a whole row group as one page, which
    /// for a year of one-second candles is 240 MiB.
    pub const PAGE_BYTES: usize = 256 << 20;

    /// The default for a row group: 268,435,456 rows. The largest default of a writer has been 67,108,864.
    pub const ROW_GROUP_ROWS: usize = 256 << 20;

    /// Sets the most bytes of a page or a dictionary, compressed or not.
    #[must_use]
    pub fn with_max_page_bytes(self, bytes: usize) -> Self {
        Limits { max_page_bytes: bytes, ..self }
    }

    /// Sets the most rows of a row group; no more than a `u32` holds are ever read.
    #[must_use]
    pub fn with_max_row_group_rows(self, rows: usize) -> Self {
        Limits { max_row_group_rows: rows.min(u32::MAX as usize), ..self }
    }
}

/// What is asked of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) names: ColumnNames,
    pub(crate) limits: Limits,
    /// Each page that is read must have a checksum.
    pub(crate) checksums: bool,
}
