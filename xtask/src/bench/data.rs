//! The data sets, each made once.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::programs::{self, Lack, directory};

/// How a data set is made.
enum Recipe {
    /// By this project's own writer: the arguments of `measure write`.
    Written(&'static str),
    /// The candles of another, written by this library with this codec.
    Rewritten { from: &'static str, by: &'static str, codec: &'static str },
}

/// A data set, and where its time ends.
struct Set {
    name: &'static str,
    recipe: Recipe,
    to: &'static str,
}

const SETS: &[Set] = &[
    written("snappy-12", "codec=snappy", "2025-01-01"),
    written("zstd-12", "codec=zstd", "2025-01-01"),
    written("zstd-120", "codec=zstd months=120", "2034-01-01"),
    written("many", "codec=zstd series=64 months=1 group=1024", "2024-02-01"),
    written("wide", "codec=zstd series=4096 months=1 group=1024", "2024-02-01"),
    rewritten("pyarrow-snappy", "pyarrow", "snappy"),
    rewritten("pyarrow-zstd", "pyarrow", "zstd"),
    rewritten("polars-zstd", "polars", "zstd"),
];

const fn written(name: &'static str, arguments: &'static str, to: &'static str) -> Set {
    Set { name, recipe: Recipe::Written(arguments), to }
}

const fn rewritten(name: &'static str, by: &'static str, codec: &'static str) -> Set {
    Set { name, recipe: Recipe::Rewritten { from: "zstd-12", by, codec }, to: "2025-01-01" }
}

/// Candles that are missing.
const GAPS: &str = "gaps=0.001";

/// The directory of a data set, made if it is not there. Beside it lies a configuration of all of its series.
pub(super) fn ready(name: &str) -> Result<PathBuf, Lack> {
    let set = SETS.iter().find(|set| set.name == name);
    let set = set.ok_or_else(|| Lack::failure(format_args!("unknown data set `{name}`")))?;
    let place = directory().join("data").join(name);
    let mut command = set.command(&place)?;
    // Written last, and says how the data set was made: another recipe makes it anew.
    let marker = place.join("complete.txt");
    let recipe = crate::command::shown(&command);
    if fs::read_to_string(&marker).is_ok_and(|found| found == recipe) {
        return Ok(place);
    }
    if place.exists() {
        fs::remove_dir_all(&place).map_err(Lack::failure)?;
    }
    fs::create_dir_all(&place).map_err(Lack::failure)?;
    println!("== data set {name}");
    set.make(&mut command)?;
    let configuration = set.configuration(&place).map_err(Lack::failure)?;
    fs::write(place.with_extension("toml"), configuration).map_err(Lack::failure)?;
    fs::write(marker, recipe).map_err(Lack::failure)?;
    Ok(place)
}

impl Set {
    fn command(&self, place: &std::path::Path) -> Result<Command, Lack> {
        let place = place.display();
        programs::command(&match self.recipe {
            Recipe::Written(arguments) => format!("measure write out={place} {GAPS} {arguments}"),
            Recipe::Rewritten { from, by, codec } => {
                format!("python rewrite.py {{{from}}} {place} {by} {codec}")
            }
        })
    }

    fn make(&self, command: &mut Command) -> Result<(), Lack> {
        let by_python = matches!(self.recipe, Recipe::Rewritten { .. });
        let result = match command.output() {
            Ok(output) => programs::succeeded(output.status, &output.stderr),
            Err(error) => Err(error.to_string()),
        };
        result.map_err(|why| {
            let why = format!("{}: {why}", crate::command::shown(command));
            if by_python { Lack::Tool(why) } else { Lack::Failure(why) }
        })
    }

    /// All series of the data set at five minutes, for `bt --config`.
    fn configuration(&self, place: &std::path::Path) -> std::io::Result<String> {
        let mut series = Vec::new();
        for entry in fs::read_dir(place.join("exchange=binance/market=spot"))? {
            let name = entry?.file_name();
            if let Some(symbol) = name.to_string_lossy().strip_prefix("symbol=") {
                series.push(format!("    \"binance.spot:{symbol}@5m\",\n"));
            }
        }
        series.sort();
        let (data, series, to) = (place.display(), series.concat(), self.to);
        Ok(format!(
            "data = \"{data}\"\nseries = [\n{series}]\nsource-timeframe = \"1m\"\nfrom = \"2024-01-01\"\nto = \"{to}\"\n"
        ))
    }
}
