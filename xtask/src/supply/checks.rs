//! What may be wrong with what comes in.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::{Graph, Package};
use super::licences::is_met;
use super::policy::Policy;

/// The registry that everything comes from, as it stands in `Cargo.lock`.
pub(super) const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Whoever lets something pass says why.
pub(super) fn reasons(policy: &Policy, _: &Graph) -> Vec<String> {
    let ignored = policy.advisories.ignore.iter().map(|entry| (&entry.id, &entry.reason));
    let skipped = policy.bans.skip.iter().map(|entry| (&entry.package, &entry.reason));
    let banned = policy.bans.deny.iter().map(|entry| (&entry.package, &entry.reason));
    let features = policy.bans.features.iter().map(|entry| (&entry.package, &entry.reason));
    ignored
        .chain(skipped)
        .chain(banned)
        .chain(features)
        .filter(|(_, reason)| reason.as_deref().is_none_or(|reason| reason.trim().is_empty()))
        .map(|(entry, _)| format!("deny.toml: the entry for `{entry}` gives no reason"))
        .collect()
}

pub(super) fn licences(policy: &Policy, graph: &Graph) -> Vec<String> {
    let finding = |package: &Package| match &package.license {
        None => Some(format!("{} states no licence", shown(package))),
        Some(licence) if !is_met(licence, &policy.licenses.allow) => {
            Some(format!("{}: licence `{licence}` is not allowed by deny.toml", shown(package)))
        }
        Some(_) => None,
    };
    graph.packages.iter().filter_map(finding).collect()
}

/// Everything is of the workspace or from the one registry.
pub(super) fn sources(_: &Policy, graph: &Graph) -> Vec<String> {
    let foreign =
        |package: &Package| {
            package.source.as_ref().filter(|source| *source != REGISTRY).map(|source| {
                format!("{} comes from {source}, expected the registry of crates", shown(package))
            })
        };
    graph.packages.iter().filter_map(foreign).collect()
}

/// One version of each package, but for those that are skipped; and nothing is skipped that is not there twice.
pub(super) fn duplicates(policy: &Policy, graph: &Graph) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in &graph.packages {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    let mut used = BTreeSet::new();
    let mut findings = Vec::new();
    for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
        let skip = |version: &&&str| {
            let entry = policy.bans.skip.iter().position(|entry| is_version(&entry.package, name, version));
            used.extend(entry);
            entry.is_none()
        };
        let left: Vec<_> = versions.iter().filter(skip).copied().collect();
        if left.len() > 1 {
            findings.push(format!("`{name}` is there in versions {}, expected one", left.join(", ")));
        }
    }
    let stale = policy.bans.skip.iter().enumerate().filter(|(entry, _)| !used.contains(entry));
    findings.extend(
        stale.map(|(_, entry)| format!("deny.toml: `{}` is skipped, but is no duplicate", entry.package)),
    );
    findings
}

