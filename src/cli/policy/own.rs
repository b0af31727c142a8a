//! What a policy's patterns and expressions have to be, beyond the types of their keys.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cli::manifest::{Document, InputError};
use crate::engine::pattern::{Pattern, ProgressPattern};
use crate::engine::policy::Policy;
use crate::engine::signature::{MOST, Signature, SignatureName};
use crate::k8s::signature::mistake;

/// Most patterns in one list: each is held against every line.
const PATTERNS: usize = 32;

/// What cannot be compiled, each at its place. To be asked before the policy is read from the value.
pub(super) fn uncompilable(document: &Document, value: &Value) -> Vec<InputError> {
    let mut errors = Vec::new();
    let mut refuse = |pointer: &str, why: Option<String>| {
        let name = super::check::dotted(pointer);
        errors.extend(why.map(|why| document.error_at(pointer, format!("{name}: {why}"))));
    };
    for (list, progress) in [("/redact/patterns", false), ("/progress/patterns", true)] {
        for (pointer, text) in texts(value, list) {
            let wrong = if progress {
                ProgressPattern::new(text).err()
            } else {
                Pattern::new(text).err()
            };
            refuse(&pointer, wrong);
        }
    }
    let signatures = value.get("signatures").and_then(Value::as_array);
    for (index, signature) in signatures.into_iter().flatten().enumerate() {
        let of = |pointer: &str| signature.pointer(pointer).and_then(Value::as_str);
        for pointer in ["/when/text", "/when/job"] {
            let wrong = of(pointer).and_then(|text| Pattern::new(text).err());
            refuse(&format!("/signatures/{index}{pointer}"), wrong);
        }
        let wrong = of("/name").and_then(|name| SignatureName::parse(name).err());
        refuse(&format!("/signatures/{index}/name"), wrong);
        let pointer = "/when/object/cel";
        let wrong = of(pointer).and_then(mistake);
        refuse(&format!("/signatures/{index}{pointer}"), wrong);
    }
    errors
}

fn texts<'v>(value: &'v Value, list: &str) -> Vec<(String, &'v str)> {
    let items = value.pointer(list).and_then(Value::as_array);
    let items = items.into_iter().flatten().enumerate();
    items
        .filter_map(|(index, item)| Some((format!("{list}/{index}"), item.as_str()?)))
        .collect()
}

/// What a policy that could be read says nevertheless wrongly.
pub(super) fn mistakes(document: &Document, policy: &Policy) -> Vec<InputError> {
    let mut errors = Vec::new();
    let mut refuse = |pointer: &str, why: &str| {
        let name = super::check::dotted(pointer);
        errors.push(document.error_at(pointer, format!("{name}: {why}")));
    };
    let signatures: &[Signature] = &policy.signatures;
    for (pointer, count, most) in [
        ("/signatures", signatures.len(), MOST),
        ("/redact/patterns", policy.redact.patterns.len(), PATTERNS),
        ("/progress/patterns", policy.progress.patterns.len(), PATTERNS),
    ] {
        if count > most {
            refuse(
                pointer,
                &format!("{count} are too many: at most {most} are taken"),
            );
        }
    }
    let mut names = BTreeSet::new();
    for (index, signature) in signatures.iter().enumerate() {
        if !names.insert(signature.name) {
            let name = signature.name.as_str();
            let why = format!("{name} is the name of an earlier signature: each name is one cause");
            refuse(&format!("/signatures/{index}/name"), &why);
        }
        for mistake in signature.mistakes() {
            let pointer = format!("/signatures/{index}{}", mistake.pointer);
            refuse(&pointer, &mistake.message);
        }
    }
    errors
}
