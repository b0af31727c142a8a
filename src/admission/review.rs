//! `AdmissionReview` (`admission.k8s.io/v1`) on the wire, for whoever writes a webhook.
//!
//! A review is read where it lies: no field is copied, neither object becomes a tree, and what nobody asks for is
//! skipped. [`read`] gives a [`Review`] whose objects are text; [`read_as`] gives what a webhook wants to know of the
//! object beside its text, in the same walk. [`Answer::write`] gives the body of the HTTP answer. Both cost a few allocations, whatever the object holds.
//!
//! ```
//! use hookbudget::admission::review::{Answer, Incoming, read};
//! use hookbudget::k8s::patch::json_patch;
//! use hookbudget::engine::finding::Edit;
//!
//! /// Labels every Pod by its namespace.
//! fn answer(body: &[u8]) -> Result<Vec<u8>, String> {
//!     let (answer, version, uid) = match read(body)? {
//!         Incoming::Review(review) => {
//!             let request = &review.request;
//!             let namespace = request.namespace.as_ref().map_or("", |name| &name.0);
//!             let label = Edit::Set {
//!                 pointer: "/metadata/labels/team".into(),
//!                 value: namespace.into(),
//!             };
//!             let object = request.object.map_or("{}", |object| object.0);
//!             let edits = [label];
//!             let patch = json_patch(object, &edits).map_err(|error| error.to_string())?;
//!             let patch = serde_json::to_vec(&patch).map_err(|error| error.to_string())?;
//!             let answer = Answer { patch, ..Answer::default() };
//!             (answer, review.api_version.0.into_owned(), review.request.uid)
//!         }
//!         // Of another version: let through, with a word about it.
//!         Incoming::Other { uid, api_version, why } => {
//!             let answer = Answer { warnings: vec![why], ..Answer::default() };
//!             (answer, api_version.into_owned(), uid)
//!         }
//!     };
//!     answer.write(&version, &uid.0).map_err(|error| error.to_string())
//! }
//!
//! let body = br#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "1",
//!     "namespace": "shop", "operation": "CREATE", "object": {"kind": "Pod", "metadata": {}}}}"#;
//! let text = String::from_utf8(answer(body).unwrap()).unwrap();
//! assert!(text.contains(r#""uid":"1","allowed":true,"patchType":"JSONPatch""#), "{text}");
//! ```
//!
//! # Taking it elsewhere
//!
//! It stands on `serde`, `serde_json` and `base64`, and on three parts of this crate: `k8s/text.rs` (strings that
//! borrow where they can), `k8s/json/` (the reader) and `k8s/patch.rs` (a JSON patch by one walk along the edited paths; of
//! `engine::finding` it takes the three forms of an edit). Together they know nothing of Jobs.
//!
//! What a server has to see to beside it is in `admission/http.rs`: a limit for one body and one for all, a deadline
//! below the `timeout` that the API server sends, no unpacking, HTTP 200 for every answer to a uid and an error for
//! what has none, so that the `failurePolicy` decides; in `http/`: limits of connections; and in `decide.rs`: a panic
//! costs one review.

use std::borrow::Cow;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::k8s::json::{self, Raw, Whole};
use crate::k8s::text::Str;

/// The only version that is judged; a review of another one is let through.
pub const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";

/// A review as far as it is read: everything borrowed from the body, both objects left as text.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "O: Deserialize<'de>"))]
pub struct Review<'a, O = Raw<'a>> {
    /// `admission.k8s.io/v1`.
    #[serde(borrow, default)]
    pub api_version: Str<'a>,
    /// `AdmissionReview`.
    #[serde(borrow, default)]
    pub kind: Str<'a>,
    /// What is asked.
    #[serde(borrow)]
    pub request: Request<'a, O>,
}

