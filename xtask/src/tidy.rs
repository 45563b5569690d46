//! `cargo xtask tidy`: the rules that a machine can prove.

mod crates;
mod files;
mod manifests;
mod mask;
mod records;
mod rust;
mod style;
mod text;

use std::fmt;

use crate::Outcome;
use crate::command::{no_arguments, root};
use files::{Tree, load};

/// A rule: what it finds in the tree.
type Rule = fn(&Tree) -> Vec<Finding>;

/// Every rule, by name.
const RULES: [(&str, Rule); 23] = [
    ("layers", crates::layers),
    ("allowed dependencies", crates::allowed),
    ("test kit only in tests", crates::test_kit),
    ("inherited manifests", manifests::inherited),
    ("dependency versions in the root", manifests::versions),
    ("unsafe forbidden", manifests::unsafe_forbidden),
    ("no unsafe", style::no_unsafe),
    ("no unwrap", style::no_unwrap),
    ("allowances give reasons", style::allow_reasons),
    ("no ignored tests", style::no_ignored_tests),
    ("nothing unfinished", style::nothing_unfinished),
    ("no waits in tests", style::no_waits_in_tests),
    ("no generators", style::no_generators),
    ("no hashed collections on the data path", style::no_hashing),
    ("no wall clock on the data path", style::no_wall_clock),
    ("lib.rs has no logic", style::bare_lib),
    ("streams are fused and must be used", style::streams),
    ("short files", style::short_files),
    ("no absolute paths", text::no_absolute_paths),
    ("links resolve", text::links),
    ("log events are listed", records::events),
    ("dependencies are explained", records::dependencies),
    ("crates are listed", records::crates),
];

/// Where a rule is broken.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    file: String,
    line: usize,
    what: String,
    expected: &'static str,
}

impl Finding {
    /// A finding in `line` of `file`, counted from 1.
    fn new(file: impl Into<String>, line: usize, what: impl Into<String>, expected: &'static str) -> Self {
        Finding { file: file.into(), line, what: what.into(), expected }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}, expected {}", self.file, self.line, self.what, self.expected)
    }
}

pub(crate) fn run(arguments: &[String]) -> Outcome {
    no_arguments(arguments)?;
    let tree = load(&root())?;
    let mut found = 0;
    for (name, rule) in RULES {
        for finding in rule(&tree) {
            println!("{finding} [{name}]");
            found += 1;
        }
    }
    if found == 0 {
        println!("{} rules hold in {} files", RULES.len(), tree.rust.len() + tree.texts.len());
        Ok(())
    } else {
        Err(format!("{found} findings").into())
    }
}
