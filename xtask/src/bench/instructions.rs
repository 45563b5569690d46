//! Counting instructions, where there is valgrind.

use std::process::{Command, Stdio};

use super::programs::{self, Lack, Numbers, directory};
use crate::command::shown;

/// Instructions of `of` beyond those of `beyond` for each of what `per` names, between runs of two sizes.
pub(super) fn between(of: &str, beyond: &str, sizes: [u32; 2], per: &str) -> Result<f64, Lack> {
    let run = |line: &str, size: u32| count(&line.replacen("{}", &size.to_string(), 1));
    let [small, large] = sizes;
    let (of_small, of_large) = (run(of, small)?, run(of, large)?);
    let (beyond_small, beyond_large) = (run(beyond, small)?, run(beyond, large)?);
    let more = (of_large.0 - of_small.0) - (beyond_large.0 - beyond_small.0);
    let units = |numbers: &Numbers| numbers.get(per).copied().unwrap_or(f64::NAN);
    Ok(more / (units(&of_large.1) - units(&of_small.1)))
}

/// Runs a command line under callgrind: how many instructions it took, on all threads, and what it said.
fn count(line: &str) -> Result<(f64, Numbers), Lack> {
    let program = programs::command(line)?;
    let file = directory().join("callgrind.out");
    let mut valgrind = Command::new("valgrind");
    valgrind.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", file.display()));
    valgrind.arg(program.get_program()).args(program.get_args()).stdin(Stdio::null());
    let output = valgrind.output().map_err(|error| Lack::Tool(format!("valgrind: {error}")))?;
    let failed = |why: String| Lack::Failure(format!("{}: {why}", shown(&valgrind)));
    programs::succeeded(output.status, &output.stderr).map_err(failed)?;
    let counted = collected(&String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8_lossy(&output.stdout);
    let numbers = serde_json::from_str(printed.lines().last().unwrap_or_default());
    match (counted, numbers) {
        (Some(counted), Ok(numbers)) => Ok((counted, numbers)),
        _ => Err(failed("it did not say what was counted".to_owned())),
    }
}

/// The number in a line like `==1== Collected : 123`.
fn collected(stderr: &str) -> Option<f64> {
    stderr.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found() {
        let text = "==7== Events    : Ir\n==7== Collected : 52776710\n==7== \n";
        assert_eq!(collected(text), Some(52_776_710.0));
        assert_eq!(collected("==7== Events : Ir\n"), None);
    }
}
