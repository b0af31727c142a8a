//! Spans on the command line.

use crate::engine::Seconds;

/// A span as a Go duration, such as `15m` or `1m30s`.
///
/// # Errors
/// Says what is wrong with the text.
pub(super) fn duration(text: &str) -> Result<Seconds, String> {
    let span = Seconds::parse_go(text).map_err(|error| error.to_string())?;
    if span < Seconds::ZERO {
        Err(format!("{text:?} is negative: write a span of zero or more"))
    } else {
        Ok(span)
    }
}
