//! Frames written out, on a thread of their own.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;
use std::thread::JoinHandle;

use bt_core::{BoxError, Event, EventBus, Frame, Series, Slot, Timestamp};
use bt_data_source::{Cell, Field, FieldKind, TableWriter, WriteError, WriteOptions};
use bt_engine::ServiceContext;
use tokio::sync::mpsc;

use crate::args::{Format, OutputArgs};
use crate::failure::Failure;
use crate::files::Pending;
use crate::format::{COLUMNS, Lines, Text};

/// Slots handed over at a time.
const PIECE: usize = 4096;

/// Pieces on their way to the thread.
const PIECES: usize = 4;

/// Takes frames and writes them, in order, without holding up whoever hands them in.
#[derive(Debug)]
pub(crate) struct Output {
    pieces: mpsc::Sender<Piece>,
    filling: Vec<Frame>,
    slots: usize,
    thread: Option<JoinHandle<Result<(), Failure>>>,
}

#[derive(Debug)]
enum Piece {
    Frames(Vec<Frame>),
    /// All frames are in: the file takes its place. Without it, it vanishes.
    Complete,
}

impl Output {
    /// An output in `format`, or none.
    pub(crate) fn create(
        format: Format,
        args: &OutputArgs,
        series: &[Series],
    ) -> Result<Option<Output>, Failure> {
        let text = match format {
            Format::None => return Ok(None),
            Format::Csv => Some(Text::Csv),
            Format::Jsonl => Some(Text::Jsonl),
            Format::Parquet => None,
        };
        let target = Target::open(&args.out)?;
        let encoder = match text {
            Some(text) => Encoder::text(Lines::new(text, args.time_unit, series), target),
            None => Encoder::table(series, target),
        };
        let path = args.out.clone();
        let fail = move |error| failure(&path, error);
        let mut encoder = encoder.map_err(&fail)?;
        let (pieces, mut received) = mpsc::channel(PIECES);
        let work = move || {
            while let Some(piece) = received.blocking_recv() {
                match piece {
                    Piece::Frames(frames) => {
                        frames.iter().try_for_each(|frame| encoder.write(frame)).map_err(&fail)?
                    }
                    Piece::Complete => return encoder.finish().map_err(&fail),
                }
            }
            Ok(())
        };
        let thread = std::thread::Builder::new()
            .name("bt-output".into())
            .spawn(work)
            .map_err(|error| Failure::run("cannot start the thread that writes frames", &error))?;
        Ok(Some(Output { pieces, filling: Vec::new(), slots: 0, thread: Some(thread) }))
    }

    /// Takes a frame; waits while too many are on their way.
    pub(crate) async fn write(&mut self, frame: Frame) -> Result<(), Failure> {
        self.slots += frame.len();
        self.filling.push(frame);
        if self.slots < PIECE {
            return Ok(());
        }
        self.slots = 0;
        let frames = std::mem::take(&mut self.filling);
        self.send(Piece::Frames(frames)).await
    }

    /// Writes what was taken, and puts the file in its place.
    pub(crate) async fn complete(mut self) -> Result<(), Failure> {
        let frames = std::mem::take(&mut self.filling);
        self.send(Piece::Frames(frames)).await?;
        self.send(Piece::Complete).await?;
        self.join()
    }

    async fn send(&mut self, piece: Piece) -> Result<(), Failure> {
        match self.pieces.send(piece).await {
            Ok(()) => Ok(()),
            // The thread has gone, and says why.
            Err(_) => self.join(),
        }
    }

    fn join(&mut self) -> Result<(), Failure> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) | None => Err(Failure::Run("the thread that writes frames has ended".into())),
        }
    }

    /// Writes what is published on the bus, until it is closed; hands itself back to be completed.
    pub(crate) async fn serve<B>(
        mut self,
        mut cx: ServiceContext<B>,
        back: tokio::sync::oneshot::Sender<Output>,
    ) -> Result<(), BoxError>
    where
        B: EventBus<Payload = Event>,
    {
        while let Some(delivery) = cx.next().await {
            if let Event::Frame(frame) = &delivery.payload {
                self.write(frame.clone()).await?;
            }
        }
        // Nobody waits for it only if the run has failed: then the file is not to appear.
        let _ = back.send(self);
        Ok(())
    }
}

