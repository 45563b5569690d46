//! The report: printed, written down, kept, and held against one that was kept.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::figures::{Finding, Spread};
use super::machine::Machine;
use super::parts::Part;
use super::programs::directory;
use crate::Outcome;

/// All that was found.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) figures: Vec<Finding>,
    pub(super) parts: Vec<Part>,
}

/// The report that was kept under this name.
pub(super) fn load(name: &str) -> Result<Report, Box<dyn std::error::Error>> {
    let path = saved(name);
    let text = fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    Ok(serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?)
}

fn saved(name: &str) -> PathBuf {
    directory().join("saved").join(format!("{name}.json"))
}

impl Report {
    pub(super) fn print(&self) {
        print!("{}", self.markdown());
    }

    /// Writes `report.json` and `report.md`, and a copy under a name if there is one.
    pub(super) fn keep(&self, name: Option<&str>) -> Outcome {
        let json = serde_json::to_string_pretty(self)?;
        fs::write(directory().join("report.json"), &json)?;
        fs::write(directory().join("report.md"), self.markdown())?;
        if let Some(name) = name {
            fs::create_dir_all(directory().join("saved"))?;
            fs::write(saved(name), json)?;
        }
        Ok(())
    }

    /// As Markdown, which reads as a table in a terminal too.
    fn markdown(&self) -> String {
        let Machine { cpu, cores, load, commit, changed, date } = &self.machine;
        let changed = if *changed { " with changes" } else { "" };
        let [before, after] = load;
        let mut text = format!(
            "# Benchmarks\n\n{cpu}, {cores} cores, load {before} before and {after} after; commit {commit}{changed}; \
             {date}.\n\n"
        );
        table(&mut text, &["figure", "value", "spread", "of", "bar", "met"], self.figures.iter().map(row));
        if !self.figures.is_empty() && !self.parts.is_empty() {
            text += "\n";
        }
        let head = ["part", "time of a pass", "spread", "per element", "plots"];
        table(&mut text, &head, self.parts.iter().map(part));
        text
    }

    /// Prints what ratios and counts are to those of another report.
    pub(super) fn compare(&self, before: &Report) {
        let mut text = format!("\n# Against {} of {}\n\n", before.machine.commit, before.machine.date);
        let rows = self.figures.iter().filter(|figure| figure.checked).filter_map(|now| {
            let then = before.figures.iter().find(|then| then.name == now.name)?;
            let (a, b) = (now.measured?.median, then.measured?.median);
            let ratio = if b == 0.0 { String::new() } else { format!("{:.3}", a / b) };
            Some([now.name.clone(), number(a), number(b), ratio])
        });
        table(&mut text, &["figure", "now", "then", "now over then"], rows);
        print!("{text}");
    }

    /// Fails if a ratio or a count misses its bar, and names each.
    pub(super) fn check(&self) -> Outcome {
        for figure in &self.figures {
            if let Some(why) = &figure.why {
                println!("not measured: {}: {why}", figure.name);
            }
        }
        let missed: Vec<_> = self.figures.iter().filter(|figure| figure.misses()).map(miss).collect();
        if missed.is_empty() { Ok(()) } else { Err(format!("missed: {}", missed.join("; ")).into()) }
    }
}

fn miss(figure: &Finding) -> String {
    let value = figure.measured.map_or_else(String::new, |Spread { median, least, most }| {
        format!("{} ({} to {})", number(median), number(least), number(most))
    });
    format!("{} is {value}, expected {}", figure.name, figure.bar.as_deref().unwrap_or_default())
}

fn row(figure: &Finding) -> [String; 6] {
    let Finding { name, unit, measured, runs, parts, bar, met, why, .. } = figure;
    let (value, spread) = match measured {
        Some(Spread { median, least, most }) => (
            format!("{} {unit}", number(*median)).trim_end().to_owned(),
            format!("{} to {} in {runs}", number(*least), number(*most)),
        ),
        None => (format!("not measured: {}", why.as_deref().unwrap_or_default()), String::new()),
    };
    let parts: Vec<_> = parts.iter().map(|(name, value)| format!("{name} {}", number(*value))).collect();
    let met = met.map_or("", |met| if met { "yes" } else { "NO" });
    [name.clone(), value, spread, parts.join(", "), bar.clone().unwrap_or_default(), met.to_owned()]
}

