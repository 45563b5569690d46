//! The criterion benches of the parts: run, and their estimates read.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::command::{cargo, root, run as run_command};

/// What criterion found of a bench.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(super) struct Part {
    pub(super) name: String,
    /// Time of a pass in nanoseconds: the estimate, and the bounds of its confidence interval.
    pub(super) ns: [f64; 3],
    /// What a pass goes through, candles or envelopes.
    pub(super) elements: Option<f64>,
    /// A link to its page with plots from where the report lies, if there is one.
    pub(super) page: Option<String>,
}

/// Runs the benches whose name contains `filter`, or all.
pub(super) fn run(filter: Option<&str>, since: SystemTime) -> Result<Vec<Part>, Box<dyn std::error::Error>> {
    bench(filter)?;
    let mut parts = Vec::new();
    find(&criterion(), since, &mut parts);
    parts.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(parts)
}

fn bench(filter: Option<&str>) -> Outcome {
    let mut command = cargo(&["bench", "-p", "benches", "--benches", "--"]);
    // Criterion itself would take a relative directory of builds to be below that of the benches.
    command.args(filter).env("CRITERION_HOME", criterion());
    run_command(command)
}

/// Where criterion keeps its results.
fn criterion() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    root().join(target).join("criterion")
}

/// Adds the benches below a directory that have results from `since` on.
fn find(directory: &Path, since: SystemTime, parts: &mut Vec<Part>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let estimates = directory.join("new/estimates.json");
    let recent = |path: &Path| fs::metadata(path).and_then(|m| m.modified()).is_ok_and(|when| when >= since);
    if recent(&estimates) {
        parts.extend(read(directory));
    }
    for entry in entries.flatten().filter(|entry| entry.path().is_dir()) {
        find(&entry.path(), since, parts);
    }
}

#[derive(Deserialize)]
struct Estimates {
    slope: Option<Estimate>,
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
    confidence_interval: Interval,
}

#[derive(Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

#[derive(Deserialize)]
struct Description {
    full_id: String,
    throughput: Option<serde_json::Value>,
}

fn read(directory: &Path) -> Option<Part> {
    let text = |name: &str| fs::read_to_string(directory.join("new").join(name)).ok();
    let part = Part::of(&text("estimates.json")?, &text("benchmark.json")?)?;
    let page = directory.join("report/index.html");
    Some(Part { page: page.exists().then(|| link(&page)), ..part })
}

/// Relative, unless builds are kept elsewhere than in `target`. Names of benches may have spaces, links may not.
fn link(page: &Path) -> String {
    let shown = match page.strip_prefix(root().join("target")) {
        Ok(below) => format!("../{}", below.display()),
        Err(_) => page.display().to_string(),
    };
    shown.replace(' ', "%20")
}

impl Part {
    /// By what criterion wrote down of a bench.
    fn of(estimates: &str, description: &str) -> Option<Self> {
        let Estimates { slope, median } = serde_json::from_str(estimates).ok()?;
        let Description { full_id, throughput } = serde_json::from_str(description).ok()?;
        let Estimate { point_estimate, confidence_interval } = slope.unwrap_or(median);
        Some(Part {
            name: full_id,
            ns: [point_estimate, confidence_interval.lower_bound, confidence_interval.upper_bound],
            elements: throughput.and_then(|t| t.get("Elements")?.as_f64()),
            page: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_taken_and_where_there_is_none_the_median() {
        let estimate = |value: u32| {
            let interval = format!(r#"{{"lower_bound": {}.0, "upper_bound": {}.0}}"#, value - 1, value + 1);
            format!(
                r#"{{"point_estimate": {value}.0, "confidence_interval": {interval}, "standard_error": 1}}"#
            )
        };
        let description = r#"{"full_id": "feeder/dense/8", "throughput": {"Elements": 100}, "title": ""}"#;
        let estimates = |slope: &str| format!(r#"{{"median": {}, "slope": {slope}}}"#, estimate(7));
        let part = Part::of(&estimates(&estimate(5)), description).unwrap();
        assert_eq!(
            (part.name.as_str(), part.ns, part.elements),
            ("feeder/dense/8", [5.0, 4.0, 6.0], Some(100.0))
        );
        let part = Part::of(&estimates("null"), r#"{"full_id": "a", "throughput": null}"#).unwrap();
        assert_eq!((part.ns[0], part.elements), (7.0, None));
        assert_eq!(Part::of("{}", description), None);
    }

    #[test]
    fn pages_are_linked_from_where_the_report_lies() {
        let page = "target/criterion/feeder/gaps and logs/8/report/index.html";
        assert_eq!(link(&root().join(page)), "../criterion/feeder/gaps%20and%20logs/8/report/index.html");
        assert_eq!(
            link(Path::new("/builds/criterion/a/report/index.html")),
            "/builds/criterion/a/report/index.html"
        );
    }
}
