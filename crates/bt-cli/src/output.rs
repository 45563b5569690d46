//! Frames written out, on a thread of their own.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bt_core::{BoxError, Event, EventBus, Frame, Series, Slot, Timestamp};
use bt_data_source::{Cell, Field, FieldKind, TableWriter, WriteError, WriteOptions};
use bt_engine::{ServiceContext, StopReason};
use tokio::sync::{mpsc, oneshot};

use crate::args::{Format, OutputArgs};
use crate::aside;
use crate::failure::Failure;
use crate::files::Pending;
use crate::format::{COLUMNS, Lines, Text};
use crate::signals::Signals;

/// Slots handed over at a time, unless each frame is.
const PIECE: usize = 4096;

/// Pieces on their way to the thread, at most, when a frame is asked for.
const PIECES: usize = 4;

/// What one more frame needs of room: for the piece that it may fill, and for what is left if it is the last.
const SPARE: usize = 2;

/// Takes frames and writes them, in order. It never waits: whoever asks for frames waits for
/// [room](OutputEnd::room) before each.
#[derive(Debug)]
pub(crate) struct Output {
    pieces: mpsc::Sender<Piece>,
    filling: Vec<Frame>,
    slots: usize,
    /// Slots handed over at a time.
    piece: usize,
    /// Whether the thread has given up because nobody reads what it writes.
    left: Arc<AtomicBool>,
}

/// The other end of an [`Output`]: knows whether there is room, and decides what becomes of what was written.
#[derive(Debug)]
pub(crate) struct OutputEnd {
    path: PathBuf,
    pieces: mpsc::Sender<Piece>,
    result: oneshot::Receiver<Result<(), Failure>>,
}

#[derive(Debug)]
enum Piece {
    Frames(Vec<Frame>),
    /// No more frames come. With `keep` a file takes its place, without it vanishes.
    End {
        keep: bool,
    },
}

impl Output {
    /// An output in `format`, or none. A signal ends the waiting for whoever is to read it.
    pub(crate) async fn create(
        format: Format,
        args: &OutputArgs,
        series: &[Series],
        signals: &Signals,
    ) -> Result<Option<(Output, OutputEnd)>, Failure> {
        let text = match format {
            Format::None => return Ok(None),
            Format::Csv => Some(Text::Csv),
            Format::Jsonl => Some(Text::Jsonl),
            Format::Parquet => None,
        };
        let path = args.out.clone();
        let target = aside::open(&args.out, signals, move || Target::open(&path)).await?;
        let encoder = match text {
            Some(text) => Encoder::text(Lines::new(text, args.time_unit, series), target),
            None => Encoder::table(series, target),
        };
        let path = args.out.clone();
        let fail = move |error| failure(&path, error);
        let encoder = encoder.map_err(&fail)?;
        let (pieces, mut received) = mpsc::channel(PIECES + SPARE);
        let (told, result) = oneshot::channel();
        let left = Arc::new(AtomicBool::new(false));
        let output = Output {
            pieces: pieces.clone(),
            filling: Vec::new(),
            slots: 0,
            piece: PIECE,
            left: Arc::clone(&left),
        };
        std::thread::Builder::new()
            .name("bt-output".into())
            .spawn(move || {
                let written = work(encoder, &mut received).map_err(fail);
                left.store(matches!(written, Err(Failure::ClosedPipe)), Ordering::SeqCst);
                // Nobody waits for the answer only if the process ends at once.
                let _ = told.send(written);
                drop(received);
            })
            .map_err(|error| Failure::run("cannot start the thread that writes frames", &error))?;
        Ok(Some((output, OutputEnd { path: args.out.clone(), pieces, result })))
    }

    /// Hands over each frame at once: the next may be a long time coming.
    pub(crate) fn promptly(self) -> Self {
        Output { piece: 1, ..self }
    }

    /// Takes a frame, for which there is room.
    pub(crate) fn write(&mut self, frame: Frame) -> Result<(), Stopped> {
        self.slots += frame.len();
        self.filling.push(frame);
        if self.slots >= self.piece || self.pieces.is_closed() { self.flush() } else { Ok(()) }
    }

    /// Hands over what was taken.
    pub(crate) fn flush(&mut self) -> Result<(), Stopped> {
        self.slots = 0;
        let frames = std::mem::take(&mut self.filling);
        self.pieces
            .try_send(Piece::Frames(frames))
            .map_err(|_| if self.left.load(Ordering::SeqCst) { Stopped::Left } else { Stopped::Failed })
    }

