//! How many of which mutants ended how.

use std::collections::BTreeMap;
use std::fmt;

use crate::Outcome;
use crate::base::CODECS;
use crate::mutate::{KINDS, Mutant};

#[derive(Default)]
pub(crate) struct Table {
    /// By kind or codec.
    counts: BTreeMap<(&'static str, Outcome), u64>,
}

impl Table {
    pub(crate) fn count(&mut self, mutant: &Mutant, outcome: Outcome) {
        for row in [mutant.kind, CODECS[mutant.base.codec], "all"] {
            *self.counts.entry((row, outcome)).or_default() += 1;
        }
    }

    pub(crate) fn of(&self, outcome: Outcome) -> u64 {
        self.of_kind("all", outcome)
    }

    pub(crate) fn of_kind(&self, kind: &'static str, outcome: Outcome) -> u64 {
        self.counts.get(&(kind, outcome)).copied().unwrap_or(0)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<20}", "")?;
        Outcome::ALL.iter().try_for_each(|(_, name)| write!(f, "{name:>9}"))?;
        let kinds = KINDS.iter().map(|(kind, _)| *kind);
        for row in kinds.chain(CODECS).chain(["all"]) {
            write!(f, "\n{row:<20}")?;
            Outcome::ALL
                .iter()
                .try_for_each(|(outcome, _)| write!(f, "{:>9}", self.of_kind(row, *outcome)))?;
        }
        Ok(())
    }
}
