//! Reading a journal back.

use std::fmt;
use std::io::BufRead;
use std::iter::FusedIterator;

use super::{JournalEntry, ReadError};

/// Reads a journal: its events in order, up to its end or to where a line was torn.
pub fn read_journal<R: BufRead>(input: R) -> JournalReader<R> {
    JournalReader { input, line: Vec::new(), lines: 0, offset: 0, torn: false, done: false }
}

/// Iterator over the events of a journal; after an error or the end it stays ended.
///
/// A process that is killed while it writes may leave a last line without its line feed. That is no error: the
/// journal ends before it, and [`torn_at`](JournalReader::torn_at) says where. A whole line that is no event is
/// an error.
#[must_use = "iterators do nothing unless consumed"]
pub struct JournalReader<R> {
    input: R,
    line: Vec<u8>,
    lines: u64,
    offset: u64,
    torn: bool,
    done: bool,
}

impl<R: BufRead> JournalReader<R> {
    /// Offset of the first byte of a torn last line, once the iterator has ended; `None` if the journal ends
    /// with a whole line.
    pub fn torn_at(&self) -> Option<u64> {
        self.torn.then_some(self.offset)
    }

    /// Number of bytes in the whole lines read so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn read(&mut self) -> Result<Option<JournalEntry>, ReadError> {
        self.line.clear();
        self.input.read_until(b'\n', &mut self.line).map_err(ReadError::Io)?;
        if self.line.last() != Some(&b'\n') {
            self.torn = !self.line.is_empty();
            return Ok(None);
        }
        self.lines += 1;
        let entry = JournalEntry::parse(&self.line).map_err(|source| ReadError::Corrupt {
            line: self.lines,
            offset: self.offset,
            source,
        })?;
        self.offset += self.line.len() as u64;
        Ok(Some(entry))
    }
}

impl<R: BufRead> Iterator for JournalReader<R> {
    type Item = Result<JournalEntry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.read().transpose();
        self.done = !matches!(item, Some(Ok(_)));
        item
    }
}

impl<R: BufRead> FusedIterator for JournalReader<R> {}

impl<R> fmt::Debug for JournalReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalReader")
            .field("lines", &self.lines)
            .field("offset", &self.offset)
            .field("torn", &self.torn)
            .finish_non_exhaustive()
    }
}