    /// Writes what is published on the bus, until it is closed. Ends the run when nobody reads any more.
    pub(crate) async fn serve<B>(mut self, mut cx: ServiceContext<B>) -> Result<(), BoxError>
    where
        B: EventBus<Payload = Event>,
    {
        while let Some(delivery) = cx.next().await {
            if let Event::Frame(frame) = &delivery.payload {
                match self.write(frame.clone()) {
                    Err(Stopped::Left) => cx.stop.stop(StopReason::Pipe),
                    written => written?,
                }
            }
        }
        match self.flush() {
            Err(Stopped::Left) => Ok(()),
            flushed => Ok(flushed?),
        }
    }
}

/// The thread that writes has given up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    /// Because nobody reads what it writes.
    #[error("nobody reads the frames any more")]
    Left,
    /// The [`OutputEnd`] knows why.
    #[error("frames are not written any more")]
    Failed,
}

impl OutputEnd {
    /// Whether [`room`](OutputEnd::room) would be ready at once.
    pub(crate) fn has_room(&self) -> bool {
        self.pieces.capacity() >= SPARE || self.pieces.is_closed()
    }

    /// Waits until one more frame can be taken, for as long as whoever reads what is written likes. Ready, too,
    /// when nothing is written any more, and at a signal.
    pub(crate) async fn room(&self, signals: &Signals) {
        if !self.has_room() {
            // The places are given back at once: only the frame that is asked for next takes any.
            let room = pin!(self.pieces.reserve_many(SPARE));
            let _ = signals.unless(room).await;
        }
    }

    /// Writes what was handed over, and puts a file in its place or lets it vanish. Stdout has what was written
    /// either way.
    ///
    /// It waits for whoever reads what is written, but not for longer than `limit` after a signal.
    pub(crate) async fn finish(self, keep: bool, signals: &Signals, limit: Duration) -> Result<(), Failure> {
        let path = self.path.clone();
        let written = signals.or_late(self.written(keep), limit).await;
        written.unwrap_or_else(|| {
            let limit = humantime::format_duration(limit);
            Err(Failure::Run(format!(
                "cannot write all frames to {}: its reader did not take them within {limit} of the end",
                shown(&path)
            )))
        })
    }

    async fn written(self, keep: bool) -> Result<(), Failure> {
        // If the thread has given up, its answer is there already.
        let _ = self.pieces.send(Piece::End { keep }).await;
        drop(self.pieces);
        self.result
            .await
            .unwrap_or_else(|_| Err(Failure::Run("the thread that writes frames has panicked".into())))
    }
}

fn work(mut encoder: Encoder, received: &mut mpsc::Receiver<Piece>) -> Result<(), WriteError> {
    while let Some(piece) = received.blocking_recv() {
        match piece {
            Piece::Frames(frames) => {
                frames.iter().try_for_each(|frame| encoder.write(frame))?;
                if received.is_empty() {
                    encoder.flush()?;
                }
            }
            Piece::End { keep } => return encoder.finish(keep),
        }
    }
    encoder.finish(false)
}

fn failure(path: &Path, error: WriteError) -> Failure {
    match error {
        WriteError::Stream(error) if error.kind() == ErrorKind::BrokenPipe => Failure::ClosedPipe,
        error => Failure::run(format_args!("cannot write frames to {}", shown(path)), &error),
    }
}

fn shown(path: &Path) -> String {
    if path == Path::new("-") { "stdout".to_owned() } else { path.display().to_string() }
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

    fn finish(self, keep: bool) -> io::Result<()> {
        match self {
            Target::Stdout(mut stdout) => stdout.flush(),
            Target::File(file, pending) => {
                drop(file);
                if keep { pending.finish() } else { Ok(()) }
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

    /// Writes what there is so far, where the format can be read in parts.
    fn flush(&mut self) -> Result<(), WriteError> {
        let Encoder::Text { encoded, target, .. } = self else { return Ok(()) };
        target.write_all(encoded).and_then(|()| target.flush()).map_err(WriteError::Stream)?;
        encoded.clear();
        Ok(())
    }

    fn finish(mut self, keep: bool) -> Result<(), WriteError> {
        self.flush()?;
        let target = match self {
            Encoder::Text { target, .. } => target,
            Encoder::Table { table, .. } => {
                table.finish()?.into_inner().map_err(|error| WriteError::Stream(error.into_error()))?
            }
        };
        target.finish(keep).map_err(WriteError::Stream)
    }
}
