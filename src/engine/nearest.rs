//! The known word that a mistyped one was most likely meant to be.

/// Edits that still count as a slip: one in three letters.
fn slips(word: &str) -> usize {
    (word.chars().count() / 3).clamp(1, 4)
}

/// The known word with the fewest edits (insert, delete, replace, swap of neighbours) from `word`, in any case;
/// `None` where none is near. A word that lacks only its end is near.
#[must_use]
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_ascii_lowercase();
    known
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.to_ascii_lowercase();
            let edits = strsim::osa_distance(&word, &lower);
            let begins = word.len() >= 4 && lower.starts_with(&word);
            (edits <= slips(&word) || begins).then_some((edits, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_mended_and_another_word_is_not() {
        let known = ["headroom", "slack", "coldStart", "HB301"];
        for (word, meant) in [
            ("headrom", Some("headroom")),
            ("haedroom", Some("headroom")),
            ("coldstart", Some("coldStart")),
            ("cold", Some("coldStart")),
            ("HB30l", Some("HB301")),
            ("weather", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
    }
}
