//! A data set, what a run of it that nobody disturbs writes, and processes that do not outlive their test.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

/// Slots in a frame.
pub(crate) const SLOTS: usize = 3;

/// Two instruments and a month, with many gaps, so that there is much to log.
static DATA: LazyLock<TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let synth = ["synth", "--instruments", "2", "--months", "1", "--gaps", "0.02", "--seed", "5", "--out"];
    let output = bt().args(synth).arg(dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    dir
});

/// What a run that nobody disturbs writes.
pub(crate) struct Whole {
    pub(crate) csv: Vec<u8>,
    pub(crate) journal: Vec<u8>,
    /// Lines of `csv`, the header among them.
    pub(crate) lines: u64,
    pub(crate) frames: u64,
}

pub(crate) static WHOLE: LazyLock<Whole> = LazyLock::new(|| {
    let files = Files::new();
    let output = files.run().args(["--format", "csv"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let lines = lines(&output.stdout).len() as u64;
    let frames = files.report()["frames"].as_u64().unwrap();
    Whole { csv: output.stdout, journal: files.journal(), lines, frames }
});

/// What the journal of a run holds up to a frame and its consequences.
pub(crate) fn journal_up_to(frame: u64) -> Vec<u8> {
    let files = Files::new();
    let output = files.run().args(["--max-frames", &frame.to_string()]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let mut journal = files.journal();
    let ended = lines(&journal).last().unwrap().len();
    journal.truncate(journal.len() - ended);
    assert!(WHOLE.journal.starts_with(&journal));
    journal
}

fn bt() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("bt"));
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// The files of one run, in a directory of their own.
pub(crate) struct Files {
    dir: TempDir,
}

impl Files {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("log")).unwrap();
        Files { dir }
    }

    /// The journal, alone in its directory.
    pub(crate) fn log(&self) -> PathBuf {
        self.dir.path().join("log").join("run.jsonl")
    }

    /// A run that writes a journal and a report, and nothing else unless it is told to.
    pub(crate) fn run(&self) -> Command {
        self.feed("run")
    }

    /// The feed through a command that writes a journal and a report.
    pub(crate) fn feed(&self, command: &str) -> Command {
        let mut feed = bt();
        feed.args([command, "--from", "2024-01-01", "--to", "2024-02-01", "--data"]).arg(DATA.path());
        for series in ["binance.spot:BTCUSDT@1m", "binance.spot:ETHUSDT@1m", "binance.spot:BTCUSDT@5m"] {
            feed.args(["--series", series]);
        }
        feed.arg("--log").arg(self.log()).arg("--report").arg(self.dir.path().join("report.json"));
        feed
    }

    /// A pipe with a name.
    pub(crate) fn fifo(&self) -> PathBuf {
        let path = self.dir.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    /// What is in the journal; nothing if there is none.
    pub(crate) fn journal(&self) -> Vec<u8> {
        fs::read(self.log()).unwrap_or_default()
    }

    /// The report, which must be there.
    pub(crate) fn report(&self) -> Value {
        serde_json::from_slice(&fs::read(self.dir.path().join("report.json")).unwrap()).unwrap()
    }

    /// Names of what is there besides the journal and its directory.
    pub(crate) fn others(&self) -> Vec<String> {
        let names = fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).filter(|name| name != "log").collect()
    }
}

/// A process that is killed when it goes out of scope.
pub(crate) struct Running(Child);

impl Running {
    /// Starts it, with pipes to read from.
    pub(crate) fn start(command: &mut Command) -> Self {
        Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Sends it a signal, unless it has ended: its number may be another's by now.
    pub(crate) fn signal(&mut self, name: &str) {
        if self.try_wait().unwrap().is_some() {
            return;
        }
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Its stdout, of which so many lines were read, and those.
    pub(crate) fn read_lines(&mut self, count: u64) -> (BufReader<ChildStdout>, Vec<u8>) {
        let mut reader = BufReader::new(self.stdout.take().unwrap());
        let mut read = Vec::new();
        for _ in 0..count {
            reader.read_until(b'\n', &mut read).unwrap();
        }
        (reader, read)
    }

    /// Reads what it says on stderr up to this, which it must say.
    pub(crate) fn until_said(&mut self, text: &str) {
        let stderr = self.stderr.as_mut().unwrap();
        let (mut said, mut byte) = (Vec::new(), [0]);
        while !said.ends_with(text.as_bytes()) {
            stderr.read_exact(&mut byte).unwrap();
            said.extend(byte);
        }
    }

    /// Waits for its end, reading what it still says.
    pub(crate) fn end(mut self, stdout: Option<(BufReader<ChildStdout>, Vec<u8>)>) -> Output {
        let (reader, mut read) = stdout.map_or((None, Vec::new()), |(reader, read)| (Some(reader), read));
        if let Some(mut reader) = reader {
            reader.read_to_end(&mut read).unwrap();
        }
        let mut told = Vec::new();
        self.stderr.take().unwrap().read_to_end(&mut told).unwrap();
        Output { status: self.wait().unwrap(), stdout: read, stderr: told }
    }
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How many times each random moment is drawn.
pub(crate) fn runs() -> u64 {
    std::env::var("BT_SOAK_RUNS").map_or(5, |runs| runs.parse().expect("BT_SOAK_RUNS is a number"))
}

/// Says what became of the runs of a soak.
pub(crate) fn summary(what: &str, said: std::fmt::Arguments<'_>) {
    println!("{what}: {} runs, {said}", runs());
}

/// Numbers that look random and are the same every time: SplitMix64.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number from 0 to `last`.
    pub(crate) fn up_to(&mut self, last: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % (last + 1)
    }
}

/// Lines with their line feeds; what follows the last line feed is one too.
pub(crate) fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

/// The first so many lines.
pub(crate) fn first_lines(bytes: &[u8], count: usize) -> &[u8] {
    let length = lines(bytes).iter().take(count).map(|line| line.len()).sum();
    &bytes[..length]
}

/// The two runtimes by turns: neither may make a difference.
pub(crate) fn runtime(run: u64) -> &'static str {
    if run.is_multiple_of(2) { "--runtime=current" } else { "--runtime=multi" }
}

pub(crate) fn event(line: &[u8]) -> Value {
    serde_json::from_slice(line).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether `path` is named in what was said.
pub(crate) fn names(told: &str, path: &Path) -> bool {
    told.contains(&path.display().to_string())
}
