//! Progress on stderr.

use std::io::{self, IsTerminal, Write};
use std::sync::LazyLock;
use std::time::Duration;

use bt_core::{TimeRange, Timestamp};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::args::{Progress, Ui};

/// The bars on the terminal, which make way for whatever else is written to it.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Stderr beside the bars: each write stands by itself. Where it cannot be written to, there is nobody to tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aside;

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let _ = BARS.suspend(|| io::stderr().write_all(bytes));
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().flush();
        Ok(())
    }
}

/// Shows how far a piece of work has come, or nothing.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    bar: ProgressBar,
    /// Whether stderr is no terminal and yet progress is wanted: then a line is written now and then.
    lines: bool,
    from: Timestamp,
}

impl Meter {
    /// A meter of `what`.
    pub(crate) fn new(ui: &Ui, what: &'static str) -> Self {
        let terminal = io::stderr().is_terminal();
        let wanted = !ui.quiet
            && match ui.progress {
                Progress::Auto => terminal,
                Progress::Always => true,
                Progress::Never => false,
            };
        let bar = ProgressBar::hidden();
        let bar = if wanted && terminal { BARS.add(bar) } else { bar };
        let style = ProgressStyle::with_template("{prefix:>10} {wide_bar} {percent:>3}% {msg} {eta:>4}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(what);
        Meter { bar, lines: wanted && !terminal, from: Timestamp::EPOCH }
    }

    /// A meter that shows nothing.
    pub(crate) fn hidden() -> Self {
        Meter { bar: ProgressBar::hidden(), lines: false, from: Timestamp::EPOCH }
    }

    /// The work goes over this range of time. How much is left of one without an end is not shown.
    pub(crate) fn over(mut self, range: TimeRange) -> Self {
        self.from = range.from();
        if range.to() == Timestamp::MAX {
            let style = ProgressStyle::with_template("{prefix:>10} {spinner} {msg}");
            self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        }
        self.bar.set_length(range.to().as_nanos().abs_diff(range.from().as_nanos()));
        self.bar.enable_steady_tick(Duration::from_millis(200));
        self
    }

    /// The work has come to this close, with so many frames.
    pub(crate) fn reach(&self, close: Timestamp, frames: u64) {
        self.to(
            close.as_nanos().abs_diff(self.from.as_nanos()),
            format!("{} {frames} frames", &close.to_string()[..10]),
        );
    }

    /// The work has come so far of `length`.
    pub(crate) fn count(&self, position: u64, length: u64, message: String) {
        self.bar.set_length(length);
        self.to(position, message);
    }

    fn to(&self, position: u64, message: String) {
        let tenth = |position: u64| position.saturating_mul(10).checked_div(self.bar.length().unwrap_or(0));
        let before = tenth(self.bar.position());
        self.bar.set_position(position);
        if self.lines && tenth(position) != before {
            // Progress that nobody can read is no failure.
            let percent = tenth(position).unwrap_or(0) * 10;
            let line = format!("{} {percent}% {message}\n", self.bar.prefix());
            let _ = Aside.write_all(line.as_bytes());
        }
        self.bar.set_message(message);
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
