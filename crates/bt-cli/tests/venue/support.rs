//! Data sets, venues, live runs, and processes that do not outlive their test.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

/// Three instruments and two months, with many gaps.
static DATA: LazyLock<TempDir> = LazyLock::new(|| synth(3, 2, "0.02"));

/// The first of these months alone.
static PAST: LazyLock<TempDir> = LazyLock::new(|| synth(3, 1, "0.02"));

/// So many instruments and months, each candle missing with a chance.
pub(crate) fn synth(instruments: u32, months: u32, gaps: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (instruments, months) = (instruments.to_string(), months.to_string());
    let options =
        ["synth", "--instruments", &instruments, "--months", &months, "--gaps", gaps, "--seed", "5"];
    let output = bt().args(options).arg("--out").arg(dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    dir
}

pub(crate) fn data() -> &'static Path {
    DATA.path()
}

pub(crate) fn past() -> &'static Path {
    PAST.path()
}

pub(crate) fn bt() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("bt"));
    command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Several timeframes of an instrument, and series that do not always have a bar.
pub(crate) const SERIES: [&str; 5] = [
    "binance.spot:BTCUSDT@5m",
    "binance.spot:ETHUSDT@1m",
    "binance.spot:BTCUSDT@1m",
    "binance.spot:SOLUSDT@15m",
    "binance.spot:BTCUSDT@1h",
];

/// A command on some series.
pub(crate) fn on(name: &str, series: &[&str], options: &[&str]) -> Command {
    let mut command = bt();
    command.arg(name).args(series.iter().flat_map(|series| ["--series", series])).args(options);
    command
}

/// A `bt serve` that is to serve these series.
pub(crate) fn serve(series: &[&str], options: &[&str]) -> Command {
    serve_from(data(), series, options)
}

/// The same, from another data set.
pub(crate) fn serve_from(data: &Path, series: &[&str], options: &[&str]) -> Command {
    let mut command = on("serve", series, options);
    command.arg("--data").arg(data);
    command
}

/// A venue that listens.
pub(crate) struct Venue {
    running: Running,
    pub(crate) address: String,
}

impl Venue {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut running = Running::start(&mut command);
        let line = running.line();
        let Some((_, address)) = line.trim_end().rsplit_once("http://") else {
            panic!("{line}: {}", stderr(&running.end()));
        };
        assert_eq!(line, format!("listening on ws://{address} and http://{address}\n"));
        Venue { address: address.to_owned(), running }
    }

    /// A live run of this venue's series.
    pub(crate) fn live(&self, series: &[&str], options: &[&str]) -> Command {
        let mut command = on("live", series, options);
        command.args(["--url", &format!("ws://{}", self.address)]);
        command
    }

    /// What is fetched comes from this venue too.
    pub(crate) fn rest(&self) -> [String; 2] {
        ["--rest-url".to_owned(), format!("http://{}", self.address)]
    }

    /// Ends it by a signal, in order. Returns what it told.
    pub(crate) fn end(mut self, signal: &str) -> String {
        self.running.signal(signal);
        let output = self.running.end();
        assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b""[..]), "{}", stderr(&output));
        stderr(&output)
    }
}

/// Where a run leaves its report.
pub(crate) struct Report(TempDir);

impl Report {
    pub(crate) fn new() -> Self {
        Report(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("report.json")
    }

    /// The report, which must be there.
    pub(crate) fn read(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path()).unwrap()).unwrap()
    }
}

/// Runs it to its end. Returns its report.
pub(crate) fn reported(command: &mut Command) -> Value {
    let report = Report::new();
    let output = command.arg("--report").arg(report.path()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    report.read()
}

/// A process that is killed when it goes out of scope.
pub(crate) struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Running { child, stdout }
    }

    /// The next line that it writes; empty if it writes no more.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    /// Reads what it says on stderr up to this, which it must say.
    pub(crate) fn until_said(&mut self, text: &str) {
        let stderr = self.child.stderr.as_mut().unwrap();
        let (mut said, mut byte) = (Vec::new(), [0]);
        while !said.ends_with(text.as_bytes()) {
            let read = stderr.read(&mut byte).unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&said));
            said.extend(byte);
        }
    }

    pub(crate) fn signal(&mut self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Waits for its end, reading what it still says.
    pub(crate) fn end(mut self) -> Output {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        self.stdout.read_to_end(&mut stdout).unwrap();
        self.child.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
        Output { status: self.child.wait().unwrap(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is wrong is told in these words, with this exit code, and nothing is written.
pub(crate) fn fails(command: &mut Command, code: i32, expected: &str) {
    let output = command.output().unwrap();
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{command:?}: {told}");
    assert!(output.stdout.is_empty() && told.contains(expected), "{command:?}: {told}");
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
