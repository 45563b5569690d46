//! What can be wrong with a file, before it is known which file it is.

use std::any::Any;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bt_core::SourceError;

/// A file that cannot be read, with the place as far as known. Who knows the path makes it a [`SourceError`].
#[derive(Debug, thiserror::Error)]
#[error("{fault}{}{}", in_group(.row_group), in_column(.column))]
pub(crate) struct DecodeError {
    row_group: Option<usize>,
    column: Option<Arc<str>>,
    #[source]
    fault: Fault,
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The operating system's answer.
    #[error("cannot be read")]
    Io(#[source] io::Error),
    /// Bytes that do not make sense.
    #[error("{0}")]
    Corrupt(String),
    /// Sound bytes that are not what was asked for, or in a way that is not supported.
    #[error("{0}")]
    Unsupported(String),
}

impl DecodeError {
    /// The error as the world outside knows it: with the file's name.
    pub(crate) fn at(self, path: &Path) -> SourceError {
        let DecodeError { row_group, column, fault } = self;
        let path = path.to_path_buf();
        let column = column.map(|c| c.to_string());
        match fault {
            Fault::Io(source) => SourceError::Io { path, source },
            Fault::Corrupt(reason) => SourceError::Corrupt { path, row_group, column, reason },
            Fault::Unsupported(reason) => SourceError::Unsupported { path, row_group, column, reason },
        }
    }

    pub(super) fn in_group(mut self, group: usize) -> Self {
        self.row_group = Some(group);
        self
    }

    pub(super) fn in_column(mut self, column: &Arc<str>) -> Self {
        self.column = Some(Arc::clone(column));
        self
    }
}

impl From<Fault> for DecodeError {
    fn from(fault: Fault) -> Self {
        DecodeError { row_group: None, column: None, fault }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // All lengths were checked against the file's: it has become shorter since.
            io::ErrorKind::UnexpectedEof => corrupt("the file ends too early"),
            _ => Fault::Io(error),
        }
    }
}

/// A fault of the bytes.
pub(super) fn corrupt(reason: impl fmt::Display) -> Fault {
    Fault::Corrupt(reason.to_string())
}

/// A fault of the choice of file.
pub(super) fn unsupported(reason: impl fmt::Display) -> Fault {
    Fault::Unsupported(reason.to_string())
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "no message",
    }
}

fn in_group(group: &Option<usize>) -> String {
    group.map(|g| format!(" in row group {g}")).unwrap_or_default()
}

fn in_column(column: &Option<Arc<str>>) -> String {
    column.as_ref().map(|c| format!(" in column `{c}`")).unwrap_or_default()
}
