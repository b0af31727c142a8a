//! Labels in the exposition's own form.

/// `name="value",..`: backslash, quote and line feed are escaped (Prometheus text format 0.0.4; OpenMetrics 1.0
/// `escaped-string`).
pub(crate) fn label_pairs(pairs: &[(&str, &str)]) -> Box<str> {
    let mut text = String::with_capacity(pairs.iter().map(|(k, v)| k.len() + v.len() + 4).sum());
    push_label_pairs(&mut text, pairs);
    text.into_boxed_str()
}

/// Bytes of a label's value: what is longer is no name but the free text of an annotation or of a script. Two names of
/// objects (RFC 1123: 253) fit.
const LABEL: usize = 512;

/// Writes [`label_pairs`] behind what is there.
pub(crate) fn push_label_pairs(text: &mut String, pairs: &[(&str, &str)]) {
    for (place, (name, value)) in pairs.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(name);
        text.push_str("=\"");
        let mut rest = if value.len() > LABEL {
            &value[..value.floor_char_boundary(LABEL)]
        } else {
            value
        };
        // Hardly any value holds one of them.
        while let Some(at) = rest.find(['\\', '"', '\n']) {
            text.push_str(&rest[..at]);
            text.push_str(match rest.as_bytes()[at] {
                b'\n' => "\\n",
                b'"' => "\\\"",
                _ => "\\\\",
            });
            rest = &rest[at + 1..];
        }
        text.push_str(rest);
        text.push('"');
    }
}
