//! One program that is measured as a whole: `measure PROGRAM [NAME=VALUE]…`. It prints a line of JSON.

use std::env::args;
use std::process::ExitCode;

fn main() -> ExitCode {
    match benches::programs::run(args().skip(1)) {
        Ok(told) => {
            println!("{}", told.to_json());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
