//! Data sets of which a test may do with its own what it likes, and the binary over them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const SYMBOLS: [&str; 6] = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "ADAUSDT"];
pub(crate) const MONTHS: u32 = 2;

/// Made once, copied by whoever wants to change it.
static DATA: LazyLock<TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let mut synth = bt();
    synth.args(["synth", "--gaps", "0.01", "--seed", "3", "--out"]).arg(dir.path());
    synth.args([format!("--instruments={}", SYMBOLS.len()), format!("--months={MONTHS}")]);
    let output = synth.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    dir
});

pub(crate) fn bt() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("bt"));
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// A directory with a data set under `data`, and room for results.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        link(DATA.path(), &dir.path().join("data"));
        Place(dir)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The directory of a symbol's year.
    pub(crate) fn year(&self, symbol: &str) -> PathBuf {
        self.path("data/exchange=binance/market=spot")
            .join(format!("symbol={symbol}/type=candle/timeframe=1m/year=2024"))
    }

    /// The file of a symbol's month.
    pub(crate) fn month(&self, symbol: &str, month: u32) -> PathBuf {
        self.year(symbol).join(format!("{symbol}-1m-2024-{month}.parquet"))
    }

    /// A command over these series, all there is of them.
    pub(crate) fn feed(&self, command: &str, symbols: &[&str], timeframe: &str) -> Command {
        let mut feed = bt();
        feed.args([command, "--from=2024-01-01", "--to=2024-03-01", "--format=csv", "--data"]);
        feed.arg(self.path("data"));
        feed.args(symbols.iter().map(|symbol| format!("--series=binance.spot:{symbol}@{timeframe}")));
        feed
    }

    pub(crate) fn fifo(&self, name: &str) -> PathBuf {
        fifo(&self.path(name));
        self.path(name)
    }

    /// Names of what is there but the data set.
    pub(crate) fn results(&self) -> Vec<String> {
        let names = fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> =
            names.map(|name| name.into_string().unwrap()).filter(|name| name != "data").collect();
        names.sort();
        names
    }
}

/// Copies a tree whose files may be replaced, and must not be written to: they are the same.
fn link(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            link(&entry.path(), &to)
        } else {
            fs::hard_link(entry.path(), to).unwrap()
        }
    }
}

pub(crate) fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Runs it with a limit on the size of files, in units of the shell: 512 or 1024 bytes.
pub(crate) fn limited(units: u32, command: &Command) -> Output {
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -f {units}; exec \"$@\""), "sh"]);
    limited.arg(command.get_program()).args(command.get_args());
    limited.env_remove("RUST_LOG").stdin(Stdio::null()).output().unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What it said, which is one line that names `path`, with this exit code.
pub(crate) fn told(output: &Output, code: i32, path: &Path, what: &str) -> String {
    let told = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{what}: {told}");
    assert!(told.contains(&path.display().to_string()), "{what}: {told}");
    assert!(told.starts_with("error: ") && told.lines().count() == 1, "{what}: {told}");
    told
}

pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