/// The request of a review.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "O: Deserialize<'de>"))]
pub struct Request<'a, O = Raw<'a>> {
    /// Has to come back with the answer.
    #[serde(borrow)]
    pub uid: Str<'a>,
    /// The kind of the object, as the webhook's rules name it.
    #[serde(borrow, default)]
    pub kind: Kind<'a>,
    /// `status` or `scale`, where not the object itself is written.
    #[serde(borrow)]
    pub sub_resource: Option<Str<'a>>,
    /// The namespace of the object, which the object itself may leave out.
    #[serde(borrow)]
    pub namespace: Option<Str<'a>>,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    #[serde(borrow, default)]
    pub operation: Str<'a>,
    /// Who asks.
    #[serde(borrow, default)]
    pub user_info: UserInfo<'a>,
    /// True where nothing will be stored.
    pub dry_run: Option<bool>,
    /// The object as it is to become.
    pub object: Option<O>,
    /// The object as it is; absent on CREATE.
    #[serde(borrow)]
    pub old_object: Option<Raw<'a>>,
}

/// Group, version and kind of the object.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Kind<'a> {
    /// Empty for the core group.
    #[serde(borrow)]
    pub group: Str<'a>,
    /// `v1`.
    #[serde(borrow)]
    pub version: Str<'a>,
    /// `Job`.
    #[serde(borrow)]
    pub kind: Str<'a>,
}

/// Who asks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UserInfo<'a> {
    /// `system:serviceaccount:NAMESPACE:NAME`, or whatever authenticated.
    #[serde(borrow)]
    pub username: Option<Str<'a>>,
}

/// What can still be answered when the rest of a review makes no sense.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(borrow)]
    api_version: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow)]
    request: Identity<'a>,
}

#[derive(Debug, Deserialize)]
struct Identity<'a> {
    #[serde(borrow)]
    uid: Str<'a>,
}

/// A body and what can be made of it.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "one lives on the stack per review; a box would allocate"
)]
pub enum Incoming<'a, O = Raw<'a>> {
    /// A review.
    Review(Review<'a, O>),
    /// Something with a uid that is no review of the version spoken here.
    Other {
        /// To be answered to.
        uid: Str<'a>,
        /// To be answered in.
        api_version: Cow<'static, str>,
        /// What is wrong.
        why: String,
    },
}

impl<'a, T> Request<'a, Whole<'a, T>> {
    /// The request with the object as text, and what was read out of that text.
    #[must_use]
    pub fn apart(self) -> (Request<'a>, Option<Result<T, String>>) {
        let (object, value) = self
            .object
            .map_or((None, None), |whole| (Some(Raw(whole.text)), Some(whole.value)));
        let request = Request {
            uid: self.uid,
            kind: self.kind,
            sub_resource: self.sub_resource,
            namespace: self.namespace,
            operation: self.operation,
            user_info: self.user_info,
            dry_run: self.dry_run,
            object,
            old_object: self.old_object,
        };
        (request, value)
    }
}

/// Reads a body.
///
/// # Errors
/// A sentence for the caller when there is no uid to answer to.
pub fn read(body: &[u8]) -> Result<Incoming<'_>, String> {
    read_as(body)
}