fn part(part: &Part) -> [String; 5] {
    let Part { name, ns: [ns, low, high], elements, page } = part;
    let each = elements.map_or_else(String::new, |elements| format!("{} ns", number(ns / elements)));
    let page = page.as_ref().map_or_else(String::new, |page| format!("[plots]({page})"));
    [name.clone(), time(*ns), format!("{} to {}", time(*low), time(*high)), each, page]
}

fn time(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{} ns", number(ns)),
        ns if ns < 1e6 => format!("{} µs", number(ns / 1e3)),
        ns if ns < 1e9 => format!("{} ms", number(ns / 1e6)),
        ns => format!("{} s", number(ns / 1e9)),
    }
}

/// A number with three digits or so.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        size if size > 0.0 => 3,
        _ => 0,
    };
    format!("{value:.digits$}")
}

/// Appends a table whose columns are as wide as what is in them; nothing without rows.
fn table<const N: usize>(text: &mut String, head: &[&str; N], rows: impl Iterator<Item = [String; N]>) {
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    for (number, line) in lines.iter().enumerate().filter(|_| lines.len() > 1) {
        let cells: Vec<_> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if number == 0 {
            let rules: Vec<_> = widths.iter().map(|width| "-".repeat(*width)).collect();
            let _ = writeln!(text, "| {} |", rules.join(" | "));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(value: Option<f64>, met: Option<bool>, checked: bool) -> Report {
        let machine = Machine {
            cpu: "a machine".into(),
            cores: 2,
            load: ["0.1".into(), "1.2".into()],
            commit: "abc".into(),
            changed: false,
            date: "2026-11-01".into(),
        };
        let figure = Finding {
            name: "whole: cpu".into(),
            unit: "×".into(),
            measured: value.map(|median| Spread { median, least: 1.0, most: 2.0 }),
            runs: 5,
            parts: vec![("frames cpu_s".into(), 0.5)],
            bar: Some("≤ 1.35".into()),
            met,
            checked,
            why: value.is_none().then(|| "no python".into()),
        };
        Report { machine, figures: vec![figure], parts: Vec::new() }
    }

    #[test]
    fn a_report_says_what_was_measured_and_what_was_not() {
        let text = report(Some(1.5), Some(false), true).markdown();
        let expected = "| whole: cpu | 1.50 × | 1.00 to 2.00 in 5 | frames cpu_s 0.500 | ≤ 1.35 | NO  |";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("a machine, 2 cores, load 0.1 before and 1.2 after; commit abc; 2026-11-01."));
        assert!(report(None, None, true).markdown().contains("not measured: no python"));
    }

    #[test]
    fn a_report_of_parts_alone_links_their_plots() {
        let page = Some("../criterion/a/report/index.html".to_owned());
        let part = Part { name: "a/b".into(), ns: [2e3, 1e3, 3e3], elements: Some(100.0), page };
        let text = Report { figures: Vec::new(), parts: vec![part], ..report(None, None, true) }.markdown();
        let row = "| a/b  | 2.00 µs        | 1.00 µs to 3.00 µs | 20.0 ns     | [plots](../criterion/a/report/index.html) |";
        assert!(text.contains(row) && !text.contains("\n\n\n"), "{text}");
    }

    #[test]
    fn a_check_fails_and_names_what_missed_unless_it_is_a_time() {
        let error = report(Some(1.5), Some(false), true).check().unwrap_err();
        assert_eq!(error.to_string(), "missed: whole: cpu is 1.50 (1.00 to 2.00), expected ≤ 1.35");
        assert!(report(Some(1.5), Some(false), false).check().is_ok());
        assert!(report(Some(1.2), Some(true), true).check().is_ok());
        assert!(report(None, None, true).check().is_ok());
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let report = report(Some(1.5), Some(true), true);
        let read: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
        assert_eq!(read.figures, report.figures);
    }
}
