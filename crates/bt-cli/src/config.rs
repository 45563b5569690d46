//! Configuration files: their keys are the long options, so they are read as options.

mod text;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches};

use crate::args::Cli;
use crate::failure::Failure;
use crate::faults::{Fault, Faults};
use text::{Checked, Given, Lines, MOST, Wrong};

/// More bytes than a configuration has.
const LARGEST: u64 = 1 << 20;

/// Parses a command line, with the configuration file that it may name.
///
/// What stands on the command line overrides the file. There is one definition of every option, and so one
/// set of checks, defaults and suggestions for misspelt names. All that is wrong with a file is told at once.
pub(crate) fn parse(command_line: Vec<OsString>) -> Result<Cli, Failure> {
    let given = Cli::definition().try_get_matches_from(&command_line)?;
    let Some((command, options)) = given.subcommand() else { return Ok(Cli::from_arg_matches(&given)?) };
    // Not every command takes a configuration file.
    let Ok(Some(path)) = options.try_get_one::<PathBuf>("config") else {
        return Ok(Cli::from_arg_matches(&given)?);
    };
    let text = read(path)?;
    let Checked { options: found, mut wrong, refused, is_toml } = text::check(&text);
    let definition = Cli::definition();
    let found: Vec<_> =
        found.into_iter().filter(|given| is_wanted(given, &definition, command, options)).collect();
    let all =
        command_line.into_iter().chain(found.iter().flat_map(|given| &given.written).map(OsString::from));
    let cli = Cli::definition().try_get_matches_from(all).and_then(|merged| Cli::from_arg_matches(&merged));
    match &cli {
        // What else is amiss may be so because of what was not understood.
        _ if !is_toml => {}
        Ok(cli) => {
            let told = Faults::of(cli).0.into_iter();
            let known = told.filter(|fault| !fault.options.iter().any(|option| refused.contains(*option)));
            wrong.extend(known.map(|fault| placed(fault, &found)));
        }
        Err(error) => wrong.push(Wrong { at: None, what: Failure::parsed(error) }),
    }
    match cli {
        Ok(cli) if wrong.is_empty() => Ok(cli),
        _ => Err(tell(path, &text, wrong)),
    }
}

