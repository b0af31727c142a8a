//! A dump that ends in the middle: what stands before the cut is whole.

use serde_json::value::RawValue;

/// The text up to the last item that is whole, closed again so that it can be read, and how many items that
/// are. `None` when it is no list that `kubectl` writes, or not one item is whole.
///
/// Nothing before the cut moves, so places in the file stay right.
pub(super) fn mended(text: &str) -> Option<(String, usize)> {
    if text.trim_start().starts_with('{') {
        mended_json(text)
    } else {
        mended_yaml(text)
    }
}

fn mended_json(text: &str) -> Option<(String, usize)> {
    let items = text.find("\"items\"")?;
    let head = text.get(..items)?;
    let open = items + text.get(items..)?.find('[')? + 1;
    let (mut end, mut count) = (open, 0);
    loop {
        let rest = text.get(end..)?;
        let start = end + rest.len() - rest.trim_start_matches([',', ' ', '\n', '\r', '\t']).len();
        let mut values = serde_json::Deserializer::from_str(text.get(start..)?).into_iter::<&RawValue>();
        let Some(Ok(_)) = values.next() else { break };
        end = start + values.byte_offset();
        count += 1;
    }
    let kind = if head.contains("\"kind\"") {
        ""
    } else {
        ",\"kind\":\"List\""
    };
    (count > 0).then(|| (format!("{}]{kind}}}", &text[..end]), count))
}

/// In a list of `kubectl -o yaml` every item begins with `- ` in the first column.
fn mended_yaml(text: &str) -> Option<(String, usize)> {
    let items = text.find("\nitems:").map(|at| at + 1)?;
    let starts: Vec<usize> = text
        .get(items..)?
        .match_indices("\n- ")
        .map(|(at, _)| items + at + 1)
        .collect();
    let (cut, count) = (*starts.last()?, starts.len() - 1);
    (count > 0).then(|| (format!("{}kind: List\n", &text[..cut]), count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_closed_after_its_last_whole_item() {
        let json = r#"{"apiVersion": "v1", "items": [{"a": "]}"}, {"b": 2}, {"c": "#;
        let (text, count) = mended(json).expect("a list");
        assert_eq!(count, 2);
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            (value["kind"].as_str(), value["items"][1]["b"].as_i64()),
            (Some("List"), Some(2))
        );
        let named = r#"{"kind": "PodList", "items": [{"a": 1},"#;
        let value: serde_json::Value = serde_json::from_str(&mended(named).expect("a list").0).expect("JSON");
        assert_eq!(value["kind"], "PodList");
        let yaml = "apiVersion: v1\nitems:\n- a: 1\n  b: 2\n- a: 3\n  b:";
        assert_eq!(
            mended(yaml),
            Some((
                "apiVersion: v1\nitems:\n- a: 1\n  b: 2\nkind: List\n".to_owned(),
                1
            ))
        );
    }

    #[test]
    fn what_has_no_whole_item_is_left_alone() {
        for text in [
            "",
            "{",
            r#"{"items": ["#,
            r#"{"items": [{"a": 1"#,
            "items:\n- a",
            "a: 1\n",
        ] {
            assert_eq!(mended(text), None, "{text}");
        }
    }
}
