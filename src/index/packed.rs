//! Objects and texts that nobody may ever ask for again, small.

use std::collections::BTreeMap;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use serde_json::value::RawValue;

/// How every Job looks: what a packed one has in common with this is not kept again.
const USUAL: &str = include_str!("usual_job.txt");

/// An object without its status and its `managedFields`, compressed: a tenth of what the API server sends.
#[derive(Clone, Debug)]
pub(super) struct PackedObject(Box<[u8]>);

impl PackedObject {
    /// Packs an object; one that cannot be taken apart is kept whole.
    pub(super) fn of(text: &str) -> Option<Self> {
        let lean = lean(text);
        let text = lean.as_deref().unwrap_or(text);
        squeezed(text.as_bytes(), USUAL.as_bytes()).map(Self)
    }

    /// The object.
    pub(super) fn text(&self) -> Option<String> {
        String::from_utf8(expanded(&self.0, USUAL.as_bytes())?).ok()
    }
}

/// What of an object is not its status and not who manages which of its fields.
fn lean(text: &str) -> Option<String> {
    let mut object: BTreeMap<&str, &RawValue> = serde_json::from_str(text).ok()?;
    object.remove("status");
    let metadata = object.remove("metadata")?;
    let mut metadata: BTreeMap<&str, &RawValue> = serde_json::from_str(metadata.get()).ok()?;
    metadata.remove("managedFields");
    let metadata = serde_json::value::to_raw_value(&metadata).ok()?;
    object.insert("metadata", &metadata);
    serde_json::to_string(&object).ok()
}

/// Deflates a text (RFC 1951) that is expected to repeat much of `usual`.
pub(super) fn squeezed(text: &[u8], usual: &[u8]) -> Option<Box<[u8]>> {
    let mut state = Compress::new(Compression::fast(), false);
    state.set_dictionary(usual).ok()?;
    let mut packed = Vec::with_capacity(text.len() / 2 + 64);
    loop {
        let read = usize::try_from(state.total_in()).ok()?;
        let status = state.compress_vec(text.get(read..)?, &mut packed, FlushCompress::Finish);
        match status.ok()? {
            // A copy, because a block that is given back in part is often kept whole.
            Status::StreamEnd => return Some(packed.as_slice().into()),
            Status::Ok | Status::BufError => packed.reserve(packed.len()),
        }
    }
}

/// The text that was [`squeezed`] with the same `usual`.
pub(super) fn expanded(packed: &[u8], usual: &[u8]) -> Option<Vec<u8>> {
    let mut state = Decompress::new(false);
    state.set_dictionary(usual).ok()?;
    let mut text = Vec::with_capacity(packed.len() * 8 + 64);
    loop {
        let read = usize::try_from(state.total_in()).ok()?;
        let status = state.decompress_vec(packed.get(read..)?, &mut text, FlushDecompress::Finish);
        match status.ok()? {
            Status::StreamEnd => return Some(text),
            // What is cut off has an end that never comes.
            Status::Ok | Status::BufError if text.len() < text.capacity() => return None,
            Status::Ok | Status::BufError => text.reserve(text.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_away_is_what_nobody_reads() {
        let text = r#"{"kind":"Job","metadata":{"name":"a","managedFields":[{"manager":"helm"}]},
            "spec":{"template":{"spec":{"containers":[{"args":["\"\n"]}]}}},"status":{"active":1}}"#;
        let kept = PackedObject::of(text)
            .and_then(|packed| packed.text())
            .expect("an object");
        let kept: serde_json::Value = serde_json::from_str(&kept).expect("JSON");
        let expected = serde_json::json!({"kind": "Job", "metadata": {"name": "a"},
            "spec": {"template": {"spec": {"containers": [{"args": ["\"\n"]}]}}}});
        assert_eq!(kept, expected);
    }

    #[test]
    fn what_cannot_be_taken_apart_is_kept_whole() {
        let text = r#"{"metadata": 7}"#;
        assert_eq!(
            PackedObject::of(text).and_then(|packed| packed.text()).as_deref(),
            Some(text)
        );
    }

    #[test]
    fn texts_of_all_lengths_come_back_and_those_that_are_cut_off_do_not() {
        // What repeats nothing, what repeats itself, and what repeats the usual.
        let mut state = 7_u32;
        let noise: Vec<u8> = (0..70_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            })
            .collect();
        let same = vec![b'x'; 300_000];
        let texts = [&b""[..], b"a", USUAL.as_bytes(), &noise, &same];
        for text in texts {
            let packed = squeezed(text, USUAL.as_bytes()).expect("packed");
            assert_eq!(expanded(&packed, USUAL.as_bytes()).as_deref(), Some(text));
            let cut = &packed[..packed.len() - 1];
            assert_eq!(expanded(cut, USUAL.as_bytes()), None);
        }
    }
}