/// Reads a body, and the object as the type says: [`Raw`] leaves it as text, [`Whole`] reads it in the same walk.
///
/// # Errors
/// As [`read`].
pub fn read_as<'a, O: Deserialize<'a>>(body: &'a [u8]) -> Result<Incoming<'a, O>, String> {
    const REMEDY: &str = "send an AdmissionReview of admission.k8s.io/v1 with request.uid";
    if body.is_empty() {
        return Err(format!("the body is empty: {REMEDY}"));
    }
    let review = std::str::from_utf8(body)
        .map_err(|error| error.to_string())
        .and_then(|text| json::read::<Review<'a, O>>(text).map_err(|error| error.to_string()));
    match review {
        Ok(review) if review.request.uid.0.is_empty() => {
            Err(format!("the review has an empty request.uid: {REMEDY}"))
        }
        Ok(review) if review.api_version.0 == API_VERSION && review.kind.0 == KIND => {
            Ok(Incoming::Review(review))
        }
        Ok(review) => {
            let why = format!(
                "the review is {} {}, not {API_VERSION} {KIND}",
                review.api_version.0, review.kind.0
            );
            Ok(Incoming::Other {
                api_version: answer_version(&review.api_version.0),
                uid: review.request.uid,
                why,
            })
        }
        Err(error) => match serde_json::from_slice::<Envelope<'a>>(body) {
            Ok(Envelope { request, api_version }) if !request.uid.0.is_empty() => Ok(Incoming::Other {
                uid: request.uid,
                api_version: answer_version(api_version.map_or("", |text| text.get().trim_matches('"'))),
                why: format!("the review cannot be read: {error}"),
            }),
            _ => Err(format!("the body is no AdmissionReview: {error}; {REMEDY}")),
        },
    }
}

/// The API server takes an answer only in the version that it asked in
/// (`k8s.io/apiserver/pkg/admission/plugin/webhook/request/admissionreview.go`).
fn answer_version(asked: &str) -> Cow<'static, str> {
    let ours = asked
        .strip_prefix("admission.k8s.io/")
        .is_some_and(|version| version.len() < 16);
    if ours {
        Cow::Owned(asked.to_owned())
    } else {
        Cow::Borrowed(API_VERSION)
    }
}

/// What is answered.
#[derive(Debug, Default)]
pub struct Answer {
    /// The text of the denial; allowed when absent.
    pub denial: Option<String>,
    /// Shown to the requester.
    pub warnings: Vec<String>,
    /// Written into the audit log.
    pub audit: Vec<(&'static str, Cow<'static, str>)>,
    /// The text of the patch: a list of [`crate::k8s::patch::Operation`]s. None where it is empty.
    pub patch: Vec<u8>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    api_version: &'a str,
    kind: &'a str,
    response: WireResponse<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireResponse<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<WireStatus<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_map")]
    audit_annotations: &'a [(&'static str, Cow<'static, str>)],
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<Base64<'a>>,
}

#[derive(Serialize)]
struct WireStatus<'a> {
    code: u16,
    reason: &'a str,
    message: &'a str,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands a reference
fn as_map<S: serde::Serializer>(
    pairs: &&[(&'static str, Cow<'static, str>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(key, value)| (*key, value)))
}

/// Bytes that are put into base64 as they are written.
struct Base64<'a>(&'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

impl Answer {
    /// The body of the HTTP answer.
    ///
    /// # Errors
    /// None in practice: all keys are strings.
    pub fn write(&self, api_version: &str, uid: &str) -> Result<Vec<u8>, serde_json::Error> {
        let patch = if self.patch.is_empty() || self.denial.is_some() {
            None
        } else {
            Some(Base64(&self.patch))
        };
        let wire = Wire {
            api_version,
            kind: KIND,
            response: WireResponse {
                uid,
                allowed: self.denial.is_none(),
                status: self.denial.as_deref().map(|message| WireStatus {
                    code: 403,
                    reason: "Forbidden",
                    message,
                }),
                warnings: &self.warnings,
                audit_annotations: &self.audit,
                patch_type: patch.is_some().then_some("JSONPatch"),
                patch,
            },
        };
        // What is escaped takes more; quotes are few.
        let texts = self
            .denial
            .iter()
            .chain(&self.warnings)
            .map(|text| text.len() + 32);
        let audit = self.audit.iter().map(|(key, text)| key.len() + text.len() + 8);
        let patch = wire
            .response
            .patch
            .as_ref()
            .map_or(0, |patch| 4 * patch.0.len() / 3 + 4);
        let mut body = Vec::with_capacity(256 + patch + texts.chain(audit).sum::<usize>());
        serde_json::to_writer(&mut body, &wire)?;
        Ok(body)
    }
}
