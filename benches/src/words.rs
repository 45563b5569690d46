//! The arguments of a program: `name=value`, in any order.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

/// What can go wrong in a program.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Arguments by name. Those that nobody took are an error in the end.
#[derive(Debug, Default)]
pub struct Words(BTreeMap<String, String>);

impl Words {
    /// Takes them apart.
    ///
    /// # Errors
    /// A word without `=`.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, Error> {
        let pairs = words.into_iter().map(|word| match word.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(format!("unexpected `{word}`, expected NAME=VALUE").into()),
        });
        pairs.collect::<Result<_, _>>().map(Words)
    }

    /// Takes an argument that may be left out.
    ///
    /// # Errors
    /// A value that is not what it should be.
    pub fn optional<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<Option<T>, Error> {
        let parse = |value: String| match value.parse() {
            Ok(parsed) => Ok(parsed),
            Err(error) => Err(format!("{name}={value}: {error}").into()),
        };
        self.0.remove(name).map(parse).transpose()
    }

    /// Takes an argument, or what stands for it.
    ///
    /// # Errors
    /// A value that is not what it should be.
    pub fn or<T: FromStr<Err: Display>>(&mut self, name: &str, default: T) -> Result<T, Error> {
        Ok(self.optional(name)?.unwrap_or(default))
    }

    /// Takes an argument that must be there.
    ///
    /// # Errors
    /// If it is not, or not what it should be.
    pub fn required<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<T, Error> {
        self.optional(name)?.ok_or_else(|| format!("no {name}=… given").into())
    }

    /// All were taken.
    ///
    /// # Errors
    /// One that was not.
    pub fn end(&self) -> Result<(), Error> {
        match self.0.first_key_value() {
            None => Ok(()),
            Some((name, value)) => Err(format!("unexpected argument `{name}={value}`").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_by_name() {
        let mut words = Words::parse(["a=1", "b=x"].map(str::to_owned)).unwrap();
        assert_eq!(words.required::<u32>("a").unwrap(), 1);
        assert_eq!(words.or("c", 7).unwrap(), 7);
        assert_eq!(words.end().unwrap_err().to_string(), "unexpected argument `b=x`");
        let error = words.required::<u32>("b").unwrap_err();
        assert_eq!(error.to_string(), "b=x: invalid digit found in string");
        assert!(words.end().is_ok() && words.required::<u32>("b").is_err());
        assert!(Words::parse(["a".to_owned()]).is_err());
    }
}
