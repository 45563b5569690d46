//! Rules on who may depend on whom.

use super::Finding;
use super::files::{Dependency, Member, Tree};

/// Who knows all siblings: the binary and the tools.
const TOP: [&str; 3] = ["bt-cli", "benches", "xtask"];

/// What each library may use outside its tests.
const ALLOWED: [(&str, &[&str]); 8] = [
    ("bt-core", &["chrono", "futures-core", "futures-sink", "pin-project-lite", "thiserror"]),
    (
        "bt-data-source",
        &[
            "arrow2",
            "bt-core",
            "chrono",
            "flate2",
            "futures-core",
            "futures-sink",
            "lz4_flex",
            "pin-project-lite",
            "rand_core",
            "rand_pcg",
            "reqwest",
            "rustix",
            "rustls",
            "serde",
            "serde_json",
            "snap",
            "thiserror",
            "tokio",
            "tokio-tungstenite",
            "tracing",
            "webpki-roots",
            "zstd",
        ],
    ),
    ("bt-resample", &["bt-core", "futures-core", "pin-project-lite"]),
    ("bt-feeder", &["bt-core", "futures-core", "pin-project-lite"]),
    (
        "bt-bus",
        &[
            "bt-core",
            "futures-core",
            "futures-sink",
            "loom",
            "pin-project-lite",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
            "tracing",
        ],
    ),
    (
        "bt-engine",
        &["bt-core", "futures-core", "futures-sink", "pin-project-lite", "thiserror", "tokio", "tracing"],
    ),
    (
        "bt-serve",
        &[
            "bt-core",
            "futures-core",
            "futures-sink",
            "rand_core",
            "rand_pcg",
            "serde_json",
            "thiserror",
            "tokio",
            "tokio-tungstenite",
            "tracing",
        ],
    ),
    ("bt-testkit", &["bt-core", "futures", "pin-project-lite", "proptest", "tokio-test"]),
];

/// No library knows a sibling other than `bt-core`.
pub(super) fn layers(tree: &Tree) -> Vec<Finding> {
    let libraries = tree.members.iter().filter(|member| !TOP.contains(&member.name.as_str()));
    find(libraries, |_, dependency| {
        let sibling = dependency.name.starts_with("bt-") && dependency.name != "bt-core";
        (sibling && dependency.kind.as_deref() != Some("dev") && dependency.name != "bt-testkit")
            .then_some("no sibling other than bt-core")
    })
}

/// A library uses what the list above allows it.
pub(super) fn allowed(tree: &Tree) -> Vec<Finding> {
    let libraries = tree.members.iter().filter(|member| !TOP.contains(&member.name.as_str()));
    let mut findings = Vec::new();
    for member in libraries {
        let Some((_, list)) = ALLOWED.iter().find(|(name, _)| *name == member.name) else {
            let what = format!("`{}` has no list of allowed dependencies", member.name);
            findings.push(Finding::new(&member.manifest, 1, what, "one in xtask/src/tidy/crates.rs"));
            continue;
        };
        findings.extend(find([member], |_, dependency| {
            let foreign = !list.contains(&dependency.name.as_str()) && !dependency.name.starts_with("bt-");
            (foreign && dependency.kind.as_deref() != Some("dev"))
                .then_some("a crate of its list in xtask/src/tidy/crates.rs")
        }));
    }
    findings
}

/// The test kit is for tests.
pub(super) fn test_kit(tree: &Tree) -> Vec<Finding> {
    find(&tree.members, |_, dependency| {
        (dependency.name == "bt-testkit" && dependency.kind.as_deref() != Some("dev"))
            .then_some("it as a dev-dependency only")
    })
}

fn find<'a>(
    members: impl IntoIterator<Item = &'a Member>,
    rule: impl Fn(&Member, &Dependency) -> Option<&'static str>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in members {
        for dependency in &member.dependencies {
            if let Some(expected) = rule(member, dependency) {
                let what = format!("`{}` depends on `{}`", member.name, dependency.name);
                findings.push(Finding::new(&member.manifest, member.line(&dependency.name), what, expected));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::files::scripted::member;

    const DEV: Option<&str> = Some("dev");

    #[test]
    fn a_library_knows_no_sibling_but_core() {
        let [finding] = &layers(&member("bt-feeder", &[("bt-core", None), ("bt-bus", None)]))[..] else {
            panic!("one finding")
        };
        assert_eq!(
            finding.to_string(),
            "crates/bt-feeder/Cargo.toml:1: `bt-feeder` depends on `bt-bus`, expected no sibling other than bt-core"
        );
        assert_eq!(layers(&member("bt-core", &[("bt-bus", Some("build"))])).len(), 1);
        assert_eq!(layers(&member("bt-feeder", &[("bt-core", None), ("bt-bus", DEV)])), []);
        assert_eq!(layers(&member("bt-cli", &[("bt-bus", None)])), []);
    }

    #[test]
    fn a_library_uses_what_it_is_allowed() {
        assert_eq!(allowed(&member("bt-core", &[("chrono", None), ("tokio", None)])).len(), 1);
        assert_eq!(allowed(&member("bt-new", &[])).len(), 1);
        assert_eq!(allowed(&member("bt-core", &[("chrono", None), ("tokio", DEV)])), []);
    }

    #[test]
    fn the_test_kit_is_for_tests() {
        assert_eq!(test_kit(&member("bt-cli", &[("bt-testkit", None)])).len(), 1);
        assert_eq!(test_kit(&member("bt-cli", &[("bt-testkit", DEV)])), []);
    }
}