fn failure(path: &Path, error: WriteError) -> Failure {
    match error {
        WriteError::Stream(error) if error.kind() == ErrorKind::BrokenPipe => Failure::ClosedPipe,
        error => Failure::run(format_args!("cannot write frames to {}", path.display()), &error),
    }
}

/// Where bytes go.
enum Target {
    Stdout(io::Stdout),
    File(File, Pending),
}

impl Target {
    fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Target::Stdout(io::stdout()));
        }
        let (file, pending) = Pending::create(path).map_err(|error| {
            Failure::run(format_args!("cannot write frames to {}", path.display()), &error)
        })?;
        Ok(Target::File(file, pending))
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Target::Stdout(mut stdout) => stdout.flush(),
            Target::File(file, pending) => {
                drop(file);
                pending.finish()
            }
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Target::Stdout(stdout) => stdout.write(bytes),
            Target::File(file, _) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Target::Stdout(stdout) => stdout.flush(),
            Target::File(file, _) => file.flush(),
        }
    }
}

/// Turns frames into bytes.
enum Encoder {
    Text { lines: Lines, encoded: Vec<u8>, target: Target },
    Table { names: Vec<(String, String)>, table: Box<TableWriter<BufWriter<Target>>> },
}

/// Bytes written at a time.
const CHUNK: usize = 64 << 10;

impl Encoder {
    fn text(lines: Lines, target: Target) -> Result<Self, WriteError> {
        let encoded = lines.header().into_bytes();
        Ok(Encoder::Text { lines, encoded, target })
    }

    fn table(series: &[Series], target: Target) -> Result<Self, WriteError> {
        use FieldKind::{Bool, Float, Integer, Text, Timestamp};
        let kinds = [
            Timestamp, Text, Text, Text, Text, Timestamp, Timestamp, Float, Float, Float, Float, Float,
            Integer, Bool,
        ];
        // The first four are always there.
        let fields = COLUMNS.iter().zip(kinds).enumerate().map(|(at, (name, kind))| {
            if at < 4 { Field::new(name, kind) } else { Field::nullable(name, kind) }
        });
        let table =
            TableWriter::new(BufWriter::with_capacity(CHUNK, target), fields, WriteOptions::default())?;
        let names = series.iter().map(|s| (s.instrument().to_string(), s.timeframe().to_string())).collect();
        Ok(Encoder::Table { names, table: Box::new(table) })
    }

    fn write(&mut self, frame: &Frame) -> Result<(), WriteError> {
        match self {
            Encoder::Text { lines, encoded, target } => {
                lines.write(frame, encoded).map_err(WriteError::Stream)?;
                if encoded.len() >= CHUNK {
                    target.write_all(encoded).map_err(WriteError::Stream)?;
                    encoded.clear();
                }
            }
            Encoder::Table { names, table } => {
                for (((instrument, timeframe), series), slot) in
                    names.iter().zip(frame.series()).zip(frame.slots())
                {
                    let mut row = [Cell::Null; COLUMNS.len()];
                    row[0] = Cell::Timestamp(frame.close());
                    row[1] = Cell::Text(instrument);
                    row[2] = Cell::Text(timeframe);
                    row[3] = Cell::Text(slot.kind());
                    if !matches!(slot, Slot::Bar(_)) {
                        row[4] = Cell::Text(slot.reason());
                    }
                    if let Some(c) = slot.candle() {
                        let end = series.timeframe().end_of(c.start).unwrap_or(Timestamp::MAX);
                        row[5] = Cell::Timestamp(c.start);
                        row[6] = Cell::Timestamp(end);
                        for (cell, number) in
                            row[7..12].iter_mut().zip([c.open, c.high, c.low, c.close, c.volume])
                        {
                            *cell = Cell::Float(number);
                        }
                        // A known number of trades fits: its largest is that of 64 signed bits.
                        if let Some(trades) = c.trades.get().and_then(|n| i64::try_from(n).ok()) {
                            row[12] = Cell::Integer(trades);
                        }
                        row[13] = Cell::Bool(c.partial);
                    }
                    table.push(&row)?;
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), WriteError> {
        let target = match self {
            Encoder::Text { encoded, mut target, .. } => {
                target.write_all(&encoded).map_err(WriteError::Stream)?;
                target
            }
            Encoder::Table { table, .. } => {
                table.finish()?.into_inner().map_err(|error| WriteError::Stream(error.into_error()))?
            }
        };
        target.finish().map_err(WriteError::Stream)
    }
}
