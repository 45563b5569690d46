//! Rules that hold docs and code together.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::Finding;
use super::files::{Tree, line_starting};

const EVENTS: &str = "docs/events.md";
const DEPENDENCIES: &str = "docs/dependencies.md";

/// What the name of a log event begins with.
const COMPONENTS: [&str; 8] =
    ["SOURCE_", "RESAMPLE_", "FEED_", "BUS_", "ENGINE_", "RUN_", "SERVICE_", "STRATEGY_"];

/// The log events of the code are those of the list, each way.
pub(super) fn events(tree: &Tree) -> Vec<Finding> {
    let listed = first_column(tree, EVENTS);
    let mut findings = Vec::new();
    let mut logged = Vec::new();
    for file in tree.rust.iter().filter(|file| file.path.starts_with("crates/")) {
        for (line, name) in file.strings().into_iter().filter(|(_, text)| is_event(text)) {
            if !listed.contains_key(name) {
                let what = format!("event `{name}` is not listed");
                findings.push(Finding::new(&file.path, line, what, "a row in docs/events.md"));
            }
            logged.push(name);
        }
    }
    for (name, line) in listed.iter().filter(|(name, _)| is_event(name) && !logged.contains(name)) {
        let what = format!("event `{name}` is logged nowhere");
        findings.push(Finding::new(EVENTS, *line, what, "an event of the code"));
    }
    findings
}

fn is_event(text: &str) -> bool {
    COMPONENTS.iter().any(|component| text.len() > component.len() && text.starts_with(component))
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// Every dependency of the root manifest is explained, and nothing else.
pub(super) fn dependencies(tree: &Tree) -> Vec<Finding> {
    let text = tree.text("Cargo.toml").map_or("", |file| &file.text);
    let manifest = text.parse::<Table>().unwrap_or_default();
    let used = manifest.get("workspace").and_then(|w| w.get("dependencies")).and_then(Value::as_table);
    let used: Vec<&str> = used
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .filter(|name| !name.starts_with("bt-"))
        .collect();
    let listed = first_column(tree, DEPENDENCIES);
    let unlisted = used.iter().filter(|name| !listed.contains_key(*name)).map(|name| {
        let what = format!("dependency `{name}` is not explained");
        Finding::new("Cargo.toml", line_starting(text, name), what, "a row in docs/dependencies.md")
    });
    let unused = listed.iter().filter(|(name, _)| !used.contains(name)).map(|(name, line)| {
        let what = format!("`{name}` is no dependency");
        Finding::new(DEPENDENCIES, *line, what, "a name of the root manifest")
    });
    unlisted.chain(unused).collect()
}

/// Every crate has its place in the README and on the map.
pub(super) fn crates(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for page in ["README.md", "docs/architecture.md"] {
        let text = tree.text(page).map_or("", |file| &file.text);
        for member in tree.members.iter().filter(|member| !text.contains(&format!("`{}`", member.name))) {
            let what = format!("crate `{}` is not mentioned", member.name);
            findings.push(Finding::new(page, 1, what, "a word on every crate"));
        }
    }
    findings
}

/// The names in back quotes that begin the rows of a page's tables, with their lines.
fn first_column<'a>(tree: &'a Tree, page: &str) -> BTreeMap<&'a str, usize> {
    let text = tree.text(page).map_or("", |file| &file.text);
    let rows = text.lines().enumerate().filter_map(|(at, line)| {
        let (name, _) = line.strip_prefix("| `")?.split_once('`')?;
        Some((name, at + 1))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::files::scripted::{member, rust, text};

    fn found(findings: &[Finding]) -> Vec<String> {
        findings
            .iter()
            .map(|finding| format!("{}:{}: {}", finding.file, finding.line, finding.what))
            .collect()
    }

    #[test]
    fn events_are_listed_each_way() {
        let mut tree = rust(
            "crates/a/src/x.rs",
            "let e = [\"FEED_A\", \"FEED_\", \"FEED_a\", \"RUST_LOG\"];\nlog(\"FEED_B\");",
        );
        tree.texts = text(EVENTS, "| event | level |\n| `FEED_B` | info |\n| `FEED_C` | warn |\n").texts;
        assert_eq!(
            found(&events(&tree)),
            [
                "crates/a/src/x.rs:1: event `FEED_A` is not listed",
                "docs/events.md:3: event `FEED_C` is logged nowhere"
            ]
        );
    }

    #[test]
    fn dependencies_are_explained_each_way() {
        let mut tree =
            text("Cargo.toml", "[workspace.dependencies]\nbt-core = \"1\"\na = \"1\"\nb = \"1\"\n");
        tree.texts.extend(text(DEPENDENCIES, "| `b` | b |\n| `c` | c |\n").texts);
        assert_eq!(
            found(&dependencies(&tree)),
            ["Cargo.toml:3: dependency `a` is not explained", "docs/dependencies.md:2: `c` is no dependency"]
        );
    }

    #[test]
    fn crates_are_mentioned() {
        let mut tree = member("bt-x", &[]);
        tree.texts = text("README.md", "`bt-x`").texts;
        assert_eq!(found(&crates(&tree)), ["docs/architecture.md:1: crate `bt-x` is not mentioned"]);
    }
}
