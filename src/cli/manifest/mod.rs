//! Manifests from files, directories and standard input, with the place of every value.
//!
//! [`load`] splits each stream into documents first, so that a broken one does not take the others
//! with it, reads each into a tree of places and a [`serde_json::Value`], and takes lists apart.
//! Values are what the API server would get: YAML 1.1 as sigs.k8s.io/yaml reads it.
mod block;
mod decode;
mod deserialize;
mod document;
mod edit;
mod error;
mod in_scalar;
mod json;
mod lazy;
mod load;
mod paths;
mod scalar;
mod seen;
mod source;
mod split;
mod tree;
mod yaml;

pub use decode::decode;
pub use document::Document;
pub use edit::Splice;
pub use error::{InputError, Skipped};
pub use lazy::LazyValue;
pub use load::{Loaded, TEMPLATE, load, load_one, load_with, one_of};
pub use paths::PathOrStdin;
pub use source::{Location, Origin, Source};