/// Whether `entry` is of this version: `name@1.2` is of all `1.2.x`.
fn is_version(entry: &str, name: &str, version: &str) -> bool {
    entry.split_once('@').is_some_and(|(package, wanted)| {
        let rest = version.strip_prefix(wanted);
        package == name && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

pub(super) fn bans(policy: &Policy, graph: &Graph) -> Vec<String> {
    let mut findings = Vec::new();
    for banned in &policy.bans.deny {
        for package in graph.packages.iter().filter(|package| package.name == banned.package) {
            if banned.wrappers.is_empty() {
                findings.push(format!("{} is banned", shown(package)));
                continue;
            }
            let others = graph.dependents(package).filter(|name| !banned.wrappers.iter().any(|w| w == name));
            findings.extend(
                others.map(|name| format!("`{name}` depends on {}, which is banned", shown(package))),
            );
        }
    }
    findings
}

/// Packages have the features that are allowed, those that these need, and no others.
pub(super) fn features(policy: &Policy, graph: &Graph) -> Vec<String> {
    let mut findings = Vec::new();
    for rule in &policy.bans.features {
        for package in graph.packages.iter().filter(|package| package.name == rule.package) {
            let allowed = with_needed(package, &rule.allow);
            let others = graph.features(package).iter().filter(|feature| !allowed.contains(feature.as_str()));
            findings.extend(
                others.map(|feature| {
                    format!("{} has feature `{feature}`, which is not allowed", shown(package))
                }),
            );
        }
    }
    findings
}

/// These features, those that they need, and so on.
fn with_needed<'a>(package: &'a Package, features: &'a [String]) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut waiting: Vec<&str> = features.iter().map(String::as_str).collect();
    while let Some(feature) = waiting.pop() {
        // `dep:x`, `x/feature` and `x?/feature` are of the optional dependency `x`.
        let feature = feature.strip_prefix("dep:").unwrap_or(feature);
        let feature = feature.split(['/', '?']).next().unwrap_or(feature);
        if found.insert(feature) {
            waiting.extend(package.features.get(feature).into_iter().flatten().map(String::as_str));
        }
    }
    found
}

fn shown(package: &Package) -> String {
    format!("`{} {}`", package.name, package.version)
}

#[cfg(test)]
mod tests {
    use super::super::graph::scripted::graph;
    use super::*;

    fn policy(text: &str) -> Policy {
        toml::from_str(text).unwrap()
    }

    const GOOD: &str = r#"
        [advisories]
        ignore = [{ id = "A-1", reason = "known" }]
        [licenses]
        allow = ["MIT"]
        [bans]
        skip = [{ crate = "a@1", reason = "old" }]
        deny = [{ crate = "b", wrappers = ["a"], reason = "hidden" }, { crate = "c", reason = "not wanted" }]
        features = [{ crate = "b", allow = ["one"], reason = "enough" }]
    "#;

    #[test]
    fn entries_give_reasons() {
        assert_eq!(reasons(&policy(GOOD), &Graph::default()), [] as [&str; 0]);
        for reason in ["known", "old", "hidden", "not wanted", "enough"] {
            let bad = [format!("\"{reason}\""), String::new()];
            assert_eq!(reasons(&policy(&GOOD.replace(&bad[0], "\" \"")), &Graph::default()).len(), 1);
            let gone = GOOD.replace(&format!(", reason = {}", bad[0]), "");
            assert_eq!(reasons(&policy(&gone), &Graph::default()).len(), 1, "{gone}");
        }
    }

    #[test]
    fn licences_are_stated_and_allowed() {
        let graph = graph(&["a 1.0.0 MIT OR ISC", "b 1.0.0 ISC", "c 1.0.0"]);
        assert_eq!(
            licences(&policy(GOOD), &graph),
            ["`b 1.0.0`: licence `ISC` is not allowed by deny.toml", "`c 1.0.0` states no licence"]
        );
    }

    #[test]
    fn packages_come_from_the_registry() {
        let mut graph = graph(&["a 1.0.0 MIT", "b 1.0.0 MIT", "c 1.0.0 MIT"]);
        graph.packages[1].source = None;
        assert_eq!(sources(&policy(GOOD), &graph), [] as [&str; 0]);
        graph.packages[2].source = Some("git+file:///c".into());
        assert_eq!(
            sources(&policy(GOOD), &graph),
            ["`c 1.0.0` comes from git+file:///c, expected the registry of crates"]
        );
    }

    #[test]
    fn duplicates_are_listed_and_the_list_is_not_stale() {
        let found = |packages: &[&str]| duplicates(&policy(GOOD), &graph(packages));
        assert_eq!(found(&["a 1.2.3 MIT", "a 2.0.0 MIT", "b 1.0.0 MIT"]), [] as [&str; 0]);
        assert_eq!(
            found(&["a 1.2.3 MIT", "a 2.0.0 MIT", "a 11.0.0 MIT"]),
            ["`a` is there in versions 11.0.0, 2.0.0, expected one"]
        );
        assert_eq!(found(&["a 1.2.3 MIT"]), ["deny.toml: `a@1` is skipped, but is no duplicate"]);
    }

    #[test]
    fn what_is_banned_is_known_to_its_wrappers_only() {
        let packages =
            graph(&["a 1.0.0 MIT", "b 1.0.0 MIT", "d 1.0.0 MIT"]).with("a@1.0.0", &["b@1.0.0"], &[]);
        assert_eq!(bans(&policy(GOOD), &packages), [] as [&str; 0]);
        let packages = packages.with("d@1.0.0", &["b@1.0.0"], &[]);
        assert_eq!(bans(&policy(GOOD), &packages), ["`d` depends on `b 1.0.0`, which is banned"]);
        assert_eq!(bans(&policy(GOOD), &graph(&["c 1.0.0 MIT"])), ["`c 1.0.0` is banned"]);
    }

    #[test]
    fn features_are_those_allowed_and_what_they_need() {
        let mut graph = graph(&["b 1.0.0 MIT"]).with("b@1.0.0", &[], &["one", "two", "dep", "three"]);
        let needs = ["two", "dep:dep", "other?/std"].map(str::to_owned).to_vec();
        graph.packages[0].features = [("one".to_owned(), needs)].into();
        assert_eq!(features(&policy(GOOD), &graph), ["`b 1.0.0` has feature `three`, which is not allowed"]);
    }
}
