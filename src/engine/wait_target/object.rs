//! An object of the cluster, and the state in which it is ready.

use std::fmt;

/// An object of the cluster and what is needed of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// As it was written: `deployment/powerdns`, with its namespace in front if it has one.
    label: String,
    /// The namespace; `None`: that of the Pod, or none where the kind has none.
    pub namespace: Option<String>,
    /// API group, empty for the core.
    pub group: String,
    /// API version of the group.
    pub version: String,
    /// The kind's name in paths: `deployments`.
    pub plural: String,
    /// True when objects of the kind live in namespaces.
    pub namespaced: bool,
    /// The object's name.
    pub name: String,
    /// What has to hold of it.
    pub need: Need,
}

/// When an object is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// It exists.
    Exists,
    /// The condition of this type has this status.
    Condition {
        /// `Ready`, `Available`, `Complete`.
        kind: String,
        /// `True`, `False` or `Unknown`.
        status: String,
    },
    /// It is in this phase (`status.phase`).
    Phase(&'static str),
    /// A Job is complete; one that has failed will not be.
    Complete,
    /// As many replicas are ready as it asks for.
    Replicas,
    /// A Service has an endpoint that is ready.
    Endpoints,
}

/// A kind that may be written without its group and version.
struct Known {
    /// Plural, singular, short.
    names: &'static [&'static str],
    group: &'static str,
    namespaced: bool,
    need: Need,
}

const fn known(names: &'static [&'static str], group: &'static str, need: Need) -> Known {
    Known {
        names,
        group,
        namespaced: true,
        need,
    }
}

/// Names as `kubectl api-resources` shows them. All are of version v1.
fn kinds() -> [Known; 13] {
    let condition = |kind: &str| Need::Condition {
        kind: kind.to_owned(),
        status: "True".to_owned(),
    };
    let everywhere = |known: Known| Known {
        namespaced: false,
        ..known
    };
    [
        known(&["pods", "pod", "po"], "", condition("Ready")),
        known(&["services", "service", "svc"], "", Need::Endpoints),
        known(&["secrets", "secret"], "", Need::Exists),
        known(&["configmaps", "configmap", "cm"], "", Need::Exists),
        known(&["serviceaccounts", "serviceaccount", "sa"], "", Need::Exists),
        known(
            &["persistentvolumeclaims", "persistentvolumeclaim", "pvc"],
            "",
            Need::Phase("Bound"),
        ),
        known(&["jobs", "job"], "batch", Need::Complete),
        known(
            &["deployments", "deployment", "deploy"],
            "apps",
            condition("Available"),
        ),
        known(&["statefulsets", "statefulset", "sts"], "apps", Need::Replicas),
        known(&["daemonsets", "daemonset", "ds"], "apps", Need::Replicas),
        everywhere(known(
            &["namespaces", "namespace", "ns"],
            "",
            Need::Phase("Active"),
        )),
        everywhere(known(&["nodes", "node", "no"], "", condition("Ready"))),
        everywhere(known(
            &["customresourcedefinitions", "customresourcedefinition", "crd"],
            "apiextensions.k8s.io",
            condition("Established"),
        )),
    ]
}

const SHAPE: &str = "write k8s://[NAMESPACE/]KIND/NAME[?condition=TYPE[=STATUS]], with KIND as deployment, pod or \
                     clusters.v1.postgresql.cnpg.io";

impl Object {
    /// Reads what follows `k8s://`; `text` is the whole address, for messages.
    pub(super) fn parse(text: &str, rest: &str) -> Result<Self, String> {
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        if parts.iter().any(|part| !is_name(part)) {
            return Err(format!("{text:?} is no object of a cluster: {SHAPE}"));
        }
        let (Some(name), Some(kind), namespace, None) = (parts.pop(), parts.pop(), parts.pop(), parts.pop())
        else {
            return Err(format!("{text:?} is no object of a cluster: {SHAPE}"));
        };
        let mut object = Self::of_kind(kind).ok_or_else(|| {
            format!(
                "{text:?}: the kind {kind:?} is not known by its short name: write PLURAL.VERSION.GROUP, such as \
                 clusters.v1.postgresql.cnpg.io"
            )
        })?;
        if !object.namespaced && namespace.is_some() {
            return Err(format!(
                "{text:?}: a {kind} is in no namespace: write k8s://{kind}/{name}"
            ));
        }
        path.trim_end_matches('/').clone_into(&mut object.label);
        object.namespace = namespace.map(str::to_owned);
        name.clone_into(&mut object.name);
        if let Some(need) = need(text, query)? {
            object.need = need;
        }
        Ok(object)
    }

