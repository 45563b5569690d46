//! One loop over the bus, for a profiler: `bus_loop LOOP ROUNDS SUBSCRIBERS`.

use std::env::args;
use std::process::ExitCode;

use benches::BusLoop;

fn main() -> ExitCode {
    let words: Vec<String> = args().skip(1).collect();
    let parsed = match &words[..] {
        [name, rounds, subscribers] => name.parse::<BusLoop>().and_then(|which| {
            let rounds = rounds.parse().map_err(|e| format!("rounds `{rounds}`: {e}"))?;
            let subscribers = subscribers.parse().map_err(|e| format!("subscribers `{subscribers}`: {e}"))?;
            Ok((which, rounds, subscribers))
        }),
        _ => Err("expected: bus_loop LOOP ROUNDS SUBSCRIBERS".to_owned()),
    };
    match parsed {
        Ok((which, rounds, subscribers)) => {
            which.run(rounds, subscribers);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
