//! The chart against the binary that it runs: every flag in a template exists, and where Helm is at hand each
//! certificate mode renders, and what cannot work is refused.
#![cfg(feature = "cli")]
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr)] // in helpers clippy does not see the test

mod support;

use std::process::{Command, Output};

use support::{read, root, run};

/// Base64 of something, in place of an authority.
const PROVIDED: &str = "certs.mode=provided,certs.secretName=tls,certs.caBundle=LQ==";

/// The entries of each `args:` list, up to the next key; what a template computes is left out.
fn arguments(text: &str) -> Vec<Vec<String>> {
    let mut lists = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim() != "args:" {
            continue;
        }
        let mut list = Vec::new();
        while let Some(line) = lines.next_if(|line| line.trim().starts_with(['-', '{', '#'])) {
            if let Some(argument) = line.trim().strip_prefix("- ") {
                list.push(argument.trim_matches(['"', '\'']).to_owned());
            }
        }
        lists.push(list);
    }
    lists
}

/// Fails where the binary does not take the arguments.
fn taken(what: &str, arguments: &[String]) {
    let mut all: Vec<_> = arguments.iter().map(String::as_str).collect();
    all.push("--help");
    let ran = run(&all);
    assert_eq!(ran.status, 0, "{what}: hookbudget {all:?}: {}", ran.err);
    assert!(
        ran.out.contains(&format!("hookbudget {}", arguments[0])),
        "{what}: {arguments:?} names no command: {}",
        ran.out
    );
}

/// `helm template` with `--set` of each; `None` where there is no Helm.
fn helm(sets: &[&str]) -> Option<Output> {
    let mut command = Command::new("helm");
    command
        .args([
            "template",
            "hookbudget",
            "charts/hookbudget",
            "--namespace",
            "hooks",
        ])
        .args(["--kube-version", "1.33.0"])
        .args(sets.iter().flat_map(|set| ["--set", set]))
        .current_dir(root());
    match command.output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("no helm on the PATH: the chart is not rendered here");
            None
        }
        Err(error) => panic!("helm: {error}"),
    }
}

#[test]
fn the_binary_takes_every_argument_of_the_templates() {
    let mut commands = Vec::new();
    for template in ["webhook-deployment.yaml", "exporter.yaml"] {
        let text = read(&format!("charts/hookbudget/templates/{template}"));
        for list in arguments(&text) {
            taken(template, &list);
            commands.push(list[0].clone());
        }
    }
    assert_eq!(commands, ["webhook", "exporter"]);
}

#[test]
fn a_flag_that_does_not_exist_is_found_out() {
    let lists =
        arguments("  args:\n    - webhook\n    {{- if x }}\n    - --tls-secret={{ y }}\n  env:\n    - a\n");
    assert_eq!(lists, [["webhook", "--tls-secret={{ y }}"]]);
    let refused = run(&["webhook", "--tls-secret=x", "--help"]);
    assert_eq!(refused.status, 2, "{refused:?}");
}

#[test]
fn each_certificate_mode_renders_and_the_binary_takes_the_result() {
    for sets in [
        &[][..],
        &["certs.mode=cert-manager"],
        &["certs.mode=self"],
        &[PROVIDED],
        &[
            "certs.clientAuth.configMap=clients",
            "certs.clientAuth.names[0]=kube-apiserver",
        ],
        &[
            "flux.enabled=true",
            "webhook.failurePolicy=Fail",
            "exporter.logParsing.enabled=false",
        ],
        &["exporter.enabled=false"],
        &[
            "webhook.extraArgs[0]=--no-cluster",
            "exporter.extraArgs[0]=--retention=2h",
        ],
    ] {
        let Some(output) = helm(sets) else { return };
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{sets:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        for list in arguments(&text) {
            taken(&format!("{sets:?}"), &list);
        }
        assert_eq!(
            text.contains("caBundle: LQ=="),
            sets.contains(&PROVIDED),
            "{sets:?}"
        );
        assert_eq!(
            text.matches("cert-manager.io/inject-ca-from: hooks/hookbudget-webhook")
                .count(),
            if sets.contains(&"certs.mode=cert-manager") {
                2
            } else {
                0
            },
            "{sets:?}"
        );
    }
}

/// What the webhook is granted for its certificate, by mode: one Secret and two configurations by name, and
/// nothing where others keep the certificate.
#[test]
fn permissions_on_secrets_are_one_name_and_never_create() {
    for (mode, granted) in [("certs.mode=self", true), ("certs.mode=cert-manager", false)] {
        let Some(output) = helm(&[mode, "fullnameOverride=hb"]) else {
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let rule = |resources: &str| {
            let (_, rest) = text.split_once(&format!("resources: [{resources}]\n"))?;
            Some(rest.lines().take(2).map(str::trim).collect::<Vec<_>>().join("; "))
        };
        let secrets = rule("secrets");
        let configurations = rule("mutatingwebhookconfigurations, validatingwebhookconfigurations");
        let wanted = |name: &str, verb: &str| {
            granted.then(|| format!("resourceNames: [{name}]; verbs: [get, list, watch, {verb}]"))
        };
        assert_eq!(secrets, wanted("hb-webhook-tls", "update"), "{mode}");
        assert_eq!(configurations, wanted("hb", "patch"), "{mode}");
        assert_eq!(text.contains("kind: Secret\n"), granted, "{mode}");
        assert_eq!(
            text.contains("secretName: hb-webhook-tls"),
            !granted,
            "{mode}: mounted or kept"
        );
    }
}

#[test]
fn values_that_cannot_work_are_refused() {
    for (sets, field) in [
        (&["certs.mode=helm"][..], "mode"),
        (&["certs.clientAuth.configMap=clients"], "names"),
        (&["certs.mode=provided"], "caBundle"),
        (
            &["webhook.failurePolicy=Fail", "webhook.replicaCount=1"],
            "replicaCount",
        ),
        (&["webhook.timeoutSeconds=31"], "timeoutSeconds"),
        (&["webhok.replicaCount=1"], "webhok"),
    ] {
        let Some(output) = helm(sets) else { return };
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{sets:?} renders");
        assert!(error.contains(field), "{sets:?}: {error}");
    }
}
