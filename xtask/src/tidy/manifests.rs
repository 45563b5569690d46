//! Rules on how manifests are written.

use toml::{Table, Value};

use super::Finding;
use super::files::{Member, Tree, line_starting};

/// What every crate takes from the workspace.
const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

/// Every crate inherits version, edition and lints.
pub(super) fn inherited(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in &tree.members {
        let Some(manifest) = parse(member, &mut findings) else { continue };
        for key in INHERITED {
            if !inherits(manifest.get("package").and_then(|package| package.get(key))) {
                let what = format!("`{key}` is not inherited");
                findings.push(Finding::new(&member.manifest, member.line(key), what, "`.workspace = true`"));
            }
        }
        if !inherits(manifest.get("lints")) {
            findings.push(Finding::new(&member.manifest, 1, "lints are not inherited", "`workspace = true`"));
        }
    }
    findings
}

/// Every version of a dependency stands in the root manifest.
pub(super) fn versions(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in &tree.members {
        let Some(manifest) = parse(member, &mut findings) else { continue };
        let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
        let tables = std::iter::once(&manifest).chain(targets.filter_map(Value::as_table));
        let lists = tables.flat_map(|table| {
            ["dependencies", "dev-dependencies", "build-dependencies"].map(|kind| table.get(kind))
        });
        for (name, dependency) in lists.flatten().filter_map(Value::as_table).flatten() {
            if !inherits(Some(dependency)) {
                let what = format!("`{name}` has a version or path of its own");
                findings.push(Finding::new(
                    &member.manifest,
                    member.line(name),
                    what,
                    "it from the root manifest, `workspace = true`",
                ));
            }
        }
    }
    findings
}

/// The lint that forbids `unsafe` is on; that all crates inherit it is another rule.
pub(super) fn unsafe_forbidden(tree: &Tree) -> Vec<Finding> {
    let text = tree.text("Cargo.toml").map_or("", |file| &file.text);
    let level = text.parse::<Table>().ok().and_then(|manifest| {
        let lints = manifest.get("workspace")?.get("lints")?.get("rust")?;
        lints.get("unsafe_code")?.as_str().map(str::to_owned)
    });
    if level.as_deref() == Some("forbid") {
        return Vec::new();
    }
    let what = format!("workspace lint `unsafe_code` is {}", level.as_deref().unwrap_or("not set"));
    vec![Finding::new("Cargo.toml", line_starting(text, "unsafe_code"), what, "`forbid`")]
}

fn parse(member: &Member, findings: &mut Vec<Finding>) -> Option<Table> {
    let parsed = member.text.parse::<Table>();
    parsed
        .inspect_err(|error| {
            findings.push(Finding::new(&member.manifest, 1, error.message(), "a valid manifest"));
        })
        .ok()
}

fn inherits(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::files::scripted::{manifest, text};

    const GOOD: &str = "[package]\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\
        [lints]\nworkspace = true\n[dependencies]\nserde.workspace = true\n";

    #[test]
    fn crates_inherit() {
        assert_eq!(inherited(&manifest(GOOD)), []);
        let [finding] =
            &inherited(&manifest(&GOOD.replace("edition.workspace = true", "edition = \"2021\"")))[..]
        else {
            panic!("one finding")
        };
        assert_eq!((finding.line, finding.what.as_str()), (3, "`edition` is not inherited"));
        assert_eq!(inherited(&manifest(&GOOD.replace("[lints]\nworkspace = true\n", ""))).len(), 1);
        assert_eq!(inherited(&manifest("[package")).len(), 1);
    }

    #[test]
    fn versions_stand_in_the_root() {
        assert_eq!(versions(&manifest(GOOD)), []);
        for bad in [
            "[dependencies]\nserde = \"1\"\n",
            "[dev-dependencies]\nserde = { version = \"1\" }\n",
            "[build-dependencies]\nserde = { path = \"../serde\" }\n",
            "[target.'cfg(unix)'.dependencies]\nserde = { git = \"x\" }\n",
        ] {
            let findings = versions(&manifest(bad));
            assert_eq!(findings.len(), 1, "{bad}");
            assert_eq!(findings[0].line, 2, "{bad}");
        }
    }

    #[test]
    fn unsafe_code_is_forbidden() {
        let lints = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n";
        assert_eq!(unsafe_forbidden(&text("Cargo.toml", lints)), []);
        assert_eq!(unsafe_forbidden(&text("Cargo.toml", &lints.replace("forbid", "deny")))[0].line, 2);
        assert_eq!(unsafe_forbidden(&text("Cargo.toml", "")).len(), 1);
    }
}
