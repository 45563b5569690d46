//! Names of topics.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

/// Name of a topic: as cheap to copy as a reference, since every envelope carries one.
///
/// Equal names share one text, which lives as long as the program. So make names of what is known when a bus is
/// built, not of what comes in with the data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(&'static str);

static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

impl TopicName {
    /// The topic called `name`.
    pub fn new(name: &str) -> Self {
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        TopicName(names.get(name).copied().unwrap_or_else(|| {
            let name: &'static str = String::leak(name.to_owned());
            names.insert(name);
            name
        }))
    }

    /// Its text.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl From<&str> for TopicName {
    fn from(name: &str) -> Self {
        TopicName::new(name)
    }
}

impl Deref for TopicName {
    type Target = str;

    fn deref(&self) -> &str {
        self.0
    }
}

impl PartialEq<str> for TopicName {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for TopicName {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_share_one_text() {
        let [a, b] = [String::from("shared"), String::from("shared")].map(|name| TopicName::new(&name));
        assert!(a == b && std::ptr::eq(a.as_str(), b.as_str()));
        assert!(a == "shared" && a != TopicName::new("other"));
        assert_eq!((format!("{a:>8}"), format!("{a:?}")), ("  shared".into(), "\"shared\"".into()));
    }
}
