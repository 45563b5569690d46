//! Rules on Rust code.

use super::Finding;
use super::files::Tree;
use super::rust::{RustFile, closing, line_of, words};

/// Lines of a file that are no tests.
const LONGEST_FILE: usize = 400;

/// Crates that frames and logs pass through in order: nothing in them may depend on the order of a hash.
const DATA_PATH: [&str; 5] =
    ["crates/bt-core", "crates/bt-resample", "crates/bt-feeder", "crates/bt-bus", "crates/bt-engine"];

/// Crates that know no time but that of the data.
const TIMELESS: [&str; 3] = ["crates/bt-core", "crates/bt-resample", "crates/bt-feeder"];

/// The one file of them that shows the system's clock to others.
const CLOCK: &str = "crates/bt-core/src/clock.rs";

pub(super) fn no_unsafe(tree: &Tree) -> Vec<Finding> {
    in_code(tree, &["unsafe"], true, |_| true, "safe code")
}

/// The test kit counts as tests.
pub(super) fn no_unwrap(tree: &Tree) -> Vec<Finding> {
    let expected = "an error, or an `expect` that states the invariant";
    in_lines(tree, &[".unwrap()", ".expect(\"\")"], expected, |file, line| {
        !file.is_test(line) && file.member() != "crates/bt-testkit"
    })
}

/// `#[allow]` and `#[expect]` say why.
pub(super) fn allow_reasons(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.rust {
        for opening in ["#[allow(", "#![allow(", "#[expect(", "#![expect("] {
            for (at, _) in file.code.match_indices(opening) {
                let rest = &file.code[at..];
                let attribute = &rest[..closing(rest, b'[', b']').unwrap_or(rest.len())];
                if !attribute.contains("reason =") {
                    let what = format!("`{opening}…)]` gives no reason");
                    findings.push(Finding::new(
                        &file.path,
                        line_of(&file.code, at),
                        what,
                        "`reason = \"…\"`",
                    ));
                }
            }
        }
    }
    findings
}

/// No test and no example is switched off.
pub(super) fn no_ignored_tests(tree: &Tree) -> Vec<Finding> {
    let mut findings = in_lines(tree, &["#[ignore"], "a test that runs", |_, _| true);
    for file in &tree.rust {
        for (number, line) in file.unquoted.lines().enumerate() {
            let comment = line.trim_start().trim_start_matches(['/', '!']).trim_start();
            if comment.starts_with("```ignore") {
                let what = "an example is ignored";
                findings.push(Finding::new(&file.path, number + 1, what, "one that compiles"));
            }
        }
    }
    findings
}

/// No placeholder, in code or comments or docs.
pub(super) fn nothing_unfinished(tree: &Tree) -> Vec<Finding> {
    const EXPECTED: &str = "finished work";
    let mut findings = in_code(tree, &["todo!", "unimplemented!"], true, |_| true, EXPECTED);
    let comments = tree.rust.iter().map(|file| (&file.path, &file.unquoted));
    let texts = tree.texts.iter().map(|file| (&file.path, &file.text));
    for (path, text) in comments.chain(texts) {
        for mark in ["TODO", "FIXME"] {
            for at in words(text, mark) {
                findings.push(Finding::new(path, line_of(text, at), format!("`{mark}`"), EXPECTED));
            }
        }
    }
    findings
}

/// Tests wait for what they wait for, not for the clock on the wall.
pub(super) fn no_waits_in_tests(tree: &Tree) -> Vec<Finding> {
    in_lines(tree, &["thread::sleep"], "a wake-up, a channel or paused time", RustFile::is_test)
}

/// Streams are written by hand.
pub(super) fn no_generators(tree: &Tree) -> Vec<Finding> {
    let macros = ["async_stream", "stream!", "try_stream!", "genawaiter"];
    in_code(tree, &macros, true, |_| true, "a hand-written stream with an explicit state")
}

pub(super) fn no_hashing(tree: &Tree) -> Vec<Finding> {
    let kept = |file: &RustFile| DATA_PATH.contains(&file.member()) && !file.path.contains("/tests/");
    in_code(tree, &["HashMap", "HashSet"], false, kept, "an ordered collection")
}

pub(super) fn no_wall_clock(tree: &Tree) -> Vec<Finding> {
    let kept = |file: &RustFile| TIMELESS.contains(&file.member()) && file.path != CLOCK;
    in_code(tree, &["SystemTime", "Instant", "Utc::now"], false, kept, "the time of the data, or a `Clock`")
}

