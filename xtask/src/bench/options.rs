//! What may be asked of `cargo xtask bench`.

use crate::command::Usage;

/// What `--help` says.
pub(crate) const HELP: &str = "options:
  --filter TEXT   only figures and parts that have this text in their names
  --runs N        so many turns of each program, 5 unless given
  --save NAME     keep the report under a name
  --against NAME  say what ratios and counts are to those of a report that was kept
  --check         fail where a ratio or a count misses its bar, and name each
  --no-figures    only the parts: the criterion benches
  --no-parts      only the figures: whole programs and instructions

The report is printed, and written to target/bench/report.md with links to plots, and to report.json. What is measured and
how is in docs/benchmarks.md.";

/// Interleaved runs, unless told otherwise.
const RUNS: usize = 5;

/// What was asked.
#[derive(Debug, PartialEq)]
pub(super) struct Options {
    /// Only figures and benches whose name contains this.
    pub(super) filter: Option<String>,
    pub(super) runs: usize,
    /// Keep the report under this name.
    pub(super) save: Option<String>,
    /// Compare with the report that was kept under this name.
    pub(super) against: Option<String>,
    /// Fail if a bar is missed.
    pub(super) check: bool,
    /// Run whole programs, and count instructions.
    pub(super) figures: bool,
    /// Run the criterion benches.
    pub(super) parts: bool,
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self, Usage> {
        let mut options = Options {
            filter: None,
            runs: RUNS,
            save: None,
            against: None,
            check: false,
            figures: true,
            parts: true,
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = |expected: &str| match words.next() {
                Some(value) if !value.is_empty() && !value.starts_with('-') => Ok(value.clone()),
                _ => Err(Usage::new(format!("{word} without {expected}"))),
            };
            match word.as_str() {
                "--filter" => options.filter = Some(value("a text")?),
                "--save" => options.save = Some(name(value("a name")?)?),
                "--against" => options.against = Some(name(value("a name")?)?),
                "--runs" => {
                    let number = value("a number")?;
                    options.runs = number.parse().ok().filter(|runs| *runs > 0).ok_or_else(|| {
                        Usage::new(format!("--runs {number}, expected a whole number from 1"))
                    })?;
                }
                "--check" => options.check = true,
                "--no-figures" => options.figures = false,
                "--no-parts" => options.parts = false,
                _ => {
                    return Err(Usage::new(format!(
                        "unexpected argument `{word}`, expected what --help lists"
                    )));
                }
            }
        }
        if !options.figures && !options.parts {
            return Err(Usage::new("--no-figures with --no-parts, expected one of them"));
        }
        Ok(options)
    }

    /// Whether a figure of this name is wanted.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.figures && self.filter.as_deref().is_none_or(|filter| name.contains(filter))
    }
}

/// A name that a file can have.
fn name(text: String) -> Result<String, Usage> {
    if text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) && !text.starts_with('.') {
        return Ok(text);
    }
    Err(Usage::new(format!("name `{text}`, expected letters, digits, `-`, `_` and `.`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options, Usage> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn options_are_taken_and_all_else_refused() {
        let options =
            parse("--filter whole/zstd --runs 9 --save a --against b-1 --check --no-parts").unwrap();
        assert!(options.wants("whole/zstd: cpu") && !options.wants("whole/snappy: cpu"));
        assert_eq!((options.runs, options.check, options.parts), (9, true, false));
        assert_eq!((options.save.as_deref(), options.against.as_deref()), (Some("a"), Some("b-1")));
        assert_eq!(parse("").unwrap().runs, RUNS);
        assert!(parse("").unwrap().wants("anything"));
        assert!(!parse("--no-figures").unwrap().wants("anything"));
        for bad in [
            "--filter",
            "--filter --check",
            "feeder",
            "--runs 0",
            "--runs x",
            "--save ../x",
            "--save .x",
            "--no-figures --no-parts",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_help_speaks_of_is_taken() {
        let spoken_of: Vec<_> = HELP.lines().filter_map(|line| line.strip_prefix("  --")).collect();
        assert_eq!(spoken_of.len(), 7);
        for line in spoken_of {
            let (option, _) = line.split_once("  ").unwrap();
            let given = format!("--{}", option.replace("TEXT", "x").replace("NAME", "x").replace('N', "1"));
            assert!(parse(&given).is_ok(), "{given}");
        }
    }
}
