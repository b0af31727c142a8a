//! A policy file to a [`Policy`], or to everything that is wrong with it.

use std::fmt;
use std::path::Path;

use serde_json::Value;

use super::check;
use super::own;
use super::schema::schema;
use crate::cli::manifest::{self, Document, InputError};
use crate::engine::policy::Policy;

/// Why a file is no policy.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It cannot be read, or is not YAML.
    Unreadable(InputError),
    /// Keys or values are wrong; there is at least one error.
    Wrong(Vec<InputError>),
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(out, "cannot read the policy {error}"),
            Self::Wrong(errors) => {
                let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
                out.write_str(&lines.join("\n"))
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// Reads a policy file, or takes the default policy.
///
/// # Errors
/// Names the file, the place and what to write instead, for every mistake in it.
pub fn read(path: Option<&Path>) -> Result<Policy, Refusal> {
    let Some(path) = path else {
        return Ok(Policy::default());
    };
    of(&manifest::load_one(path).map_err(Refusal::Unreadable)?)
}

/// Reads a policy's text; `place` names it in errors.
///
/// # Errors
/// As of [`read`].
#[cfg(feature = "server")]
pub fn read_text(place: &str, text: &str) -> Result<Policy, Refusal> {
    of(&manifest::one_of(place, text).map_err(Refusal::Unreadable)?)
}

fn of(document: &Document) -> Result<Policy, Refusal> {
    let mut value: Value = Value::clone(&document.value);
    let mut errors = check::check(document, &mut value, &schema());
    if errors.is_empty() {
        errors = own::uncompilable(document, &value);
    }
    if errors.is_empty() {
        match serde_json::from_value::<Policy>(value) {
            Ok(policy) => {
                errors = own::mistakes(document, &policy);
                errors.extend(check::check_kubelet(document, &policy.kubelet));
                if errors.is_empty() {
                    return Ok(policy);
                }
            }
            Err(error) => errors.push(document.error_at("", error.to_string())),
        }
    }
    errors.sort_by_key(|error| (error.line, error.column));
    Err(Refusal::Wrong(errors))
}
