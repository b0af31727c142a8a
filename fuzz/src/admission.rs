//! The webhook: bytes of a review to the answer, and edits to a patch that applies.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use hookbudget::admission::{Admission, Silent, Webhook};
use hookbudget::engine::finding::Edit;
use hookbudget::engine::policy::{Mode, Policy, RewriteLevel};
use hookbudget::k8s::patch::json_patch;
use serde_json::Value;

/// A webhook that judges all and rewrites all.
fn admission() -> &'static Admission {
    static ADMISSION: OnceLock<Admission> = OnceLock::new();
    ADMISSION.get_or_init(|| {
        let admission = Admission::new(Arc::new(Silent));
        admission.policy.store(Arc::new(Policy {
            default_mode: Mode::Enforce,
            rewrite: RewriteLevel::All,
            ..Policy::default()
        }));
        admission
    })
}

/// From the body of a request to the answer of both webhooks.
pub fn review(data: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for webhook in [Webhook::Mutate, Webhook::Validate] {
        match admission().answer(webhook, data) {
            Err(why) => {
                let words = why.split(' ').filter(|word| word.chars().all(char::is_alphabetic));
                words.take(4).for_each(|word| word.hash(&mut hasher));
            }
            Ok(answer) => {
                let answer: Value = serde_json::from_slice(&answer).expect("the answer is JSON");
                assert_eq!(answer["kind"], "AdmissionReview");
                check_answer(webhook, &answer["response"], &mut hasher);
            }
        }
    }
    // A number may be too large for a tree, and nowhere else. What the tree says is what the API server would send: each
    // key once.
    if let Ok(review) = serde_json::from_slice(data) {
        check_patch(review, &mut hasher);
    }
    hasher.finish()
}

/// The patch of `/mutate`, where there is one.
fn mutated(review: &Value) -> Option<json_patch::Patch> {
    let answer = admission().answer(Webhook::Mutate, review.to_string().as_bytes()).ok()?;
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    let text = answer["response"]["patch"].as_str()?;
    let text = base64::engine::general_purpose::STANDARD.decode(text).expect("base64");
    Some(serde_json::from_slice(&text).expect("a JSON patch"))
}

fn check_answer(webhook: Webhook, response: &Value, hasher: &mut DefaultHasher) {
    let allowed = response["allowed"].as_bool().expect("a verdict");
    let mut texts: Vec<&str> = Vec::new();
    let mut sum = 0;
    for warning in response["warnings"].as_array().into_iter().flatten() {
        let warning = warning.as_str().expect("text");
        let length = warning.chars().count();
        assert!(length <= 120, "{warning}");
        sum += length;
        texts.push(warning);
    }
    assert!(sum < 4_096, "{sum}");
    if let Some(message) = response["status"]["message"].as_str() {
        assert!(!allowed && webhook == Webhook::Validate, "{message}");
        texts.extend(message.lines());
    }
    let audit = response["auditAnnotations"].as_object().into_iter().flatten();
    texts.extend(audit.map(|(_, text)| text.as_str().expect("text")));
    for text in &texts {
        assert!(!text.contains(char::is_control), "{text:?}");
        // The first words: a code, or a reason.
        let words = text.split(' ').filter(|word| word.len() < 40);
        words.take(3).for_each(|word| word.hash(hasher));
    }
    allowed.hash(hasher);
}

/// The patch applies, and the object that it makes needs none.
fn check_patch(mut review: Value, hasher: &mut DefaultHasher) {
    let Some(patch) = mutated(&review) else { return };
    for operation in patch.iter() {
        operation.path().to_string().hash(hasher);
    }
    json_patch::patch(&mut review["request"]["object"], &patch).expect("the patch applies");
    assert!(mutated(&review).is_none(), "a second patch");
}

/// `{"object": .., "edits": [["set", "/a", 1], ..]}`: the patch of the edits.
pub fn patch(data: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    let Ok(input) = serde_json::from_slice::<Value>(data) else {
        // Whatever it is, it is no object that could be patched.
        let edit = set("/a/0/b", 1.into());
        let text = String::from_utf8_lossy(data);
        return u64::from(json_patch(&text, &[edit]).is_ok());
    };
    let edits: Vec<Edit> = input["edits"].as_array().into_iter().flatten().filter_map(edit).collect();
    let object = &input["object"];
    match json_patch(&object.to_string(), &edits) {
        Err(error) => {
            let words = error.to_string();
            words.split(' ').skip(1).take(6).for_each(|word| word.hash(&mut hasher));
        }
        Ok(operations) => {
            let written = serde_json::to_value(&operations).expect("JSON");
            for operation in &operations {
                (operation.op, operation.path.to_string().matches('/').count()).hash(&mut hasher);
            }
            let patch: json_patch::Patch = serde_json::from_value(written).expect("a JSON patch");
            let mut after = object.clone();
            json_patch::patch(&mut after, &patch).expect("the patch applies");
            if let Some(Edit::Set { pointer, value }) = edits.last() {
                assert_eq!(after.pointer(pointer), Some(value), "{pointer}");
            }
        }
    }
    hasher.finish()
}

fn set(pointer: &str, value: Value) -> Edit {
    Edit::Set {
        pointer: pointer.to_owned(),
        value,
    }
}

/// The engine's deepest pointer, into a variable of a `CronJob`'s container, has 12 parts.
const DEEPEST: usize = 32;

/// An edit whose pointer is one (RFC 6901) and no deeper than an object: the engine writes no others.
fn edit(input: &Value) -> Option<Edit> {
    let pointer = input[1].as_str()?.to_owned();
    let escaped = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if !pointer.starts_with('/') || !escaped || pointer.split('/').count() > DEEPEST {
        return None;
    }
    let value = input.get(2)?.clone();
    Some(match input[0].as_str()? {
        "append" => Edit::Append { pointer, value },
        "prepend" => Edit::Prepend { pointer, value },
        _ => Edit::Set { pointer, value },
    })
}
