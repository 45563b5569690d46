//! What the rules look at: the files of the workspace and its crates.

use std::error::Error;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::rust::RustFile;
use crate::command::cargo;

/// The whole workspace.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) rust: Vec<RustFile>,
    /// All other text files.
    pub(super) texts: Vec<TextFile>,
    pub(super) members: Vec<Member>,
}

/// A text file that is not Rust.
#[derive(Debug)]
pub(super) struct TextFile {
    /// Path from the workspace's root, with forward slashes.
    pub(super) path: String,
    pub(super) text: String,
}

/// A crate of the workspace, as cargo sees it and as its manifest is written.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    /// Path of the manifest from the workspace's root.
    pub(super) manifest: String,
    pub(super) text: String,
    pub(super) dependencies: Vec<Dependency>,
}

/// A dependency as `cargo metadata` tells of it.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// `dev`, `build` or, for a normal one, nothing.
    pub(super) kind: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

impl Tree {
    pub(super) fn text(&self, path: &str) -> Option<&TextFile> {
        self.texts.iter().find(|file| file.path == path)
    }

    /// Whether there is such a file or directory.
    pub(super) fn contains(&self, path: &str) -> bool {
        let below = format!("{path}/");
        let mut paths = self.rust.iter().map(|f| &f.path).chain(self.texts.iter().map(|f| &f.path));
        paths.any(|known| known == path || known.starts_with(&below))
    }
}

impl Member {
    /// The line of the manifest, from 1, that begins with `word`; the first if none does.
    pub(super) fn line(&self, word: &str) -> usize {
        line_starting(&self.text, word)
    }
}

/// The line of `text`, from 1, that begins with the whole word `word`; the first if none does.
pub(super) fn line_starting(text: &str, word: &str) -> usize {
    let begins = |line: &str| line.strip_prefix(word).is_some_and(|rest| rest.starts_with([' ', '.', '=']));
    text.lines().position(begins).map_or(1, |at| at + 1)
}

/// Reads the workspace in `root`.
pub(super) fn load(root: &Path) -> Result<Tree, Box<dyn Error>> {
    let mut tree = Tree::default();
    walk(root, "", &mut tree)?;
    let output = cargo(&["metadata", "--no-deps", "--format-version", "1"]).output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    for Package { name, manifest_path, dependencies } in metadata.packages {
        let manifest = Path::new(&manifest_path).strip_prefix(root)?.to_string_lossy().replace('\\', "/");
        let text = fs::read_to_string(&manifest_path)?;
        tree.members.push(Member { name, manifest, text, dependencies });
    }
    tree.members.sort_by(|a, b| a.manifest.cmp(&b.manifest));
    Ok(tree)
}

/// Adds the text files below `directory`, a path from `root`; what is built, stored by git or generated is
/// left out.
fn walk(root: &Path, directory: &str, tree: &mut Tree) -> Result<(), Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(directory))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    for name in names {
        let path = if directory.is_empty() { name.clone() } else { format!("{directory}/{name}") };
        if matches!(name.as_str(), "target" | ".git" | "Cargo.lock" | "proptest-regressions") {
            continue;
        }
        let full = root.join(&path);
        if full.is_dir() {
            walk(root, &path, tree)?;
        } else if let Ok(text) = fs::read_to_string(&full) {
            if name.ends_with(".rs") {
                tree.rust.push(RustFile::new(path, text));
            } else {
                tree.texts.push(TextFile { path, text });
            }
        }
    }
    Ok(())
}

/// Trees for the tests of rules.
#[cfg(test)]
pub(super) mod scripted {
    use super::*;

    pub(crate) fn rust(path: &str, source: &str) -> Tree {
        Tree { rust: vec![RustFile::new(path, source)], ..Tree::default() }
    }

    pub(crate) fn text(path: &str, text: &str) -> Tree {
        Tree { texts: vec![TextFile { path: path.into(), text: text.into() }], ..Tree::default() }
    }

    /// A tree of one crate that has `dependencies`, each with its kind.
    pub(crate) fn member(name: &str, dependencies: &[(&str, Option<&str>)]) -> Tree {
        let dependencies = dependencies
            .iter()
            .map(|(name, kind)| Dependency { name: (*name).into(), kind: kind.map(str::to_owned) })
            .collect();
        let manifest = format!("crates/{name}/Cargo.toml");
        let member = Member { name: name.into(), manifest, text: String::new(), dependencies };
        Tree { members: vec![member], ..Tree::default() }
    }

    pub(crate) fn manifest(text: &str) -> Tree {
        let manifest = "crates/bt-x/Cargo.toml".to_owned();
        let member = Member { name: "bt-x".into(), manifest, text: text.into(), dependencies: Vec::new() };
        Tree { members: vec![member], ..Tree::default() }
    }
}
