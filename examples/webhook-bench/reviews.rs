//! Reviews as the API server sends them, of a wanted size: a hook Job with its defaults filled in, its
//! `managedFields`, and a script that waits.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// What the webhook says about a Job in a namespace that enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Case {
    /// Nothing to say.
    Allow,
    /// Its retries end before its deadline: denied.
    Deny,
    /// A wait of 168 rounds that nothing bounds: warned about, and rewritten by the mutating half.
    Rewrite,
}

/// Where the bytes come from that make a review as large as is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the load uses one way, the count of allocations all")]
pub(crate) enum Padding {
    /// A third each of environment, `managedFields` and script.
    Everything,
    ManagedFields,
    Script,
}

/// Waits by itself and fails in time: the rules are content.
const CLEAN: &str = r#"set -eu
waited=0
while :; do
  code=$(curl -s -o /dev/null -w '%{http_code}' --max-time 5 "$API/servers" || true)
  case "$code" in
    200) break ;;
    401|403) echo "the API refuses the key ($code)" >&2; exit 77 ;;
  esac
  if [ "$waited" -ge "$READY_TIMEOUT_S" ]; then
    echo "the API is not up after $waited s" >&2
    exit 1
  fi
  echo "waiting for the zone API ($code, ${waited}s of ${READY_TIMEOUT_S}s)"
  sleep 10
  waited=$((waited + 10))
done
curl -sS -f --max-time 30 -X POST --data '{"name": "example.org."}' "$API/servers/localhost/zones"
"#;

/// One call and no wait.
const HASTY: &str = r#"set -eu
curl -sS -f --max-time 30 -X POST --data '{"name": "example.org."}' "$API/servers/localhost/zones"
"#;

/// A counted wait that falls through.
const COUNTED: &str = r#"set -eu
ITERATIONS=168
INTERVAL=5
for i in $(seq 1 "$ITERATIONS"); do
  if curl -sSf -o /dev/null --max-time 3 "$API/version"; then
    echo "the API is up"
    break
  fi
  echo "waiting for the API ($i/$ITERATIONS)"
  sleep "$INTERVAL"
done
token=$(curl -sSf --max-time 30 -X POST "$API/users/admin/tokens" | sed 's/.*"sha1":"//; s/".*//')
test -n "$token"
"#;

/// A review of at least `size` bytes. Those of different `number` differ in name, uid and script.
pub(crate) fn review(case: Case, size: usize, padding: Padding, number: usize) -> Vec<u8> {
    let mut units = 0;
    loop {
        let body = body(case, units, padding, number).to_string().into_bytes();
        if body.len() >= size {
            return body;
        }
        // A unit takes about 80 bytes of the part that it pads, and 250 where it pads all three.
        units += ((size - body.len()) / 300).max(1);
    }
}

fn body(case: Case, units: usize, padding: Padding, number: usize) -> Value {
    let uid = format!("7d3c1f5a-0b52-4a36-9a44-{number:012x}");
    let batch = |resource: &str, name: &str| json!({"group": "batch", "version": "v1", resource: name});
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": batch("kind", "Job"), "resource": batch("resource", "jobs"),
            "requestKind": batch("kind", "Job"), "requestResource": batch("resource", "jobs"),
            "name": format!("zone-bootstrap-{number}"), "namespace": "team-7", "operation": "CREATE",
            "userInfo": {
                "username": "system:serviceaccount:flux-system:helm-controller",
                "uid": "0c6f4a7e-55a1-4cde-8f2c-3c8f4d0f9e11",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:flux-system", "system:authenticated"],
                "extra": {"authentication.kubernetes.io/pod-name": ["helm-controller-5d8c7b6f9-h7x2p"]},
            },
            "object": job(case, units, padding, number), "oldObject": null, "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "helm-controller"},
        },
    })
}

fn job(case: Case, units: usize, padding: Padding, number: usize) -> Value {
    let pads = |part: Padding| padding == Padding::Everything || padding == part;
    let mut env = vec![
        json!({"name": "API", "value": "http://powerdns:8081/api/v1"}),
        json!({"name": "READY_TIMEOUT_S", "value": "600"}),
        json!({"name": "API_KEY", "valueFrom": {"secretKeyRef": {"name": "powerdns-api", "key": "key"}}}),
    ];
    let mut managed = json!({"f:metadata": {"f:annotations": {".": {}, "f:helm.sh/hook": {}}}, "f:spec": {}});
    let mut script = format!("# run {number}\n");
    script.push_str(match case {
        Case::Allow => CLEAN,
        Case::Deny => HASTY,
        Case::Rewrite => COUNTED,
    });
    for unit in 0..units {
        if padding == Padding::Everything {
            let value = format!("https://service-{unit}.team-7.svc.cluster.local:8443/");
            env.push(json!({"name": format!("SETTING_{unit:04}"), "value": value}));
        }
        if pads(Padding::ManagedFields) {
            let name = format!("k:{{\"name\":\"SETTING_{unit:04}\"}}");
            managed["f:spec"][name] = json!({".": {}, "f:name": {}, "f:value": {}});
        }
        if pads(Padding::Script) {
            let _ = writeln!(
                script,
                "export STEP_{unit}=\"${{SETTING_{unit:04}:-unset}}\"; echo \"step {unit}\""
            );
        }
    }
    let (restart, limit, deadline, messages) = match case {
        Case::Allow => ("Never", 0, Some(1320), "FallbackToLogsOnError"),
        Case::Deny => ("OnFailure", 6, Some(840), "File"),
        Case::Rewrite => ("OnFailure", 8, None, "File"),
    };
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": format!("zone-bootstrap-{number}"), "namespace": "team-7", "generation": 1,
            "uid": format!("2f1b8c3d-6a4e-4f7b-8d90-{number:012x}"), "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "release-7"},
            "annotations": {"helm.sh/hook": "post-install,post-upgrade"},
            "managedFields": [{
                "manager": "helm-controller", "operation": "Update", "apiVersion": "batch/v1",
                "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": managed,
            }],
        },
        "spec": {
            "parallelism": 1, "completions": 1, "backoffLimit": limit, "activeDeadlineSeconds": deadline,
            "completionMode": "NonIndexed", "suspend": false, "manualSelector": false,
            "podReplacementPolicy": if case == Case::Allow { "Failed" } else { "TerminatingOrFailed" },
            "template": {
                "metadata": {"labels": {"app.kubernetes.io/instance": "release-7"}},
                "spec": {
                    "restartPolicy": restart, "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
                    "schedulerName": "default-scheduler", "securityContext": {"runAsNonRoot": true},
                    "volumes": [{"name": "tmp", "emptyDir": {}}],
                    "containers": [{
                        "name": "bootstrap", "image": "curlimages/curl:8.11.1", "imagePullPolicy": "IfNotPresent",
                        "command": ["/bin/sh", "-c"], "args": [script], "env": env,
                        "resources": {"limits": {"memory": "128Mi"}, "requests": {"cpu": "10m", "memory": "64Mi"}},
                        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": messages,
                        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                    }],
                },
            },
        },
        "status": {},
    });
    if case == Case::Allow {
        job["spec"]["podFailurePolicy"] = json!({"rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        ]});
    }
    job
}