/// A library's root shows what there is and does nothing.
pub(super) fn bare_lib(tree: &Tree) -> Vec<Finding> {
    const KINDS: [&str; 6] = ["mod ", "pub mod ", "pub(crate) mod ", "use ", "pub use ", "pub(crate) use "];
    let mut findings = Vec::new();
    for file in tree.rust.iter().filter(|file| file.path.ends_with("/src/lib.rs")) {
        if !file.source.starts_with("//!") {
            findings.push(Finding::new(&file.path, 1, "no crate docs", "`//!` from the first line"));
        }
        let items = without_attributes(&file.code);
        let mut at = 0;
        for item in items.split_inclusive(';') {
            let text = item.trim_start();
            let known = KINDS.iter().any(|kind| text.starts_with(kind));
            if !text.is_empty() && (!known || (text.contains('{') && !text.contains("use "))) {
                let line = line_of(&items, at + item.len() - text.len());
                let what = format!("`{}` is an item", text.lines().next().unwrap_or(text).trim_end());
                findings.push(Finding::new(&file.path, line, what, "only docs, `mod` and `use`"));
            }
            at += item.len();
        }
    }
    findings
}

/// `code` with its attributes blanked; line ends stay.
fn without_attributes(code: &str) -> String {
    let mut rest = code.to_owned();
    for opening in ["#![", "#["] {
        while let Some(at) = rest.find(opening) {
            let length = closing(&rest[at..], b'[', b']').unwrap_or(rest.len() - at);
            let blank: String =
                rest[at..at + length].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
            rest.replace_range(at..at + length, &blank);
        }
    }
    rest
}

/// A public stream is fused, and a warning if it is dropped unpolled.
pub(super) fn streams(tree: &Tree) -> Vec<Finding> {
    const STREAM: &str = "Stream for ";
    let mut findings = Vec::new();
    for file in &tree.rust {
        for at in words(&file.code, STREAM.trim_end()) {
            let line = line_of(&file.code, at);
            let subject = file.code[at..].strip_prefix(STREAM).unwrap_or_default();
            let name = &subject[..subject.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(0)];
            let declared = ["pub struct ", "pub enum "].iter().find_map(|kind| {
                let declaration = format!("{kind}{name}");
                words(&file.code, &declaration).next()
            });
            let Some(declared) = declared.filter(|_| !name.is_empty() && !file.is_test(line)) else {
                continue;
            };
            let before = &file.code[..declared];
            let attributes = &before[before.rfind(['{', '}', ';']).map_or(0, |brace| brace + 1)..];
            if !attributes.contains("#[must_use") {
                let what = format!("stream `{name}` is not `#[must_use]`");
                findings.push(Finding::new(
                    &file.path,
                    line_of(&file.code, declared),
                    what,
                    "`#[must_use = \"streams do nothing unless polled\"]`",
                ));
            }
            if words(&file.code, &format!("FusedStream for {name}")).next().is_none() {
                let what = format!("stream `{name}` is not fused");
                findings.push(Finding::new(&file.path, line, what, "`impl FusedStream` in the same file"));
            }
        }
    }
    findings
}

pub(super) fn short_files(tree: &Tree) -> Vec<Finding> {
    let long =
        tree.rust.iter().map(|file| (file, file.length())).filter(|(_, length)| *length > LONGEST_FILE);
    long.map(|(file, length)| {
        Finding::new(&file.path, 1, format!("{length} lines before tests"), "at most 400, in more files")
    })
    .collect()
}

/// Findings for whole words in the code of files that `of` picks, in tests too if `tests`.
fn in_code(
    tree: &Tree,
    unwanted: &[&str],
    tests: bool,
    of: impl Fn(&RustFile) -> bool,
    expected: &'static str,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust.iter().filter(|file| of(file)) {
        for (line, code) in file.code_lines(tests) {
            for word in unwanted {
                findings.extend(
                    words(code, word).map(|_| Finding::new(&file.path, line, format!("`{word}`"), expected)),
                );
            }
        }
    }
    findings
}

/// Findings for bits of code in lines that `of` picks.
fn in_lines(
    tree: &Tree,
    unwanted: &[&str],
    expected: &'static str,
    of: impl Fn(&RustFile, usize) -> bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.rust {
        for (line, code) in file.code_lines(true).filter(|(line, _)| of(file, *line)) {
            let bits = unwanted.iter().filter(|bit| code.contains(**bit));
            findings.extend(bits.map(|bit| Finding::new(&file.path, line, format!("`{bit}`"), expected)));
        }
    }
    findings
}

#[cfg(test)]
mod tests;
