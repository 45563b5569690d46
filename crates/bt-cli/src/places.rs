//! Where results go: each to a place of its own.

use std::fs;
use std::path::{Path, PathBuf};

use crate::args::{Format, OutputArgs, RecordArgs};
use crate::failure::Failure;

/// An error if two of these options, with the files that they name, name the same file: the one would destroy what
/// the other has written. Pipes and devices may have several writers.
pub(crate) fn distinct<'a>(
    options: impl IntoIterator<Item = (&'static str, Option<&'a Path>)>,
) -> Result<(), Failure> {
    let mut seen: Vec<(&str, &Path, Place)> = Vec::new();
    for (option, path) in options {
        let Some((path, place)) = path.and_then(|path| Some((path, place(path)?))) else { continue };
        if let Some((other, theirs, _)) = seen.iter().find(|(_, _, taken)| *taken == place) {
            return Err(Failure::usage(format!(
                "--{other} {} and --{option} {} name the same file, expected a file for each",
                theirs.display(),
                path.display()
            )));
        }
        seen.push((option, path, place));
    }
    Ok(())
}

/// The options of a command that name files which it writes, and the one that it was told to work by.
pub(crate) fn of<'a>(
    config: Option<&'a Path>,
    format: Format,
    output: &'a OutputArgs,
    record: &'a RecordArgs,
) -> [(&'static str, Option<&'a Path>); 4] {
    let out = (format != Format::None && output.out != Path::new("-")).then_some(&*output.out);
    [("config", config), ("out", out), ("log", record.log.as_deref()), ("report", record.report.as_deref())]
}

/// What tells one file from another.
#[derive(PartialEq, Eq)]
enum Place {
    /// One that is there: its device and number, or its only path.
    #[cfg(unix)]
    File(u64, u64),
    #[cfg(not(unix))]
    File(PathBuf),
    /// One that is to be made: its directory and name.
    Name(PathBuf),
}

fn place(path: &Path) -> Option<Place> {
    let Ok(found) = path.metadata() else { return name(path.to_owned()).map(Place::Name) };
    if !found.is_file() {
        return None;
    }
    #[cfg(unix)]
    return {
        use std::os::unix::fs::MetadataExt;
        Some(Place::File(found.dev(), found.ino()))
    };
    #[cfg(not(unix))]
    path.canonicalize().ok().map(Place::File)
}

/// Links that lead to links that lead nowhere are followed so far.
const LINKS: usize = 40;

/// Where a file would be made.
fn name(mut path: PathBuf) -> Option<PathBuf> {
    for _ in 0..LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = path.with_file_name("").join(target),
            Err(_) => break,
        }
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Without its directory it cannot be made, but that is not for here to say.
    let parent = parent.canonicalize().or_else(|_| std::path::absolute(parent)).ok()?;
    Some(parent.join(path.file_name()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_of_one_file_are_found_out() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        fs::write(at("file"), "").unwrap();
        fs::write(at("other"), "").unwrap();
        let same = |a: PathBuf, b: PathBuf| {
            let told = distinct([("log", Some(&*a)), ("config", None), ("out", Some(&*b))]).err();
            if let Some(told) = &told {
                let (told, expected) = (told.to_string(), [a, b].map(|path| path.display().to_string()));
                assert!(told.contains(&format!("--log {} and --out {}", expected[0], expected[1])), "{told}");
            }
            told.is_some()
        };
        assert!(same(at("file"), at("sub/../file")));
        assert!(same(at("new"), at("sub/../new")));
        assert!(same(at("none/new"), at("none/new")));
        assert!(same("new".into(), "./new".into()));
        assert!(!same(at("file"), at("other")));
        assert!(!same(at("file"), at("new")));
        assert!(!same(at("new"), at("sub/new")));
        #[cfg(unix)]
        {
            let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, at(name)).unwrap();
            fs::hard_link(at("file"), at("hard")).unwrap();
            link("file", "soft");
            link("new", "dangling");
            link("sub", "dir");
            assert!(same(at("file"), at("hard")));
            assert!(same(at("soft"), at("file")));
            assert!(same(at("dangling"), at("new")));
            assert!(same(at("sub/new"), at("dir/new")));
            assert!(!same("/dev/null".into(), "/dev/null".into()));
            assert!(!same("/dev/full".into(), "/dev/full".into()));
        }
    }
}
