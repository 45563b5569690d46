//! What a measurement is made of.

/// Programs that run in turn, and what is read off them.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    /// Command lines by name, as [`programs`](super::programs) reads them.
    pub(super) programs: &'static [(&'static str, &'static str)],
    pub(super) figures: &'static [Figure],
}

/// A number that is worked out from what programs say.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) value: Value,
    pub(super) bar: Bar,
}

/// How a figure is worked out. Programs are given by their names, what they say by the names of their numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    /// One program's number over another's.
    Ratio { of: &'static str, over: &'static str, number: &'static str },
    /// A number that counts something, in this unit.
    Count { of: &'static str, number: &'static str, unit: &'static str },
    /// How much more time one program takes than another, in milliseconds.
    Later { of: &'static str, than: &'static str, number: &'static str },
    /// Instructions of one program beyond another's for each of what `per` names, counted by callgrind: the
    /// difference of two runs, where `{}` is the one and the other size.
    Instructions { of: &'static str, beyond: &'static str, sizes: [u32; 2], per: &'static str },
}

impl Value {
    /// Whether it is made of what this program says.
    pub(super) fn speaks_of(self, program: &str) -> bool {
        match self {
            Value::Ratio { of, over, .. } => [of, over].contains(&program),
            Value::Later { of, than, .. } => [of, than].contains(&program),
            Value::Count { of, .. } => of == program,
            Value::Instructions { .. } => false,
        }
    }
}

/// What a figure is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bar {
    /// Not more.
    Most(f64),
    /// Not less.
    Least(f64),
    /// Nothing, in no run.
    Never,
    /// Nothing is asked.
    Open,
}

pub(super) const fn ratio(of: &'static str, over: &'static str, number: &'static str) -> Value {
    Value::Ratio { of, over, number }
}

pub(super) const fn count(of: &'static str, number: &'static str, unit: &'static str) -> Value {
    Value::Count { of, number, unit }
}

pub(super) const fn figure(name: &'static str, value: Value, bar: Bar) -> Figure {
    Figure { name, value, bar }
}
