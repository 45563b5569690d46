//! The programs of `examples/measure.rs`: what is measured as a whole, and what it is held against.

mod dropped;
mod feeds;
mod live;
mod parquet_crate;
mod reference;
mod responsive;

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::meter::{Meter, peak_kib};
use crate::words::{Error, Words};

/// What a program says in the end: names and numbers.
#[derive(Clone, Debug, Default)]
pub struct Told(BTreeMap<&'static str, f64>);

/// A program.
type Program = fn(&mut Words) -> Result<Told, Error>;

/// All of them, by name.
const PROGRAMS: [(&str, Program); 17] = [
    ("bare", reference::bare),
    ("dropped", dropped::dropped),
    ("engine", feeds::engine),
    ("first", feeds::first),
    ("frames", feeds::frames),
    ("heartbeat", responsive::heartbeat),
    ("live-heartbeat", live::heartbeat),
    ("live-bare", live::bare),
    ("live-frames", live::frames),
    ("live-latency", live::latency),
    ("live-venue", live::venue),
    ("memory-engine", feeds::memory_engine),
    ("memory-frames", feeds::memory_frames),
    ("merge", feeds::merge),
    ("parquet-crate", parquet_crate::decode),
    ("prepare", reference::prepare),
    ("straight", reference::straight),
];

/// Runs a program by its name and arguments, `NAME=VALUE` each.
///
/// # Errors
/// An unknown name, wrong arguments, or what went wrong in it.
pub fn run(mut arguments: impl Iterator<Item = String>) -> Result<Told, Error> {
    let name = arguments.next().unwrap_or_default();
    let mut words = Words::parse(arguments)?;
    if name == "write" {
        return crate::data_set::write(&mut words).map(|()| Told::default());
    }
    match PROGRAMS.iter().find(|(known, _)| *known == name) {
        Some((_, program)) => program(&mut words),
        None => {
            let known: Vec<_> = PROGRAMS.iter().map(|(name, _)| *name).collect();
            Err(format!("unknown program `{name}`, expected write, {}", known.join(", ")).into())
        }
    }
}

impl Told {
    /// Nothing yet.
    fn new() -> Self {
        Told::default()
    }

    fn with(mut self, name: &'static str, value: f64) -> Self {
        self.0.insert(name, value);
        self
    }

    /// Adds up numbers of the same name.
    fn plus(mut self, other: Told) -> Self {
        for (name, value) in other.0 {
            *self.0.entry(name).or_default() += value;
        }
        self
    }

    /// Adds what was taken since `meter` was started.
    fn taken(self, meter: &Meter) -> Self {
        let (wall, cpu) = meter.seconds();
        self.with("wall_s", wall).with("cpu_s", cpu).with("peak_kib", peak_kib() as f64)
    }

    /// As one line of JSON.
    pub fn to_json(&self) -> String {
        let number = |(name, value): (&&str, &f64)| ((*name).to_owned(), Value::from(*value));
        Value::Object(self.0.iter().map(number).collect()).to_string()
    }
}

fn runtime() -> Result<Runtime, Error> {
    Ok(Builder::new_current_thread().enable_time().build()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Result<Told, Error> {
        run(line.split(' ').map(str::to_owned))
    }

    #[test]
    fn programs_in_memory_tell_what_they_did() {
        for line in [
            "memory-frames series=3 minutes=100 gaps=0.1 logs=counted",
            "straight series=3 minutes=100 gaps=0.1",
            "merge series=8 minutes=100 mixed=true",
        ] {
            let Told(numbers) = told(line).unwrap();
            assert!(numbers["frames"] >= 20.0 && numbers["candles"] > 200.0, "{line}: {numbers:?}");
        }
        assert!(told("straight series=3 minutes=9 gap=1").unwrap_err().to_string().contains("gap=1"));
        assert!(told("crooked").unwrap_err().to_string().contains("memory-frames"));
    }
}
