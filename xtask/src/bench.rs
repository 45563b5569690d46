//! `cargo xtask bench`: the criterion benches.

use crate::Outcome;
use crate::command::{Usage, cargo, run as run_command};

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut command = cargo(&["bench", "-p", "benches"]);
    if let Some(filter) = filter(arguments)? {
        command.args(["--", filter]);
    }
    run_command(command)
}

fn filter(arguments: &[String]) -> Result<Option<&str>, Usage> {
    match arguments {
        [] => Ok(None),
        [option, text] if option == "--filter" && !text.starts_with('-') => Ok(Some(text)),
        _ => Err(Usage::new(format!(
            "unexpected arguments `{}`, expected nothing or `--filter TEXT`",
            arguments.join(" ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_passed_on_and_all_else_refused() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(filter(&[]).unwrap(), None);
        assert_eq!(filter(&words("--filter feeder/8")).unwrap(), Some("feeder/8"));
        for bad in ["--filter", "--filter --save-baseline", "feeder", "--filter a b"] {
            assert!(filter(&words(bad)).unwrap_err().to_string().contains(bad), "{bad}");
        }
    }
}
