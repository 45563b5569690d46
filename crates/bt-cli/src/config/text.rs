//! The text of a configuration: the options that it gives, and all that is wrong with it.

use std::collections::BTreeSet;
use std::error::Error;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use crate::args::Cli;
use crate::failure::{Failure, chain};

/// Most errors that are looked for: nobody reads more, and a text may have a hundred thousand.
pub(crate) const MOST: usize = 100;

/// What a text was found to be.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// The options that are sound, in the order of the text.
    pub(crate) options: Vec<Given>,
    /// What is wrong, in the order of the text: all of it, or at least so much as is told.
    pub(crate) wrong: Vec<Wrong>,
    /// Keys of options that are not sound.
    pub(crate) refused: BTreeSet<String>,
    /// Whether it is TOML at all.
    pub(crate) is_toml: bool,
}

/// An option as it stands in the text.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) key: String,
    /// Its values, and where each begins.
    pub(crate) values: Vec<(String, usize)>,
    /// As it would stand on the command line.
    pub(crate) written: Vec<String>,
}

/// What is wrong, and where, in bytes of the text.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) at: Option<usize>,
    pub(crate) what: String,
}

/// Checks a text: every key and every value, whatever command it is for and whatever the command line overrides.
pub(crate) fn check(text: &str) -> Checked {
    let (table, mut faults) = DeTable::parse_recoverable(text);
    let mut checked = Checked { is_toml: faults.is_empty(), ..Checked::default() };
    faults.truncate(MOST + 1);
    // What was made of a line that is no TOML is anybody's guess.
    let lines = Lines::of(text);
    let torn: BTreeSet<_> =
        faults.iter().filter_map(|fault| Some(lines.place(fault.span()?.start).0)).collect();
    checked.wrong.extend(faults.iter().map(|fault| Wrong {
        at: fault.span().map(|span| span.start),
        what: match fault.message() {
            "duplicate key" => "not valid TOML: duplicate key, expected each key once".to_owned(),
            told => format!("not valid TOML: {}", one_line(told)),
        },
    }));
    let mut options = Options::new();
    for (key, value) in table.get_ref() {
        if checked.wrong.len() > MOST {
            break;
        }
        let place = |at: usize| lines.place(at).0;
        if torn.contains(&place(key.span().start)) || torn.contains(&place(value.span().start)) {
            continue;
        }
        match options.check(key, value) {
            Ok(given) => checked.options.push(given),
            Err(wrong) => {
                checked.refused.insert(key.get_ref().to_string());
                let of_key = |(at, what): (usize, String)| Wrong {
                    at: Some(at),
                    what: format!("key `{}`: {}", one_line(key.get_ref()), one_line(&what)),
                };
                checked.wrong.extend(wrong.into_iter().map(of_key));
            }
        }
    }
    checked.options.sort_by_key(|given| given.values.first().map(|(_, at)| *at));
    checked.wrong.sort_by_key(|wrong| wrong.at);
    checked
}

/// The options of all commands that take a configuration.
struct Options {
    definition: Command,
    /// The same, to parse with: that adds to it.
    parser: Command,
}

/// Where something is wrong, and what.
type Problems = Vec<(usize, String)>;

impl Options {
    fn new() -> Self {
        Options { definition: Cli::definition(), parser: Cli::definition() }
    }

    /// Names of the commands.
    fn commands(&self) -> Vec<String> {
        let takes_one = |command: &&Command| command.get_arguments().any(|arg| arg.get_id() == "config");
        let commands = self.definition.get_subcommands().filter(takes_one);
        commands.map(|command| command.get_name().to_owned()).collect()
    }

    /// A command that knows this option, and the option.
    fn find(&self, key: &str) -> Option<(String, &Arg)> {
        self.commands().into_iter().find_map(|name| {
            let own = self.definition.find_subcommand(&name)?.get_arguments();
            let mut all = own.chain(self.definition.get_arguments());
            Some((name, all.find(|arg| arg.get_long() == Some(key))?))
        })
    }

