//! A line read back.

use std::borrow::Cow;
use std::fmt;

use bt_core::{BoxError, Level, Series, Timestamp, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::encode::Line;

/// An event as it stands in a journal.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalEntry {
    /// Sequence number in its topic.
    pub seq: u64,
    /// Name of the topic.
    pub topic: String,
    /// How serious it is.
    pub level: Level,
    /// Who says it.
    pub component: String,
    /// What happened.
    pub event: String,
    /// The series it is about.
    pub series: Option<Series>,
    /// Start of the row or close of the frame it is about.
    pub sim_time: Option<Timestamp>,
    /// For people.
    pub message: String,
    /// For programs, in the order of the line. JSON knows fewer kinds than [`Value`]: instants come back as
    /// texts, whole numbers that are not negative as counts, null as NaN.
    pub fields: Vec<(String, Value)>,
}

impl JournalEntry {
    /// Reads one line, with or without its line feed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(line: &[u8]) -> Result<Self, BoxError> {
        let raw: Raw = serde_json::from_slice(line)?;
        let level = Level::ALL
            .into_iter()
            .find(|level| level.as_str() == raw.level)
            .ok_or_else(|| format!("unknown level `{}`, expected debug, info, warn or error", raw.level))?;
        Ok(JournalEntry {
            seq: raw.seq,
            topic: raw.topic,
            level,
            component: raw.component,
            event: raw.event,
            series: raw.series.as_deref().map(str::parse).transpose()?,
            sim_time: raw.sim_time.as_deref().map(str::parse).transpose()?,
            message: raw.message,
            fields: raw.fields.0,
        })
    }

    /// Appends its line to `out`: byte for byte the one it was read from.
    pub fn encode_line(&self, out: &mut Vec<u8>) {
        Line {
            seq: self.seq,
            topic: &self.topic,
            level: self.level,
            component: &self.component,
            event: &self.event,
            series: self.series.as_ref(),
            sim_time: self.sim_time,
            message: &self.message,
            fields: self.fields.iter().map(|(name, value)| (&**name, value)),
        }
        .encode(out);
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    seq: u64,
    topic: String,
    level: String,
    component: String,
    event: String,
    series: Option<String>,
    sim_time: Option<String>,
    message: String,
    fields: Fields,
}

/// An object in the order of its text, which a map would not keep.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, Scalar(value))) = map.next_entry()? {
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

struct Scalar(Value);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyScalar;
        impl Visitor<'_> for AnyScalar {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, number, boolean or null")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar(Value::Bool(value)))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar(Value::Count(value)))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar(Value::Int(value)))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar(Value::Float(value)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar(Value::Text(Cow::Owned(value.to_owned()))))
            }

            fn visit_unit<E>(self) -> Result<Scalar, E> {
                Ok(Scalar(Value::Float(f64::NAN)))
            }
        }
        deserializer.deserialize_any(AnyScalar)
    }
}
