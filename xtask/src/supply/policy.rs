//! What is read of `deny.toml`.

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Policy {
    pub(super) advisories: Advisories,
    pub(super) licenses: Licences,
    pub(super) bans: Bans,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Advisories {
    #[serde(default)]
    pub(super) ignore: Vec<Ignored>,
}

/// An advisory that is known of and lived with.
#[derive(Debug, Deserialize)]
pub(super) struct Ignored {
    pub(super) id: String,
    pub(super) reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Licences {
    pub(super) allow: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Bans {
    #[serde(default)]
    pub(super) skip: Vec<Skipped>,
    #[serde(default)]
    pub(super) deny: Vec<Banned>,
    #[serde(default)]
    pub(super) features: Vec<Features>,
}

/// A version that may stand beside another one, as `name@version`, of which the version may be cut short.
#[derive(Debug, Deserialize)]
pub(super) struct Skipped {
    #[serde(rename = "crate")]
    pub(super) package: String,
    pub(super) reason: Option<String>,
}

/// A package that only the wrappers may depend on, or nobody.
#[derive(Debug, Deserialize)]
pub(super) struct Banned {
    #[serde(rename = "crate")]
    pub(super) package: String,
    #[serde(default)]
    pub(super) wrappers: Vec<String>,
    pub(super) reason: Option<String>,
}

/// The features that a package may have, with those that they need themselves.
#[derive(Debug, Deserialize)]
pub(super) struct Features {
    #[serde(rename = "crate")]
    pub(super) package: String,
    pub(super) allow: Vec<String>,
    pub(super) reason: Option<String>,
}