    fn check(
        &mut self,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Given, Problems> {
        let (name, start) = (key.get_ref(), key.span().start);
        let wrong = |what: &str| Err(vec![(start, what.to_owned())]);
        if name == "config" {
            return wrong("a configuration names no other configuration, expected options only");
        }
        let Some((command, option)) = self.find(name) else {
            return match value.get_ref() {
                DeValue::Table(_) => wrong("a table, expected options at the top of the file, in none"),
                _ => wrong(&self.unknown(name)),
            };
        };
        let action = option.get_action().clone();
        if let (DeValue::Array(values), false) = (value.get_ref(), matches!(action, ArgAction::Append)) {
            return wrong(&format!("a list of {}, expected a single value", values.len()));
        }
        let (values, mut problems) = scalars(value);
        let mut written = Vec::new();
        for (value, at) in &values {
            match (action.takes_values(), value.as_str()) {
                (true, value) => written.push(format!("--{name}={value}")),
                (false, "true") => written.push(format!("--{name}")),
                (false, "false") => {}
                (false, _) => {
                    problems.push((*at, format!("invalid value `{value}`, expected true or false")))
                }
            }
        }
        // One by one only to find which it is: there may be thousands.
        if action.takes_values() && self.refusal(&command, &written).is_some() {
            let of_value = |(argument, (_, at)): (&String, &(String, usize))| {
                Some((*at, problem(&self.refusal(&command, std::slice::from_ref(argument))?)))
            };
            problems.extend(written.iter().zip(&values).filter_map(of_value).take(MOST + 1));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Given { key: name.to_string(), values, written })
    }

    /// What the parser has against these arguments of a command.
    fn refusal(&mut self, command: &str, arguments: &[String]) -> Option<clap::Error> {
        let line = ["bt", command].into_iter().chain(arguments.iter().map(String::as_str));
        self.parser.try_get_matches_from_mut(line).err()
    }

    /// What to say of a key that no command knows.
    fn unknown(&mut self, key: &str) -> String {
        let commands = self.commands();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let likely = key.chars().all(is_name).then(|| {
            commands.iter().find_map(|command| {
                let error = self.refusal(command, &[format!("--{key}=")])?;
                let Some(ContextValue::String(option)) = error.get(ContextKind::SuggestedArg) else {
                    return None;
                };
                let option = option.trim_start_matches('-').to_owned();
                // Those of the parser's own are no keys.
                (option != "config" && self.find(&option).is_some()).then_some(option)
            })
        });
        match likely.flatten() {
            Some(likely) => format!("no option has this name, did you mean `{likely}`?"),
            None => {
                format!("no option has this name, expected a long option of bt {}", commands.join(" or bt "))
            }
        }
    }
}

/// The texts of a value, or of the values of a list, and where they begin.
fn scalars(value: &Spanned<DeValue<'_>>) -> (Vec<(String, usize)>, Problems) {
    let all = match value.get_ref() {
        DeValue::Array(values) => values.iter().collect(),
        _ => vec![value],
    };
    let (mut texts, mut problems) = (Vec::new(), Problems::new());
    for value in all {
        match scalar(value.get_ref()) {
            Ok(text) => texts.push((text, value.span().start)),
            Err(problem) => problems.push((value.span().start, problem.to_owned())),
        }
    }
    (texts, problems)
}

/// A value as it would be written on the command line.
fn scalar(value: &DeValue<'_>) -> Result<String, &'static str> {
    let text = match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => integer(number),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(on) => on.to_string(),
        DeValue::Datetime(instant) => instant.to_string(),
        DeValue::Array(_) => return Err("a list in a list, expected single values in it"),
        DeValue::Table(_) => return Err("a table, expected a string, a number, an instant, true or false"),
    };
    if text.contains('\0') {
        return Err("a text with a NUL in it, expected none, as on a command line");
    }
    Ok(text)
}

fn integer(number: &DeInteger<'_>) -> String {
    let read = i128::from_str_radix(number.as_str(), number.radix());
    // What is too large is so for every option.
    read.map_or_else(|_| number.to_string(), |number| number.to_string())
}

/// What the parser says of a value, on one line.
fn problem(error: &clap::Error) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let value = text(ContextKind::InvalidValue).unwrap_or_default();
    match (error.kind(), error.get(ContextKind::ValidValue), error.source()) {
        (ErrorKind::InvalidValue, Some(ContextValue::Strings(valid)), _) if !valid.is_empty() => {
            format!("invalid value `{value}`, expected one of {}", valid.join(", "))
        }
        (ErrorKind::InvalidValue, ..) if value.is_empty() => "an empty text, expected a value".into(),
        (ErrorKind::ValueValidation, _, Some(source)) => {
            format!("invalid value `{value}`: {}", chain(source))
        }
        _ => Failure::parsed(error),
    }
}

