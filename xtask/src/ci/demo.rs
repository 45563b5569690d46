//! The demo as a newcomer runs it, with its output checked.

use std::fs;
use std::process::Stdio;

use serde::Deserialize;

use crate::Outcome;
use crate::command::{cargo, root, shown};

/// What is read of the demo's report.
#[derive(Debug, Deserialize, PartialEq)]
struct Report {
    frames: u64,
    drained: bool,
    ended: String,
    fingerprint_frames: String,
    fingerprint_log: String,
}

/// Runs the demo twice, on both flavours of the runtime: what it prints and reports must be the same.
pub(crate) fn run() -> Outcome {
    let directory = root().join("target/ci/demo");
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    let mut reports = Vec::new();
    for runtime in ["current", "multi"] {
        let report = directory.join(format!("report-{runtime}.json"));
        let mut demo =
            cargo(&["run", "--release", "--", "demo", "--progress", "never", "--runtime", runtime]);
        demo.arg("--dir").arg(&directory).arg("--report").arg(&report);
        let output = demo.stderr(Stdio::inherit()).output()?;
        let printed = String::from_utf8_lossy(&output.stdout);
        print!("{printed}");
        if !output.status.success() {
            return Err(format!("{} failed: {}", shown(&demo), output.status).into());
        }
        let text = fs::read_to_string(&report)
            .map_err(|e| format!("the demo left no report in {}: {e}", report.display()))?;
        reports.push(check(&printed, &text)?);
    }
    if reports[0] != reports[1] {
        return Err(format!("two runs of the demo differ: {:?} and {:?}", reports[0], reports[1]).into());
    }
    Ok(())
}

/// The report, if it tells of a whole run and both its fingerprints were printed.
fn check(printed: &str, report: &str) -> Result<Report, String> {
    let report: Report = serde_json::from_str(report).map_err(|e| format!("the demo's report: {e}"))?;
    if report.frames == 0 || !report.drained || report.ended != "data" {
        return Err(format!("the demo did not run to the end of its data: {report:?}"));
    }
    for (name, print) in
        [("fingerprint_frames", &report.fingerprint_frames), ("fingerprint_log", &report.fingerprint_log)]
    {
        if print.len() != 64 || !print.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(format!("{name} is `{print}`, expected 64 hexadecimal digits"));
        }
        if !printed.contains(print.as_str()) {
            return Err(format!("{name} {print} is in the demo's report, but was not printed"));
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(frames: u64, ended: &str, print: &str) -> String {
        format!(
            r#"{{"version": "0.1.0", "frames": {frames}, "drained": true, "ended": "{ended}",
                "fingerprint_frames": "{print}", "fingerprint_log": "{print}", "wall": {{"elapsed_ms": 1}}}}"#
        )
    }

    #[test]
    fn a_whole_run_with_printed_fingerprints_passes() {
        let print = "0123456789abcdef".repeat(4);
        let printed = format!("fingerprint_frames  {print}\n");
        assert!(check(&printed, &report(3, "data", &print)).is_ok());
        for (printed, report) in [
            (String::new(), report(3, "data", &print)),
            (printed.clone(), report(0, "data", &print)),
            (printed.clone(), report(3, "error", &print)),
            (printed.clone(), report(3, "data", "abc")),
            (printed, "{}".to_owned()),
        ] {
            assert!(check(&printed, &report).is_err(), "{printed} {report}");
        }
    }
}
