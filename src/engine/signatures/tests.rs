use super::*;

#[test]
fn creation_messages() {
    use CreateFailure as F;
    for (message, kind) in [
        (
            r#"Error creating: pods "x-1" is forbidden: exceeded quota: q, requested: cpu=1, used: cpu=2, limited: cpu=2"#,
            Some(F::Quota),
        ),
        (
            r#"pods "x-1" is forbidden: failed quota: q: must specify limits.cpu"#,
            Some(F::QuotaSpec),
        ),
        (
            r#"admission webhook "v.example" denied the request: no"#,
            Some(F::WebhookDenied),
        ),
        (
            r#"Internal error occurred: failed calling webhook "v.example": connection refused"#,
            Some(F::WebhookUnavailable),
        ),
        (
            r#"Error creating: pods "x-" is forbidden: error looking up service account default/nosuch: serviceaccount "nosuch" not found"#,
            Some(F::ServiceAccount),
        ),
        (
            r#"pods "x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false"#,
            Some(F::Policy),
        ),
        (
            "unable to create new content in namespace x because it is being terminated",
            Some(F::Terminating),
        ),
        ("something else", None),
    ] {
        assert_eq!(create_failure(message), kind, "{message}");
    }
}

#[test]
fn scheduler_messages() {
    use Unschedulable as U;
    for (message, kind) in [
        (
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
            Some(U::Resources),
        ),
        (
            "0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 Insufficient memory.",
            Some(U::Resources),
        ),
        (
            "0/3 nodes are available: 3 node(s) had untolerated taint {gpu: true}. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
            Some(U::Taint),
        ),
        (
            "0/2 nodes are available: 1 node(s) had untolerated taint {a: b}, 1 node(s) didn't match Pod's node affinity/selector.",
            Some(U::Affinity),
        ),
        (
            "0/1 nodes are available: 1 node(s) had volume node affinity conflict.",
            Some(U::Volume),
        ),
        (
            "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
            Some(U::Volume),
        ),
        ("no nodes available to schedule pods", None),
    ] {
        assert_eq!(unschedulable(message), kind, "{message}");
    }
}

#[test]
fn pull_messages_of_several_runtimes() {
    use PullFailure as P;
    for (message, kind) in [
        (
            r#"failed to resolve reference "registry.example/a:9": registry.example/a:9: not found"#,
            Some(P::NotFound),
        ),
        (
            "manifest for a:9 not found: manifest unknown: manifest unknown",
            Some(P::NotFound),
        ),
        (
            "reading manifest 9 in registry.example/a: manifest unknown",
            Some(P::NotFound),
        ),
        (
            "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized",
            Some(P::Auth),
        ),
        (
            "pull access denied for a, repository does not exist or may require authorization",
            Some(P::Auth),
        ),
        (
            "toomanyrequests: You have reached your pull rate limit",
            Some(P::RateLimited),
        ),
        (
            "unexpected status code 429 Too Many Requests",
            Some(P::RateLimited),
        ),
        (
            "failed to do request: Head \"https://registry.example/v2/a\": dial tcp: lookup registry.example: no such host",
            Some(P::Network),
        ),
        ("dial tcp 192.0.2.7:443: i/o timeout", Some(P::Network)),
        (r#"Back-off pulling image "a:9""#, None),
    ] {
        assert_eq!(pull_failure(message), kind, "{message}");
    }
}

#[test]
fn log_lines() {
    use LogSignature as L;
    for (line, kind) in [
        (
            "curl: (7) Failed to connect to powerdns port 8081",
            Some(L::Refused),
        ),
        (
            "curl: (7) Failed to connect to dl.example.org port 443 after 9 ms: Couldn't connect to server",
            Some(L::Download),
        ),
        (
            "curl: (28) Failed to connect to 203.0.113.9 port 80 after 3002 ms: Timeout was reached",
            Some(L::Download),
        ),
        (
            "curl: (28) Failed to connect to 10.0.0.7 port 80 after 3002 ms: Timeout was reached",
            Some(L::Timeout),
        ),
        ("curl: (6) Could not resolve host: dl.example.org", Some(L::Dns)),
        ("wget: bad address 'gitea-http.gitea.svc'", Some(L::Dns)),
        (
            "curl: (28) Failed to connect to dl.example.org port 443: Timeout",
            Some(L::Download),
        ),
        (
            "curl: (28) Operation timed out after 120000 milliseconds with 1048576 out of 25165824 bytes received",
            Some(L::Download),
        ),
        (
            "curl: (28) Connection timed out after 3001 milliseconds",
            Some(L::Timeout),
        ),
        (
            "curl: (28) Failed to connect to minio.minio.svc.cluster.local port 9000: timed out",
            Some(L::Timeout),
        ),
        ("curl: (22) The requested URL returned error: 401", Some(L::Auth)),
        (
            "curl: (22) The requested URL returned error: 503",
            Some(L::Timeout),
        ),
        ("curl: (60) SSL certificate problem: unknown CA", Some(L::Tls)),
        ("ERROR: unable to select packages:", Some(L::Download)),
        (
            "WARNING: opening https://dl.example.org/alpine/main: temporary error (try again later)",
            Some(L::Download),
        ),
        (
            "psql: error: FATAL:  password authentication failed for user \"app\"",
            Some(L::Auth),
        ),
        ("server answered with status 403", Some(L::Auth)),
        (
            r#"secrets "x" is forbidden: User "system:serviceaccount:a:b" cannot get resource "secrets""#,
            Some(L::Rbac),
        ),
        (
            "dial tcp 10.0.0.1:8081: connect: connection refused",
            Some(L::Refused),
        ),
        (
            "waiting for powerdns.powerdns.svc:8081 (12/120, 000 connection refused, 58s of 600s)",
            Some(L::Refused),
        ),
        ("db:5432 - no response", Some(L::Refused)),
        ("net/http: TLS handshake timeout", Some(L::Timeout)),
        ("copied 401 rows", None),
        ("listening on 10.4.0.401", None),
        ("all good", None),
    ] {
        assert_eq!(log_signature(line), kind, "{line}");
    }
}

#[test]
fn outside_hosts_have_a_public_name() {
    for line in [
        "https://dl.example.org/x",
        "lookup cdn.dl.example.com failed",
        "http://203.0.113.9/mc",
    ] {
        assert!(is_outside(line), "{line}");
    }
    for line in [
        "http://powerdns:8081",
        "minio.minio.svc.cluster.local",
        "10.0.0.1:80",
        "172.16.3.4",
        "http://100.64.0.9:8080",
        "127.0.0.1",
        "run.sh failed",
        "a.b",
    ] {
        assert!(!is_outside(line), "{line}");
    }
}