/// Most characters of a message, of which those in the middle go.
const LONGEST: usize = 400;

/// A message that stays on its line, and leaves the terminal as it is.
fn one_line(text: &str) -> String {
    let escaped: String = text
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect();
    let count = escaped.chars().count();
    if count <= LONGEST {
        return escaped;
    }
    let half = LONGEST / 2;
    let (begin, end) = (escaped.chars().take(half), escaped.chars().skip(count - half));
    begin.chain(" … ".chars()).chain(end).collect()
}

/// Where the lines of a text begin.
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Lines { text, starts: std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect() }
    }

    /// Line and column, in characters from 1, of a byte.
    pub(crate) fn place(&self, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let start = self.starts[line - 1];
        let before = self.text[start..].char_indices().take_while(|(offset, _)| start + offset < at);
        (line, before.count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(text: &str) -> Vec<String> {
        let lines = Lines::of(text);
        let told = |wrong: &Wrong| {
            let (line, column) = lines.place(wrong.at.unwrap_or(usize::MAX));
            format!("{line}:{column}: {}", wrong.what)
        };
        check(text).wrong.iter().map(told).collect()
    }

    /// What holds of any text: it gives options that the parser takes, or errors that say where.
    fn hold(text: &str) {
        let Checked { options, wrong, refused, is_toml } = check(text);
        assert!(is_toml || !wrong.is_empty(), "{text:?}");
        assert!(wrong.iter().all(|wrong| wrong.what.chars().all(|c| !c.is_control())), "{text:?}");
        assert!(wrong.iter().all(|wrong| wrong.at.is_none_or(|at| at <= text.len())), "{text:?}");
        for given in &options {
            assert!(!refused.contains(&given.key), "{text:?}");
            let (command, _) = Options::new().find(&given.key).unwrap();
            assert!(Options::new().refusal(&command, &given.written).is_none(), "{text:?}");
        }
        let lines = Lines::of(text);
        assert!(wrong.iter().all(|wrong| lines.place(wrong.at.unwrap_or(0)).0 >= 1), "{text:?}");
    }

    /// Texts that are wrong in many ways.
    const BAD: &[&str] = &[
        "=",
        "a",
        "a =",
        "data = data",
        "data = 'x",
        "data = \"\\q\"",
        "data = \"\"\"x",
        "data = 'x'\ndata = 'y'",
        "data = 'x' 'y'",
        "data = ''",
        "data = '\u{0}'",
        "data = \"\\u0000\"",
        "data = [['x']]",
        "data = ['x', 'y']",
        "data = {x = 1}",
        "data.x = 1",
        "[data]",
        "[[series]]",
        "[series",
        "zzz = 1",
        "series = [",
        "series = ['a.b:c@1m', 3, 'a.b:../c@1m', true]",
        "series = 'a.b:c'",
        "series = 2024-01-01",
        "from = 2024-13-01",
        "from = 2024-01-01T00:00:00",
        "from = 1600-01-01",
        "to = 99999999999999999999",
        "threads = 0",
        "threads = 1.5",
        "threads = nan",
        "threads = -0",
        "threads = 0x1_0000_0000_0000_0000_0000_0000_0000_0000_0000",
        "fill-limit = -1",
        "strict = 1",
        "strict = 'yes'",
        "verbose = 3",
        "quiet = 'loud'",
        "help = true",
        "version = true",
        "config = 'x'",
        "max_frames = 3",
        "'' = 1",
        "'--data' = 'x'",
        "'data=x' = 'y'",
        "'\u{1b}[31m' = 1",
        "memory = '99999EiB'",
        "memory = 1.5",
        "barrier-limit = '0s'",
        "barrier-limit = 30",
        "stats-every = '584542046090y'",
        "columns = 'start'",
        "strategy = 'sma:9,3'",
        "runtime = 'none'",
        "s\u{e9}rie = 1",
        "\u{feff}dat = 1",
        "\r\n\r\nx=1\r",
    ];

    #[test]
    fn whatever_is_wrong_is_found_and_said_on_one_line() {
        for text in BAD {
            hold(text);
            assert!(!check(text).wrong.is_empty(), "{text:?}");
        }
        let nested = "[".repeat(100_000);
        for text in [&nested, &format!("data={nested}"), &format!("data={}", "{a=".repeat(50_000))] {
            hold(text);
        }
        hold(&format!("{}=1", "a.".repeat(50_000)));
    }

    #[test]
    fn all_errors_are_told_at_once_with_their_places() {
        let text = "memry = '1MiB'\nalign = 'left'\nseries = [\n  'a.b:c@1m',\n  'a.b:../d@1m', 3,\n]\n\
                    \u{e9} = 1\nfill = forward\nmax-frames = 0\n[run]\nfrom = 1\n";
        let expected = [
            "1:1: key `memry`: no option has this name, did you mean `memory`?",
            "2:9: key `align`: invalid value `left`, expected one of outer, inner",
            "5:3: key `series`: invalid value `a.b:../d@1m`: invalid symbol `../d`, expected no path separator, \
             no leading `.` and no `..`",
            "5:18: key `series`: invalid value `3`: invalid series `3`, expected INSTRUMENT@TIMEFRAME such as \
             binance.spot:BTCUSDT@5m",
            "7:1: not valid TOML: invalid unquoted key, expected letters, numbers, `-`, `_`",
            "8:8: not valid TOML: invalid boolean, expected `false`",
            "9:14: key `max-frames`: invalid value `0`: expected a whole number from 1 to 18446744073709551615",
            "10:2: key `run`: a table, expected options at the top of the file, in none",
        ];
        assert_eq!(told(text), expected);
    }

    #[test]
    fn sound_options_come_in_the_order_of_the_text() {
        let text = "to = 2024-01-02\nseries = ['a.b:c@1m', 'a.b:d@1m']\nstrict = true\nthreads = 0x10\nquiet = false\n\
                    verbose = true\ncolumns = 'start=ts'\nmax-frames = 1_000\n";
        let checked = check(text);
        assert!(checked.wrong.is_empty() && checked.refused.is_empty() && checked.is_toml, "{checked:?}");
        let written: Vec<_> = checked.options.into_iter().flat_map(|given| given.written).collect();
        let expected = [
            "--to=2024-01-02",
            "--series=a.b:c@1m",
            "--series=a.b:d@1m",
            "--strict=true",
            "--threads=16",
            "--quiet=false",
            "--verbose",
            "--columns=start=ts",
            "--max-frames=1000",
        ];
        assert_eq!(written, expected);
    }

    #[test]
    fn a_place_is_counted_in_characters() {
        let lines = Lines::of("\u{e9}\u{e9}x\n\ny");
        let places = [0, 1, 2, 4, 5, 6, 7, 8, 100].map(|at| lines.place(at));
        assert_eq!(places, [(1, 1), (1, 2), (1, 2), (1, 3), (1, 4), (2, 1), (3, 1), (3, 2), (3, 2)]);
        assert_eq!(Lines::of("").place(0), (1, 1));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_bytes_are_options_or_errors(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            hold(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn any_text_like_toml_is_options_or_errors(
            parts in proptest::collection::vec(prop_oneof![
                proptest::sample::select(BAD).prop_map(str::to_owned),
                "[a-z-]{1,9} ?= ?(\"[^\"]{0,9}\"|'.{0,9}'|-?[0-9a-fx._]{1,9}|\\[.{0,9}\\]|\\{.{0,9}\\}|true|.{0,5})",
                "(strict|threads|series|fill|data|memory|quiet) = ?.{0,12}",
            ], 0..5),
        ) {
            hold(&parts.join("\n"));
        }
    }
}
