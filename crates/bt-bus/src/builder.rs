//! Setting up a bus.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bt_core::{ConfigError, topic};

use crate::Bus;

/// Registers the topics of a [`Bus`], which are known before anything is published (R31).
#[must_use = "a builder does nothing unless built"]
pub struct BusBuilder<E> {
    topics: Vec<String>,
    log: Option<String>,
    payload: PhantomData<fn(E)>,
}

impl<E> BusBuilder<E> {
    pub(crate) fn new() -> Self {
        BusBuilder { topics: Vec::new(), log: None, payload: PhantomData }
    }

    /// Registers a topic.
    pub fn topic(mut self, name: impl Into<String>) -> Self {
        self.topics.push(name.into());
        self
    }

    /// Registers several topics.
    pub fn topics<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.topics.extend(names.into_iter().map(Into::into));
        self
    }

    /// Says which of the topics takes the logs. Unless told, it is [`topic::LOG`], if that is registered.
    pub fn log_topic(mut self, name: impl Into<String>) -> Self {
        self.log = Some(name.into());
        self
    }

    /// Builds the bus.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] without a topic; [`ConfigError::Invalid`] for a topic that is registered twice
    /// or has no name, and for a log topic that is not registered.
    pub fn build(self) -> Result<Bus<E>, ConfigError> {
        let BusBuilder { topics, log, payload: _ } = self;
        if topics.is_empty() {
            return Err(ConfigError::Missing { what: "topic" });
        }
        for (at, name) in topics.iter().enumerate() {
            let invalid = |expected| ConfigError::Invalid { option: "topic", value: name.clone(), expected };
            if name.is_empty() {
                return Err(invalid("a name"));
            }
            if topics[..at].contains(name) {
                return Err(invalid("each topic once"));
            }
        }
        let find = |wanted: &str| topics.iter().position(|name| name == wanted);
        let log = match log {
            None => find(topic::LOG),
            Some(value) => match find(&value) {
                None => {
                    let expected = "one of the registered topics";
                    return Err(ConfigError::Invalid { option: "log_topic", value, expected });
                }
                found => found,
            },
        };
        Ok(Bus::from_topics(topics.into_iter().map(Arc::from).collect(), log))
    }
}

impl<E> fmt::Debug for BusBuilder<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusBuilder").field("topics", &self.topics).field("log", &self.log).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r31_topics_are_checked() {
        let build = |topics: &[&str]| Bus::<u8>::new(topics.iter().copied()).map(|_| ()).unwrap_err();
        assert!(matches!(build(&[]), ConfigError::Missing { what: "topic" }));
        assert_eq!(build(&["a", "b", "a"]).to_string(), "invalid topic `a`, expected each topic once");
        assert_eq!(build(&["a", ""]).to_string(), "invalid topic ``, expected a name");
        let unknown = Bus::<u8>::builder().topic("a").log_topic("b").build().unwrap_err();
        assert_eq!(unknown.to_string(), "invalid log_topic `b`, expected one of the registered topics");
    }
}
