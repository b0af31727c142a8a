//! What the shapes of Flux's and Argo CD's objects have in common.

use serde::Deserialize;

use super::job::Problem;
use super::text::Str;
use crate::engine::Seconds;

/// `metadata` of an object that is only told apart by its name.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Named<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) namespace: Option<Str<'a>>,
}

/// A duration of a spec, if there is one; one that cannot be read is a problem at `pointer` and counts as absent.
pub(super) fn span(value: Option<Str<'_>>, pointer: &str, problems: &mut Vec<Problem>) -> Option<Seconds> {
    let Str(text) = value?;
    match Seconds::parse_go(&text) {
        Ok(span) => Some(span),
        Err(error) => {
            problems.push(Problem {
                pointer: pointer.to_owned(),
                message: error.to_string(),
            });
            None
        }
    }
}