    fn of_kind(kind: &str) -> Option<Self> {
        let lower = kind.to_ascii_lowercase();
        let object = |group: &str, version: &str, plural: &str, namespaced, need| Self {
            label: String::new(),
            namespace: None,
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
            namespaced,
            name: String::new(),
            need,
        };
        if let Some(known) = kinds()
            .into_iter()
            .find(|known| known.names.contains(&lower.as_str()))
        {
            let plural = known.names.first()?;
            return Some(object(known.group, "v1", plural, known.namespaced, known.need));
        }
        let (plural, rest) = lower.split_once('.')?;
        let (version, group) = rest.split_once('.').unwrap_or((rest, ""));
        let digits = version.strip_prefix('v')?;
        if !digits.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let ready = Need::Condition {
            kind: "Ready".to_owned(),
            status: "True".to_owned(),
        };
        Some(object(group, version, plural, true, ready))
    }
}

/// A name of the API (RFC 1123, as objects, namespaces and kinds have); nothing else gets into a path.
fn is_name(part: &str) -> bool {
    !part.is_empty()
        && part.len() <= 253
        && !part.starts_with('.')
        && part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
}

fn need(text: &str, query: &str) -> Result<Option<Need>, String> {
    match query.split_once('=') {
        None if query.is_empty() => Ok(None),
        None if query == "exists" => Ok(Some(Need::Exists)),
        Some(("condition", condition)) if !condition.is_empty() => {
            let (kind, status) = condition.split_once('=').unwrap_or((condition, "True"));
            let status = ["True", "False", "Unknown"]
                .into_iter()
                .find(|known| known.eq_ignore_ascii_case(status))
                .ok_or_else(|| format!("{text:?}: the status of a condition is True, False or Unknown"))?;
            Ok(Some(Need::Condition {
                kind: kind.to_owned(),
                status: status.to_owned(),
            }))
        }
        _ => Err(format!(
            "{text:?}: {query:?} says nothing about an object: {SHAPE}, or ?exists"
        )),
    }
}

/// `powerdns/deployment/powerdns`.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(rest: &str) -> Object {
        Object::parse(&format!("k8s://{rest}"), rest).expect(rest)
    }

    #[test]
    fn kinds_are_known_by_their_names() {
        let found = object("powerdns/deploy/powerdns");
        assert_eq!(
            (
                found.namespace.as_deref(),
                found.group.as_str(),
                found.plural.as_str()
            ),
            (Some("powerdns"), "apps", "deployments")
        );
        assert_eq!(found.to_string(), "powerdns/deploy/powerdns");
        let found = object("clusters.v1.postgresql.cnpg.io/pdns-pg");
        assert_eq!(
            (
                found.version.as_str(),
                found.group.as_str(),
                found.plural.as_str()
            ),
            ("v1", "postgresql.cnpg.io", "clusters")
        );
        assert!(!object("crd/clusters.postgresql.cnpg.io").namespaced);
    }

    #[test]
    fn what_is_needed_can_be_said() {
        assert_eq!(object("secret/pdns-pg-app").need, Need::Exists);
        assert_eq!(object("job/init").need, Need::Complete);
        assert_eq!(object("deployment/a?exists").need, Need::Exists);
        let progressing = Need::Condition {
            kind: "Progressing".to_owned(),
            status: "False".to_owned(),
        };
        assert_eq!(
            object("deployment/a?condition=Progressing=false").need,
            progressing
        );
    }

    #[test]
    fn a_wrong_object_is_refused_with_a_remedy() {
        for (rest, part) in [
            ("", "KIND/NAME"),
            ("powerdns", "KIND/NAME"),
            ("a/b/c/d", "KIND/NAME"),
            ("pod/../x", "KIND/NAME"),
            ("pod/a%2fb", "KIND/NAME"),
            ("cluster/pdns-pg", "PLURAL.VERSION.GROUP"),
            ("clusters.postgresql.cnpg.io/pdns-pg", "PLURAL.VERSION.GROUP"),
            ("a/node/b", "no namespace"),
            ("pod/a?ready", "?exists"),
            ("pod/a?condition=", "?exists"),
            ("pod/a?condition=Ready=yes", "True, False or Unknown"),
        ] {
            let message = Object::parse(&format!("k8s://{rest}"), rest).expect_err(rest);
            assert!(message.contains(part), "{rest}: {message}");
        }
    }
}
