//! Configuration files: their keys are the long options, so they are read as options.

use std::ffi::OsString;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use toml::{Table, Value};

use crate::args::Cli;
use crate::failure::Failure;

/// Parses a command line, with the configuration file that it may name.
///
/// What stands on the command line overrides the file. There is one definition of every option, and so one
/// set of checks, defaults and suggestions for misspelt names.
pub(crate) fn parse(command_line: Vec<OsString>) -> Result<Cli, Failure> {
    let given = Cli::command().try_get_matches_from(&command_line)?;
    let Some((name, options)) = given.subcommand() else { return Ok(Cli::from_arg_matches(&given)?) };
    // Not every command takes a configuration file.
    let Ok(Some(path)) = options.try_get_one::<std::path::PathBuf>("config") else {
        return Ok(Cli::from_arg_matches(&given)?);
    };
    let mut all = command_line;
    all.extend(read(path, name, options)?);
    let merged =
        Cli::command().try_get_matches_from(all).map_err(|error| Failure::config_file(path, error))?;
    Ok(Cli::from_arg_matches(&merged)?)
}

/// The options of a file that are not on the command line, as they would be written there.
fn read(path: &Path, command: &str, given: &ArgMatches) -> Result<Vec<OsString>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|source| {
        Failure::usage(format!("cannot read configuration {}: {source}", path.display()))
    })?;
    let table: Table = text.parse().map_err(|error| {
        Failure::usage(format!("configuration {} is not valid TOML\n{error}", path.display()))
    })?;
    let mut options = Vec::new();
    for (key, value) in &table {
        if key == "config" {
            return Err(Failure::usage(format!(
                "configuration {} names another configuration",
                path.display()
            )));
        }
        if is_passed_over(key, command, given) {
            continue;
        }
        let values = match value {
            Value::Array(values) => values.as_slice(),
            single => std::slice::from_ref(single),
        };
        for value in values {
            match written(value) {
                Some(Written::Flag(true)) => options.push(format!("--{key}").into()),
                Some(Written::Flag(false)) => {}
                Some(Written::Value(value)) => options.push(format!("--{key}={value}").into()),
                None => {
                    return Err(Failure::usage(format!(
                        "configuration {}: key `{key}` holds a {}, expected a string, a number, true, false or a list of them",
                        path.display(),
                        value.type_str()
                    )));
                }
            }
        }
    }
    Ok(options)
}

enum Written {
    Flag(bool),
    Value(String),
}

fn written(value: &Value) -> Option<Written> {
    Some(match value {
        Value::Boolean(on) => Written::Flag(*on),
        Value::String(text) => Written::Value(text.clone()),
        Value::Integer(number) => Written::Value(number.to_string()),
        Value::Float(number) => Written::Value(number.to_string()),
        Value::Datetime(instant) => Written::Value(instant.to_string()),
        Value::Array(_) | Value::Table(_) => return None,
    })
}

/// Whether a key is on the command line, or of another command that takes a configuration: one file serves all.
/// What no command knows is refused, with a suggestion, by the parser of options.
fn is_passed_over(key: &str, command: &str, given: &ArgMatches) -> bool {
    let definition = Cli::command();
    let has = |command: &clap::Command| {
        command.get_arguments().chain(definition.get_arguments()).any(|arg| arg.get_long() == Some(key))
    };
    if definition.find_subcommand(command).is_some_and(&has) {
        // The name of an option's value is its long name with underscores.
        return given.value_source(&key.replace('-', "_")) == Some(ValueSource::CommandLine);
    }
    let takes_one = |other: &&clap::Command| other.get_arguments().any(|arg| arg.get_id() == "config");
    definition.get_subcommands().filter(takes_one).any(has)
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

    fn frames(toml: &str, flags: &[&str]) -> crate::args::FramesArgs {
        match parse_with(toml, flags).unwrap().command {
            Command::Frames(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_are_options_and_flags_override_them() {
        let toml = "data = 'root'\nseries = ['a.b:C@5m', 'a.b:D@5m']\nstrict = true\nfill-limit = 3\nfrom = 2024-01-01\n";
        let args = frames(toml, &[]);
        assert_eq!(args.input.series.len(), 2);
        assert!(args.input.strict);
        assert_eq!(args.feed.fill_limit, Some(3));
        assert_eq!(args.input.from.unwrap().to_string(), "2024-01-01T00:00:00Z");
        let args = frames(toml, &["--series", "a.b:E@1h", "--fill-limit", "9", "--from", "2025-01-01"]);
        assert_eq!(args.input.series.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a.b:E@1h"]);
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
    fn what_is_wrong_in_a_file_is_named() {
        for (toml, expected) in [
            ("fil-limit = 3", "--fill-limit"),
            ("fill-limit = 'x'", "x"),
            ("align = 'left'", "inner"),
            ("series = ['nonsense']", "nonsense"),
            ("[frames]\na = 1", "frames"),
            ("a = ", "TOML"),
            ("config = 'x'", "another configuration"),
        ] {
            let error = parse_with(toml, &[]).unwrap_err().to_string();
            assert!(error.contains(expected), "{toml}: {error}");
        }
    }
}