/// The text of a configuration.
fn read(path: &Path) -> Result<String, Failure> {
    let fail = |what: String| Failure::usage(format!("cannot read configuration {}: {what}", path.display()));
    let bytes = bytes(path).map_err(|error| fail(error.to_string()))?;
    if bytes.len() as u64 > LARGEST {
        return Err(fail(format!("it is too long, expected {LARGEST} bytes at most")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let sound = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(&error.as_bytes()[..sound]).into_owned();
        let what = "not a text, expected UTF-8".to_owned();
        tell(path, &text, vec![Wrong { at: Some(sound), what }])
    })
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        // A pipe without a name, from a shell, has its writer; for that of one with a name one might wait for ever.
        if path.canonicalize().and_then(std::fs::metadata).is_ok_and(|found| found.file_type().is_fifo()) {
            return Err(io::Error::other("it is a named pipe, expected a file"));
        }
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether an option of a file is one of this command, and the command line leaves it to the file. The others are
/// for other commands: one file serves all.
fn is_wanted(given: &Given, definition: &clap::Command, command: &str, line: &ArgMatches) -> bool {
    let own = definition.find_subcommand(command).into_iter().flat_map(clap::Command::get_arguments);
    let Some(option) = own.chain(definition.get_arguments()).find(|arg| arg.get_long() == Some(&given.key))
    else {
        return false;
    };
    let on_line = |id: &str| line.value_source(id) == Some(ValueSource::CommandLine);
    // Who asks for silence on the command line has not asked for words, whatever the file says, and the other way.
    let opposite = match given.key.as_str() {
        "quiet" => on_line("verbose"),
        "verbose" => on_line("quiet"),
        _ => false,
    };
    !on_line(option.get_id().as_str()) && !opposite
}

/// What is wrong with options together, at the place of the one to look at first.
fn placed(fault: Fault, found: &[Given]) -> Wrong {
    let Fault { options, value, what } = fault;
    let place = |option: &&'static str| {
        let given = found.iter().find(|given| given.key == *option)?;
        let (_, at) = given.values.get(value).or_else(|| given.values.first())?;
        Some((*option, *at))
    };
    match options.iter().find_map(place) {
        Some((option, at)) => Wrong { at: Some(at), what: format!("key `{option}`: {what}") },
        None => Wrong { at: None, what },
    }
}

/// All that is wrong with a file, one error a line.
fn tell(path: &Path, text: &str, mut wrong: Vec<Wrong>) -> Failure {
    wrong.sort_by_key(|wrong| wrong.at.unwrap_or(usize::MAX));
    let (path, lines) = (path.display(), Lines::of(text));
    let mut told = match wrong.len() {
        1 => String::new(),
        count if count > MOST => {
            format!("configuration {path} has more than {MOST} errors, the first of them")
        }
        count => format!("configuration {path} has {count} errors"),
    };
    for Wrong { at, what } in wrong.iter().take(MOST) {
        if !told.is_empty() {
            told.push('\n');
        }
        // Writing to a string does not fail.
        let _ = match at.map(|at| lines.place(at)) {
            Some((line, column)) => write!(told, "{path}:{line}:{column}: {what}"),
            None => write!(told, "{path}: {what}"),
        };
    }
    Failure::usage(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Command;

    fn parse_with(toml: &str, flags: &[&str]) -> Result<Cli, Failure> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), toml).unwrap();
        let mut line: Vec<OsString> = ["bt", "frames", "--config"].map(OsString::from).to_vec();
        line.push(file.path().into());
        line.extend(flags.iter().map(OsString::from));
        parse(line)
    }

    /// With what no command can do without, unless it is there.
    fn parse_whole(toml: &str, flags: &[&str]) -> Cli {
        let needed = ["data = 'd'", "series = 'a.b:C@5m'", "from = 2024-01-01", "to = 2026-01-01"];
        let key = |line: &str| line.split_once(" = ").unwrap().0.to_owned();
        let given: Vec<_> = toml.lines().map(key).collect();
        let added = needed.into_iter().filter(|line| !given.contains(&key(line)));
        let whole: Vec<_> = toml.lines().chain(added).collect();
        parse_with(&whole.join("\n"), flags).unwrap()
    }

    fn frames(toml: &str, flags: &[&str]) -> crate::args::FramesArgs {
        match parse_whole(toml, flags).command {
            Command::Frames(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_are_options_and_flags_override_them() {
        let toml = "data = 'root'\nseries = ['a.b:C@5m', 'a.b:D@5m']\nstrict = true\nfill-limit = 3\nfrom = 2024-01-01\n";
        let args = frames(toml, &[]);
        assert_eq!(args.input.candles.series.len(), 2);
        assert!(args.input.candles.strict);
        assert_eq!(args.feed.fill_limit, Some(3));
        assert_eq!(args.input.from.unwrap().to_string(), "2024-01-01T00:00:00Z");
        let args = frames(toml, &["--series", "a.b:E@1h", "--fill-limit", "9", "--from", "2025-01-01"]);
        assert_eq!(
            args.input.candles.series.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["a.b:E@1h"]
        );
        assert_eq!(args.feed.fill_limit, Some(9));
        assert_eq!(args.input.from.unwrap().to_string(), "2025-01-01T00:00:00Z");
        assert_eq!(args.input.data.unwrap(), Path::new("root"));
    }

    #[test]
    fn one_file_serves_commands_with_other_options() {
        let args = frames("strategy = 'sma:1,2'\nmax-frames = 3\nalign = 'inner'", &[]);
        assert_eq!(args.feed.align, crate::args::AlignArg::Inner);
    }

    #[test]
    fn the_example_is_a_configuration() {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/run.toml");
        for command in ["run", "frames"] {
            let line = ["bt", command, "--config", example].map(OsString::from).to_vec();
            parse(line).unwrap();
        }
    }

    #[test]
    fn a_flag_of_the_file_can_be_taken_back() {
        let toml = "strict = true\nquiet = true";
        assert!(frames(toml, &[]).input.candles.strict);
        assert!(!frames(toml, &["--strict=false"]).input.candles.strict);
        assert!(frames("strict = false", &["--strict"]).input.candles.strict);
        let ui = |toml, flags: &[&str]| parse_whole(toml, flags).ui;
        assert!(ui(toml, &[]).quiet && !ui(toml, &["--quiet=false"]).quiet);
        let loud = ui(toml, &["-v"]);
        assert_eq!((loud.quiet, loud.verbose), (false, 1));
        let silent = ui("verbose = true", &["-q"]);
        assert_eq!((silent.quiet, silent.verbose), (true, 0));
    }

    #[test]
    fn what_does_not_go_together_is_told_with_the_rest() {
        let toml = "series = ['a.b:c@5m', 'a.b:d@90s', 'a.b:c@300s']\nfrom = 2024-01-02\nto = 2024-01-01\n\
                    memory = '1kB'\nalgn = 'x'";
        let error = parse_with(toml, &[]).unwrap_err().to_string();
        let told: Vec<_> =
            error.lines().skip(1).map(|line| line.split_once(".tmp").map_or(line, |(_, l)| l)).collect();
        let told: Vec<_> = told.iter().map(|line| line.split_once(": ").unwrap().1).collect();
        assert_eq!(
            told,
            [
                "key `series`: cannot resample a.b:d@1m to 90s, expected a whole multiple of 1m",
                "key `series`: series a.b:c@5m is subscribed twice, expected each series once",
                "key `to`: range from 2024-01-02T00:00:00Z to 2024-01-01T00:00:00Z is empty, expected `from` before `to`",
                "key `memory`: memory of 1000 bytes is too small for 3 series, expected at least 12288 bytes",
                "key `algn`: no option has this name, did you mean `align`?",
                "no --data given, on the command line or as `data` in a configuration",
            ]
        );
        // What may be so only because of a value that was not understood is not told.
        let toml =
            "data = 'x'\nseries = ['a.b:c@30s']\nfrom = 'once'\nto = 2024-01-01\nsource-timeframe = 'x'";
        let error = parse_with(toml, &[]).unwrap_err().to_string();
        assert_eq!(error.lines().count(), 3, "{error}");
        assert!(
            error.contains(":3:8: key `from`: ") && error.contains(":5:20: key `source-timeframe`: "),
            "{error}"
        );
    }

    #[test]
    fn what_is_wrong_in_a_file_is_named() {
        for (toml, expected) in [
            ("fil-limit = 3", ":1:1: key `fil-limit`: no option has this name, did you mean `fill-limit`?"),
            (
                "\nfill-limit = 'x'",
                ":2:14: key `fill-limit`: invalid value `x`: expected a whole number from 0 to",
            ),
            ("align = 'left'", ":1:9: key `align`: invalid value `left`, expected one of outer, inner"),
            ("series = ['nonsense']", ":1:11: key `series`: invalid value `nonsense`: invalid series"),
            ("[frames]\na = 1", ":1:2: key `frames`: a table, expected options at the top of the file"),
            ("a = ", ":1:5: not valid TOML: "),
            (
                "zzz = 1",
                ":1:1: key `zzz`: no option has this name, expected a long option of bt run or bt frames",
            ),
            ("config = 'x'", "names no other configuration"),
            // Of another command, and overridden: a file is right or wrong by itself.
            ("max-frames = 0", ":1:14: key `max-frames`: "),
            ("from = 'someday'", ":1:8: key `from`: "),
        ] {
            let error = parse_with(toml, &["--from=2024-01-01"]).unwrap_err().to_string();
            assert!(error.contains(expected), "{toml}: {error}");
        }
    }

    #[test]
    fn what_is_no_configuration_at_all_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("long");
        std::fs::write(&long, vec![b'#'; LARGEST as usize + 1]).unwrap();
        let latin = dir.path().join("latin");
        std::fs::write(&latin, b"# \xc3\xa9\n# \xe9").unwrap();
        for (path, expected) in [
            (long, "expected 1048576 bytes at most"),
            (latin, ":2:3: not a text, expected UTF-8"),
            (dir.path().to_owned(), "cannot read configuration"),
            (dir.path().join("nowhere"), "cannot read configuration"),
            #[cfg(unix)]
            ("/dev/zero".into(), "expected 1048576 bytes at most"),
        ] {
            let line = ["bt".into(), "run".into(), "--config".into(), OsString::from(&path)];
            let failure = parse(line.into()).unwrap_err();
            let told = failure.to_string();
            assert!(told.contains(expected) && told.contains(&path.display().to_string()), "{told}");
            assert_eq!(failure.exit_code(), 2);
        }
    }
}
