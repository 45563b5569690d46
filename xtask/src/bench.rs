//! `cargo xtask bench`: whole programs beside their references, instructions, and the criterion benches of parts.

mod case;
mod cases;
mod data;
mod figures;
mod instructions;
mod machine;
mod options;
mod parts;
mod programs;
mod report;

use std::fs;
use std::time::SystemTime;

use crate::Outcome;
use case::{Case, Figure, Value};
use cases::CASES;
use figures::{Finding, Runs};
use machine::Machine;
pub(crate) use options::HELP;
use options::Options;
use programs::Lack;
use report::Report;

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    let before = options.against.as_deref().map(report::load).transpose()?;
    fs::create_dir_all(programs::directory())?;
    if options.figures {
        programs::build()?;
    }
    let began = SystemTime::now();
    let mut machine = Machine::look();
    let mut figures = Vec::new();
    for case in CASES {
        figures.extend(measure(case, &options)?);
    }
    let parts = if options.parts { parts::run(options.filter.as_deref(), began)? } else { Vec::new() };
    machine.look_again();
    let report = Report { machine, figures, parts };
    report.print();
    report.keep(options.save.as_deref())?;
    if let Some(before) = before {
        report.compare(&before);
    }
    if options.check { report.check() } else { Ok(()) }
}

/// Runs a case's programs in turn, if any of its figures is wanted.
fn measure(case: &Case, options: &Options) -> Result<Vec<Finding>, String> {
    let wanted: Vec<&Figure> =
        case.figures.iter().filter(|f| options.wants(&format!("{}: {}", case.name, f.name))).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    println!("== {}", case.name);
    let runs = match in_turn(case, &wanted, options.runs) {
        Ok(runs) => runs,
        Err(Lack::Tool(why)) => {
            println!("not measured: {why}");
            return Ok(wanted.iter().map(|figure| Finding::unmeasured(case.name, figure, &why)).collect());
        }
        Err(Lack::Failure(why)) => return Err(why),
    };
    let mut findings = Vec::new();
    for figure in wanted {
        let Value::Instructions { of, beyond, sizes, per } = figure.value else {
            findings.push(Finding::of_runs(case.name, figure, &runs));
            continue;
        };
        findings.push(match instructions::between(of, beyond, sizes, per) {
            Ok(count) => Finding::of_values(case.name, figure, vec![count]),
            Err(Lack::Tool(why)) => Finding::unmeasured(case.name, figure, &why),
            Err(Lack::Failure(why)) => return Err(why),
        });
    }
    Ok(findings)
}

/// Runs the programs that the figures speak of one after the other, again and again, so that what disturbs the
/// machine disturbs all of them. A first run of each, which warms up, does not count.
fn in_turn(case: &Case, wanted: &[&Figure], runs: usize) -> Result<Runs<'static>, Lack> {
    let mut numbers = Vec::new();
    let spoken_of = |name: &str| wanted.iter().any(|figure| figure.value.speaks_of(name));
    let quick = case.programs.iter().all(|(_, line)| !line.starts_with("watched "));
    for run in 0..runs + usize::from(quick) {
        let told: Result<Vec<_>, Lack> = case
            .programs
            .iter()
            .map(|(name, line)| if spoken_of(name) { programs::run(line) } else { Ok(Default::default()) })
            .collect();
        let told = told?;
        if run > 0 || !quick {
            numbers.push(told);
        }
    }
    Ok(Runs { programs: case.programs, numbers })
}
