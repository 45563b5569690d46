//! A Rust file as the rules look at it.

use std::ops::RangeInclusive;

use super::mask::{Kind, is_word, keep, kinds};

/// One Rust file: its code without comments and literals, and which lines are tests.
#[derive(Debug)]
pub(super) struct RustFile {
    /// Path from the workspace's root, with forward slashes.
    pub(super) path: String,
    pub(super) source: String,
    /// The source with comments and literals blanked.
    pub(super) code: String,
    /// The source with literals blanked.
    pub(super) unquoted: String,
    kinds: Vec<Kind>,
    tests: Vec<RangeInclusive<usize>>,
}

impl RustFile {
    pub(super) fn new(path: impl Into<String>, source: impl Into<String>) -> Self {
        let (path, source) = (path.into(), source.into());
        let kinds = kinds(&source);
        let code = keep(&source, &kinds, &[Kind::Code]);
        let unquoted = keep(&source, &kinds, &[Kind::Code, Kind::Comment]);
        let tests = if is_test_path(&path) { vec![1..=usize::MAX] } else { test_items(&code) };
        RustFile { path, source, code, unquoted, kinds, tests }
    }

    /// The crate's directory: `crates/bt-core`, `benches`, `xtask`.
    pub(super) fn member(&self) -> &str {
        let depth = if self.path.starts_with("crates/") { 2 } else { 1 };
        self.path.match_indices('/').nth(depth - 1).map_or("", |(end, _)| &self.path[..end])
    }

    /// Whether `line`, from 1, is part of a test.
    pub(super) fn is_test(&self, line: usize) -> bool {
        self.tests.iter().any(|lines| lines.contains(&line))
    }

    /// Lines of code, comments and literals that are no tests.
    pub(super) fn length(&self) -> usize {
        (1..=self.source.lines().count()).filter(|line| !self.is_test(*line)).count()
    }

    /// Lines, from 1, with their code, tests included or not.
    pub(super) fn code_lines(&self, tests: bool) -> impl Iterator<Item = (usize, &str)> {
        self.code
            .lines()
            .enumerate()
            .map(|(n, text)| (n + 1, text))
            .filter(move |(n, _)| tests || !self.is_test(*n))
    }

    /// The content of string literals that are no tests, with the lines they begin in.
    pub(super) fn strings(&self) -> Vec<(usize, &str)> {
        let mut strings = Vec::new();
        let mut at = 0;
        while at < self.kinds.len() {
            let run = self.kinds[at..].iter().take_while(|kind| **kind == self.kinds[at]).count();
            if self.kinds[at] == Kind::Literal {
                let line = line_of(&self.source, at);
                if !self.is_test(line) {
                    strings.push((line, &self.source[at..at + run]));
                }
            }
            at += run;
        }
        strings
    }
}

/// The line, from 1, that holds byte `at`.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Where `word` stands in `text` as a whole word: no letter, digit or underscore on either side.
pub(super) fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let (bytes, end) = (text.as_bytes(), at + word.len());
        let before = at.checked_sub(1).map(|at| bytes[at]);
        !before.is_some_and(is_word) && !bytes.get(end).copied().is_some_and(is_word)
    })
}

/// Number of bytes up to and including the bracket that closes the first `open` of `code`.
pub(super) fn closing(code: &str, open: u8, close: u8) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate() {
        if byte == open {
            depth += 1;
        } else if byte == close {
            depth -= 1;
            if depth == 0 {
                return Some(at + 1);
            }
        }
    }
    None
}

fn is_test_path(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// Lines of the items under `#[cfg(test)]` and `#[test]`.
fn test_items(code: &str) -> Vec<RangeInclusive<usize>> {
    let mut items = Vec::new();
    for attribute in ["#[cfg(test)]", "#[cfg(all(test", "#[test]"] {
        for (at, _) in code.match_indices(attribute) {
            let rest = &code[at..];
            let Some(body) = rest.find(['{', ';']) else { continue };
            let length = match rest.as_bytes()[body] {
                b'{' => body + closing(&rest[body..], b'{', b'}').unwrap_or(rest.len() - body),
                _ => body + 1,
            };
            items.push(line_of(code, at)..=line_of(code, at + length - 1));
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str =
        "fn a() { x(\"one\") }\n\n#[cfg(test)]\nmod tests {\n    fn b() { \"}\"; }\n}\nfn c() {}\n";

    #[test]
    fn tests_are_told_from_the_rest() {
        let file = RustFile::new("crates/a/src/x.rs", SOURCE);
        assert_eq!((1..=7).filter(|n| file.is_test(*n)).collect::<Vec<_>>(), [3, 4, 5, 6]);
        assert_eq!(file.length(), 3);
        assert_eq!(file.strings(), [(1, "one")]);
        assert!(RustFile::new("crates/a/tests/x.rs", SOURCE).is_test(1));
        assert!(RustFile::new("crates/a/src/x/tests.rs", SOURCE).is_test(1));
    }

    #[test]
    fn a_file_knows_its_member() {
        for (path, member) in [
            ("crates/bt-core/src/a/b.rs", "crates/bt-core"),
            ("xtask/src/main.rs", "xtask"),
            ("benches/benches/feed.rs", "benches"),
        ] {
            assert_eq!(RustFile::new(path, "").member(), member);
        }
    }

    #[test]
    fn words_have_borders() {
        assert_eq!(words("unsafe_code unsafe {", "unsafe").collect::<Vec<_>>(), [12]);
    }
}
