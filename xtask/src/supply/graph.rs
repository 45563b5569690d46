//! The packages of the build, on every system and with all features.

use std::collections::BTreeMap;
use std::process::Stdio;

use serde::Deserialize;

use crate::command::{cargo, shown};

#[derive(Debug, Default, Deserialize)]
pub(super) struct Graph {
    pub(super) packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Package {
    id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) license: Option<String>,
    /// Where it comes from; nothing for a member of the workspace.
    pub(super) source: Option<String>,
    /// What each of its features needs.
    pub(super) features: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Default, Deserialize)]
struct Node {
    id: String,
    dependencies: Vec<String>,
    features: Vec<String>,
}

impl Graph {
    pub(super) fn of_workspace() -> Result<Self, Box<dyn std::error::Error>> {
        let mut metadata = cargo(&["metadata", "--locked", "--format-version", "1", "--all-features"]);
        let output = metadata.stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(format!("{} failed: {}", shown(&metadata), output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Names of the packages that depend on `package` directly.
    pub(super) fn dependents(&self, package: &Package) -> impl Iterator<Item = &str> {
        let nodes = self.resolve.nodes.iter().filter(|node| node.dependencies.contains(&package.id));
        nodes.filter_map(|node| self.packages.iter().find(|package| package.id == node.id)).map(|p| &*p.name)
    }

    /// The features with which it is built.
    pub(super) fn features(&self, package: &Package) -> &[String] {
        let node = self.resolve.nodes.iter().find(|node| node.id == package.id);
        node.map_or(&[], |node| &node.features)
    }
}

#[cfg(test)]
pub(super) mod scripted {
    use super::*;

    /// Packages as `name version licence`, each from the registry.
    pub(in crate::supply) fn graph(packages: &[&str]) -> Graph {
        let package = |text: &&str| {
            let mut words = text.splitn(3, ' ').map(str::to_owned);
            let [name, version] = [(); 2].map(|()| words.next().unwrap());
            let source = Some(super::super::checks::REGISTRY.to_owned());
            let (id, license) = (format!("{name}@{version}"), words.next());
            Package { id, name, version, license, source, features: BTreeMap::new() }
        };
        Graph { packages: packages.iter().map(package).collect(), resolve: Resolve::default() }
    }

    impl Graph {
        pub(in crate::supply) fn with(mut self, id: &str, dependencies: &[&str], features: &[&str]) -> Self {
            let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            let node =
                Node { id: id.to_owned(), dependencies: owned(dependencies), features: owned(features) };
            self.resolve.nodes.push(node);
            self
        }
    }
}
