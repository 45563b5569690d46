//! Setting up a bus.

use std::fmt;

use bt_core::{ConfigError, LogEvent, TopicName};

use crate::Bus;
use crate::core::{Announcer, MakePayload};

/// Registers the topics of a [`Bus`], which are known before anything is published (R31).
#[must_use = "a builder does nothing unless built"]
pub struct BusBuilder<E> {
    topics: Vec<String>,
    log: Option<(String, MakePayload<E>)>,
}

impl<E> BusBuilder<E> {
    pub(crate) fn new() -> Self {
        BusBuilder { topics: Vec::new(), log: None }
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

    /// Says which of the topics takes the logs. Without one, nobody can log, and what is dropped by policy is
    /// counted but not announced.
    ///
    /// What the bus itself says is made a payload of by `E::from`, under the bus's lock: it must not use the bus.
    pub fn log_topic(mut self, name: impl Into<String>) -> Self
    where
        E: From<LogEvent>,
    {
        self.log = Some((name.into(), E::from));
        self
    }

    /// Builds the bus.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] without a topic; [`ConfigError::Invalid`] for a topic that is registered twice
    /// or has no name, and for a log topic that is not registered.
    pub fn build(self) -> Result<Bus<E>, ConfigError> {
        let BusBuilder { topics, log } = self;
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
        let announcer = match log {
            None => None,
            Some((value, payload)) => match topics.iter().position(|name| *name == value) {
                None => {
                    let expected = "one of the registered topics";
                    return Err(ConfigError::Invalid { option: "log_topic", value, expected });
                }
                Some(log) => Some(Announcer { log, payload }),
            },
        };
        Ok(Bus::from_topics(topics.iter().map(|name| TopicName::new(name)).collect(), announcer))
    }
}

impl<E> fmt::Debug for BusBuilder<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusBuilder")
            .field("topics", &self.topics)
            .field("log", &self.log.as_ref().map(|(name, _)| name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bt_core::Event;

    #[test]
    fn r31_topics_are_checked() {
        let build = |topics: &[&str]| Bus::<u8>::new(topics.iter().copied()).map(|_| ()).unwrap_err();
        assert!(matches!(build(&[]), ConfigError::Missing { what: "topic" }));
        assert_eq!(build(&["a", "b", "a"]).to_string(), "invalid topic `a`, expected each topic once");
        assert_eq!(build(&["a", ""]).to_string(), "invalid topic ``, expected a name");
        let unknown = Bus::<Event>::builder().topic("a").log_topic("b").build().unwrap_err();
        assert_eq!(unknown.to_string(), "invalid log_topic `b`, expected one of the registered topics");
    }
}
