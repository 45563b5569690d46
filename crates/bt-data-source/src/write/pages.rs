//! Row groups, by way of arrow2's writer; nothing of it goes beyond this module.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use arrow2::array::{Array, BooleanArray, PrimitiveArray, Utf8Array};
use arrow2::bitmap::Bitmap;
use arrow2::datatypes::{self, DataType, Schema, TimeUnit};
use arrow2::error::Error as ArrowError;
use arrow2::io::parquet::write::{
    CompressedDataPage, CompressedPage, CompressionOptions, DynIter, DynStreamingIterator, Encoding,
    FallibleStreamingIterator, FileWriter, Page, Version, WriteOptions, array_to_columns,
};
use arrow2::offset::OffsetsBuffer;

use super::table::{Field, FieldKind};
use super::{WriteError, table::Buffer, table::Values};
use crate::Compression;
use crate::decode::compress;

/// Writes row groups one by one, then the footer.
pub(super) struct GroupWriter<W: Write> {
    file: FileWriter<Tracked<W>>,
    failure: Failure,
    compression: Compression,
}

impl<W: Write> GroupWriter<W> {
    pub(super) fn new(writer: W, fields: &[Field], compression: Compression) -> Result<Self, WriteError> {
        let fields: Vec<_> = fields
            .iter()
            .map(|Field { name, kind, nullable }| datatypes::Field::new(name, data_type(*kind), *nullable))
            .collect();
        let failure = Failure::default();
        let writer = Tracked { writer, failure: failure.clone() };
        let file = FileWriter::try_new(writer, Schema::from(fields), options()).map_err(encode)?;
        Ok(GroupWriter { file, failure, compression })
    }

    /// Writes a row group; all columns are equally long.
    pub(super) fn write(&mut self, columns: Vec<Buffer>) -> Result<(), WriteError> {
        let types = self.file.parquet_schema().fields().to_vec();
        let mut encoded = Vec::with_capacity(columns.len());
        for (column, type_) in columns.into_iter().zip(types) {
            for pages in
                array_to_columns(array(column)?, type_, options(), &[Encoding::Plain]).map_err(encode)?
            {
                let pages = pages
                    .map(|page| compressed(page.map_err(encode)?, self.compression))
                    .collect::<Result<Vec<_>, _>>()?;
                encoded.push(Ok(DynStreamingIterator::new(Pages { rest: pages.into_iter(), at: None })));
            }
        }
        self.file.write(DynIter::new(encoded.into_iter())).map_err(|e| self.failure.or(e))
    }

    /// Writes the footer and gives the writer back.
    pub(super) fn end(mut self) -> Result<W, WriteError> {
        self.file.end(None).map_err(|e| self.failure.or(e))?;
        Ok(self.file.into_inner().writer)
    }
}

impl<W: Write> std::fmt::Debug for GroupWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupWriter").field("compression", &self.compression).finish_non_exhaustive()
    }
}

fn options() -> WriteOptions {
    WriteOptions {
        // Nothing of this project reads them, and arrow2's know nothing of NaN.
        write_statistics: false,
        version: Version::V1,
        // Pages are compressed here: see `compressed`.
        compression: CompressionOptions::Uncompressed,
        data_pagesize_limit: None,
    }
}

fn data_type(kind: FieldKind) -> DataType {
    match kind {
        FieldKind::Timestamp => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        FieldKind::Text => DataType::Utf8,
        FieldKind::Float => DataType::Float64,
        FieldKind::Integer => DataType::Int64,
        FieldKind::Bool => DataType::Boolean,
    }
}

fn array(column: Buffer) -> Result<Box<dyn Array>, WriteError> {
    let Buffer { values, validity } = column;
    let validity = (!validity.is_empty()).then(|| Bitmap::from(validity));
    Ok(match values {
        Values::Timestamps(v) => PrimitiveArray::try_new(data_type(FieldKind::Timestamp), v.into(), validity)
            .map_err(encode)?
            .boxed(),
        Values::Integers(v) => {
            PrimitiveArray::try_new(DataType::Int64, v.into(), validity).map_err(encode)?.boxed()
        }
        Values::Floats(v) => {
            PrimitiveArray::try_new(DataType::Float64, v.into(), validity).map_err(encode)?.boxed()
        }
        Values::Flags(v) => {
            BooleanArray::try_new(DataType::Boolean, Bitmap::from(v), validity).map_err(encode)?.boxed()
        }
        Values::Texts { bytes, ends } => {
            let offsets = OffsetsBuffer::try_from(ends).map_err(encode)?;
            Utf8Array::<i32>::try_new(DataType::Utf8, offsets, bytes.into(), validity)
                .map_err(encode)?
                .boxed()
        }
    })
}

/// Compresses a page with the codecs that also decompress, so that arrow2's own, which are of older versions, are
/// not linked.
fn compressed(page: Page, compression: Compression) -> Result<CompressedPage, WriteError> {
    let options = match compression {
        Compression::None => CompressionOptions::Uncompressed,
        Compression::Snappy => CompressionOptions::Snappy,
        Compression::Gzip => CompressionOptions::Gzip(None),
        Compression::Lz4 => CompressionOptions::Lz4Raw,
        Compression::Zstd => CompressionOptions::Zstd(None),
    };
    let Page::Data(mut page) = page else {
        return Err(WriteError::Encode { reason: "a dictionary page where none was asked for".into() });
    };
    let (rows, length) = (page.num_values(), page.buffer().len());
    let body = match compression {
        Compression::None => std::mem::take(page.buffer_mut()),
        other => compress(other, page.buffer()).map_err(|e| WriteError::Encode { reason: e.to_string() })?,
    };
    let header = page.header().clone();
    Ok(CompressedPage::Data(CompressedDataPage::new(
        header,
        body,
        options.into(),
        length,
        page.descriptor,
        Some(rows),
    )))
}

/// The pages of one column chunk, as arrow2 wants them.
struct Pages {
    rest: std::vec::IntoIter<CompressedPage>,
    at: Option<CompressedPage>,
}

impl FallibleStreamingIterator for Pages {
    type Item = CompressedPage;
    type Error = ArrowError;

    fn advance(&mut self) -> Result<(), ArrowError> {
        self.at = self.rest.next();
        Ok(())
    }

    fn get(&self) -> Option<&CompressedPage> {
        self.at.as_ref()
    }
}

/// A writer that remembers its error, of which arrow2 keeps no more than the text.
struct Tracked<W> {
    writer: W,
    failure: Failure,
}

impl<W: Write> Tracked<W> {
    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let text = io::Error::from(error.kind());
            *self.failure.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            text
        })
    }
}

impl<W: Write> Write for Tracked<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.writer.write(bytes);
        self.note(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.writer.flush();
        self.note(flushed)
    }
}

/// The error of a [`Tracked`] writer.
#[derive(Clone, Default)]
struct Failure(Arc<Mutex<Option<io::Error>>>);

impl Failure {
    fn or(&self, error: ArrowError) -> WriteError {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => WriteError::Stream(error),
            None => encode(error),
        }
    }
}

fn encode(error: ArrowError) -> WriteError {
    WriteError::Encode { reason: error.to_string() }
}
