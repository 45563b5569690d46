//! Project commands: `cargo xtask COMMAND`.

mod bench;
mod ci;
mod command;
mod soak;
mod supply;
mod tidy;

use std::process::ExitCode;

/// What a command answers.
type Outcome = Result<(), Box<dyn std::error::Error>>;

struct Command {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    /// What each argument does, if that is not plain.
    more: &'static str,
    run: fn(&[String]) -> Outcome,
}

const COMMANDS: [Command; 5] = [
    Command {
        name: "bench",
        arguments: "[OPTIONS]",
        about: "measure whole programs and parts, and hold them to their bars",
        more: bench::HELP,
        run: bench::run,
    },
    Command {
        name: "ci",
        arguments: "",
        about: "run every check: what continuous integration runs",
        more: "",
        run: ci::run,
    },
    Command {
        name: "soak",
        arguments: "[--runs N]",
        about: "end runs by signals and failures at random moments, N times each",
        more: "",
        run: soak::run,
    },
    Command {
        name: "supply",
        arguments: "",
        about: "hold what the build takes in against deny.toml: licences, sources, duplicates, features",
        more: "",
        run: supply::run,
    },
    Command {
        name: "tidy",
        arguments: "",
        about: "prove the mechanical rules: layers, dependencies, house style, links",
        more: "",
        run: tidy::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((name, rest)) if !matches!(name.as_str(), "help" | "--help" | "-h") => dispatch(name, rest),
        Some(_) => {
            println!("{}", help());
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("{}", help());
            ExitCode::from(2)
        }
    }
}

fn dispatch(name: &str, arguments: &[String]) -> ExitCode {
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprintln!("error: unknown command `{name}`\n\n{}", help());
        return ExitCode::from(2);
    };
    if arguments.iter().any(|argument| matches!(argument.as_str(), "--help" | "-h")) {
        println!("{}", command.help());
        return ExitCode::SUCCESS;
    }
    match (command.run)(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(if error.is::<command::Usage>() { 2 } else { 1 })
        }
    }
}

impl Command {
    fn help(&self) -> String {
        let Command { name, arguments, about, more, .. } = self;
        format!("usage: cargo xtask {name} {arguments}\n\n{about}\n\n{more}").trim_end().to_owned()
    }
}

fn help() -> String {
    let mut text = "usage: cargo xtask COMMAND\n\ncommands:".to_owned();
    for Command { name, arguments, about, .. } in COMMANDS {
        text += &format!("\n  {:<22} {about}", format!("{name} {arguments}"));
    }
    text + "\n\n`cargo xtask COMMAND --help` says more of one."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_lists_every_command() {
        for Command { name, about, .. } in COMMANDS {
            assert!(help().contains(name) && help().contains(about));
            assert_eq!(dispatch(name, &["--help".to_owned()]), ExitCode::SUCCESS);
        }
    }

    #[test]
    fn an_unknown_command_and_wrong_arguments_are_usage_errors() {
        assert_eq!(dispatch("frobnicate", &[]), ExitCode::from(2));
        assert_eq!(dispatch("tidy", &["--fast".to_owned()]), ExitCode::from(2));
    }
}
