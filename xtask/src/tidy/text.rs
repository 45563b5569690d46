//! Rules on every text file.

use super::Finding;
use super::files::Tree;
use super::mask::is_word;
use super::rust::line_of;

/// Directories of a machine's root that nothing here may name.
const DIRECTORIES: [&str; 4] = ["home", "work", "root", "tmp"];

/// Nothing depends on where somebody's files lie.
pub(super) fn no_absolute_paths(tree: &Tree) -> Vec<Finding> {
    let sources = tree.rust.iter().map(|file| (&file.path, &file.source));
    let texts = tree.texts.iter().map(|file| (&file.path, &file.text));
    let mut findings = Vec::new();
    for (path, text) in sources.chain(texts) {
        for directory in DIRECTORIES {
            let place = format!("/{directory}");
            for (at, _) in text.match_indices(&place) {
                let before = text[..at].bytes().next_back();
                let after = text.as_bytes().get(at + place.len());
                let inside = before.is_some_and(|b| is_word(b) || b".-)}]>*/$~".contains(&b));
                if !inside && !after.copied().is_some_and(|b| is_word(b) || b == b'-') {
                    let what = format!("absolute path `{place}…`");
                    findings.push(Finding::new(path, line_of(text, at), what, "a relative one"));
                }
            }
        }
    }
    findings
}

/// Relative links in Markdown lead to files.
pub(super) fn links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.texts.iter().filter(|file| file.path.ends_with(".md")) {
        for (at, opening) in file.text.match_indices("](") {
            let rest = &file.text[at + opening.len()..];
            let target = &rest[..rest.find([')', ' ', '\n']).unwrap_or(rest.len())];
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains(':') {
                continue;
            }
            if !resolve(&file.path, target).is_some_and(|path| path.is_empty() || tree.contains(&path)) {
                let what = format!("link to `{target}`");
                findings.push(Finding::new(&file.path, line_of(&file.text, at), what, "a file that exists"));
            }
        }
    }
    findings
}

/// The path from the root of what `file` calls `target`; `None` if it leaves the workspace.
fn resolve(file: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in target.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            parts.pop()?;
        } else {
            parts.push(part);
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::files::scripted::{rust, text};

    #[test]
    fn absolute_paths_are_found_in_code_and_docs() {
        for directory in DIRECTORIES {
            let bad = format!("let a = 1;\nlet b = \"/{directory}/x\";");
            assert_eq!(no_absolute_paths(&rust("xtask/src/x.rs", &bad))[0].line, 2);
            assert_eq!(no_absolute_paths(&text("docs/x.md", &format!("in `/{directory}`."))).len(), 1);
            for good in ["target/{}/x", "../{}/x", "https://example.org/{}", "/{}stead", "$(pwd)/{}"] {
                let good = good.replace("{}", directory);
                assert_eq!(no_absolute_paths(&text("docs/x.md", &good)), [], "{good}");
            }
        }
    }

    #[test]
    fn broken_links_are_found() {
        let mut tree = text(
            "docs/a.md",
            "[b](b.md) [c](../c.md#x)\n[d](#e) [f](https://example.org) [g](.) [h](../docs)",
        );
        let found = |tree: &Tree| links(tree).iter().map(|f| (f.line, f.what.clone())).collect::<Vec<_>>();
        assert_eq!(found(&tree), [(1, "link to `b.md`".into()), (1, "link to `../c.md`".into())]);
        tree.texts.extend(text("docs/b.md", "").texts);
        tree.texts.extend(text("c.md", "[out](../../x.md)").texts);
        assert_eq!(found(&tree), [(1, "link to `../../x.md`".into())]);
    }
}
