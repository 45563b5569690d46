//! Files changed at random, read by the public source in processes of their own.
//!
//! Whatever the bytes: an error that names the file, or rows. Never a panic, never the end of the process, never
//! for long, never in much memory. A child has 256 MiB of data and says what became of each mutant, so that its
//! death or silence is put down to one mutant; another child goes on with the next.
//!
//! A mutant is its number. `BT_SOAK_MUTANTS` says how many there are (`cargo xtask soak` does); one of them alone:
//! `BT_MUTANTS=17..18 cargo test -p bt-data-source --all-features --test mutants child -- --exact --nocapture`.

#![cfg(all(unix, feature = "parquet"))]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod base;
mod child;
mod map;
mod mutate;
mod table;

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::mutate::{KINDS, Mutant};
use crate::table::Table;

/// Mutants in an ordinary run of the tests.
const MUTANTS: u64 = 360;

/// Mutants that one child reads if nothing happens.
const CHUNK: u64 = 250;

/// How long a mutant may take. They take milliseconds.
const LIMIT: Duration = Duration::from_secs(5);

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// An error that names the file.
    Error,
    /// Read as before.
    Equal,
    /// Read as other rows that pass the checks.
    Other,
    /// Read as rows, some of which fail the checks.
    Failed,
    /// An error that does not name the file.
    Nameless,
    /// A panic, whether it reached the caller or was made an error.
    Panic,
    /// The process ended.
    Abort,
    /// It took too long.
    Hang,
    /// It wanted more memory than there was.
    Memory,
}

impl Outcome {
    const ALL: [(Outcome, &'static str); 9] = [
        (Outcome::Error, "error"),
        (Outcome::Equal, "equal"),
        (Outcome::Other, "other"),
        (Outcome::Failed, "failed"),
        (Outcome::Nameless, "nameless"),
        (Outcome::Panic, "panic"),
        (Outcome::Abort, "abort"),
        (Outcome::Hang, "hang"),
        (Outcome::Memory, "memory"),
    ];

    fn name(self) -> &'static str {
        Outcome::ALL[self as usize].1
    }

    fn parse(name: &str) -> Self {
        Outcome::ALL.into_iter().find(|(_, other)| *other == name).unwrap().0
    }

    fn is_allowed(self) -> bool {
        self <= Outcome::Failed
    }
}

/// Not a test of its own: what the children do. Without their variable it does nothing.
#[test]
fn child() {
    if let Ok(numbers) = env::var("BT_MUTANTS") {
        let (from, to) = numbers.split_once("..").unwrap();
        child::run(from.parse().unwrap()..to.parse().unwrap());
    }
}

#[test]
fn r11_a_mutant_is_an_error_that_names_the_file_or_rows() {
    let mutants = env::var("BT_SOAK_MUTANTS").map_or(MUTANTS, |number| number.parse().unwrap());
    let mut outcomes = BTreeMap::new();
    let mut peak = 0;
    let mut from = 0;
    while from < mutants {
        from = read_some(from..mutants.min(from + CHUNK), &mut outcomes, &mut peak);
    }
    assert_eq!(outcomes.len() as u64, mutants);

    let mut table = Table::default();
    outcomes.iter().for_each(|(number, (outcome, _))| table.count(&Mutant::new(*number), *outcome));
    println!("{mutants} mutants, peak of a child {} MiB of resident memory\n{table}", peak >> 10);
    let bad: Vec<_> = outcomes.iter().filter(|(_, (outcome, _))| !outcome.is_allowed()).collect();
    for (number, (outcome, text)) in bad.iter().take(20) {
        println!("{}: {}: {text}", Mutant::new(**number), outcome.name());
    }
    assert!(bad.is_empty(), "{} of {mutants} mutants ended otherwise", bad.len());
    // A harness whose mutants are all alike shows nothing.
    for (kind, _) in KINDS {
        assert!(table.of_kind(kind, Outcome::Error) > 0, "no error by {kind}");
    }
    for outcome in [Outcome::Equal, Outcome::Other, Outcome::Failed] {
        assert!(table.of(outcome) > 0, "no mutant was {}", outcome.name());
    }
}

/// What became of each mutant, and in what words.
type Outcomes = BTreeMap<u64, (Outcome, String)>;

/// Has a child read some mutants. Returns the number of the first that was not read.
fn read_some(numbers: Range<u64>, outcomes: &mut Outcomes, peak: &mut u64) -> u64 {
    let reader = Reader::spawn(&numbers);
    // The one that was begun and not ended.
    let mut begun = None;
    let silent = loop {
        let said = match begun {
            None => reader.lines.recv().map_err(RecvTimeoutError::from),
            Some(_) => reader.lines.recv_timeout(LIMIT),
        };
        let Ok(line) = said else { break said == Err(RecvTimeoutError::Timeout) };
        let words: Vec<_> = line.splitn(4, ' ').collect();
        match words[..] {
            ["mutant", number, "begins"] => begun = Some(number.parse().unwrap()),
            ["mutant", number, outcome, text] => {
                assert_eq!(begun.take(), Some(number.parse().unwrap()));
                outcomes.insert(number.parse().unwrap(), (Outcome::parse(outcome), text.into()));
            }
            ["mutants", "peak", kilobytes] => *peak = kilobytes.parse::<u64>().unwrap().max(*peak),
            _ => {}
        }
    };
    let (ended, complaint) = reader.end(silent);
    match begun {
        None if ended == "exit status: 0" => numbers.end,
        None => panic!("a child ended between mutants ({ended}): {complaint}"),
        Some(number) => {
            let outcome = match (silent, complaint.contains("memory allocation of")) {
                (true, _) => Outcome::Hang,
                (false, true) => Outcome::Memory,
                (false, false) => Outcome::Abort,
            };
            let last = complaint.lines().last().unwrap_or_default();
            outcomes.insert(number, (outcome, format!("{ended}: {last}")));
            number + 1
        }
    }
}

/// A child and what it says.
struct Reader {
    child: Child,
    lines: Receiver<String>,
    complaint: JoinHandle<String>,
}

impl Reader {
    fn spawn(numbers: &Range<u64>) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture", "--test-threads=1"])
            .env("BT_MUTANTS", format!("{}..{}", numbers.start, numbers.end))
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (say, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| say.send(line)));
        let mut stderr = child.stderr.take().unwrap();
        let complaint = thread::spawn(move || {
            let mut bytes = Vec::new();
            stderr.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Reader { child, lines, complaint }
    }

    /// Waits for its end, or brings it about. Returns how it ended, and what it wrote to stderr.
    fn end(mut self, kill: bool) -> (String, String) {
        if kill {
            self.child.kill().unwrap();
        }
        let ended = self.child.wait().unwrap().to_string();
        (ended, self.complaint.join().unwrap())
    }
}
