//! Exporters as the chart renders them, and the processes behind them: to be killed, stopped and measured.

use std::fs;

use serde_json::{Value, json};

use crate::kit::{Namespace, fetched, kubectl, run, until};

/// The chart's Deployment of an exporter.
pub(crate) struct Deployment {
    namespace: String,
    name: String,
    /// Its address.
    pub(crate) url: String,
}

impl Deployment {
    /// The one that `run` installs, which watches the whole cluster.
    pub(crate) fn installed() -> Self {
        Self {
            namespace: "hookbudget".to_owned(),
            name: "hookbudget-exporter".to_owned(),
            url: crate::kit::exporter(),
        }
    }

    /// One more that watches a single namespace and runs there, from the chart with these values. It keeps no
    /// diagnoses: the installed one does.
    pub(crate) fn rendered(namespace: &Namespace, suffix: &str, mut values: Value) -> Self {
        let release = format!("{}-{suffix}", namespace.0);
        let name = format!("{release}-exporter");
        values["fullnameOverride"] = json!(release);
        values["image"] = json!({"tag": "test", "pullPolicy": "Never"});
        values["exporter"]["namespaces"] = json!([namespace.0]);
        values["exporter"]["diagnoses"] = json!({"enabled": false, "installCrd": false});
        let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/hookbudget");
        let mut arguments = vec!["template", &release, chart, "-n", &namespace.0, "-f", "-"];
        // A helm that was built without a version of Kubernetes takes an old one for granted.
        arguments.extend(["--kube-version", "1.37.1"]);
        arguments.extend(["-s", "templates/exporter.yaml"]);
        if values.get("policy").is_some() {
            arguments.extend(["-s", "templates/policy.yaml"]);
        }
        let rendered = run("helm", &arguments, &values.to_string());
        assert!(rendered.ok, "{}", rendered.stderr);
        kubectl(&["-n", &namespace.0, "create", "-f", "-"], &rendered.stdout);
        let address = "jsonpath={.spec.clusterIP}";
        let address = kubectl(&["-n", &namespace.0, "get", "service", &name, "-o", address], "");
        Self {
            namespace: namespace.0.clone(),
            url: format!("http://{}:9464", address.stdout),
            name,
        }
    }

    /// Waits until it has listed everything.
    pub(crate) fn is_ready(&self) {
        until(60, &format!("{} to have listed", self.name), || {
            (fetched(&format!("{}/readyz", self.url)).stdout == "ok\n").then_some(())
        });
    }

    pub(crate) fn scale(&self, replicas: u32) {
        let replicas = format!("--replicas={replicas}");
        kubectl(
            &[
                "-n",
                &self.namespace,
                "scale",
                "deployment",
                &self.name,
                &replicas,
            ],
            "",
        );
    }

    /// Its Pods.
    pub(crate) fn pods(&self) -> Vec<Value> {
        let selector = "app.kubernetes.io/component=exporter";
        let printed = kubectl(
            &["-n", &self.namespace, "get", "pods", "-l", selector, "-o", "json"],
            "",
        );
        let list: Value = serde_json::from_str(&printed.stdout).expect("a list");
        list["items"].as_array().expect("items").clone()
    }

    /// The id of its process on this machine.
    pub(crate) fn pid(&self) -> Option<u32> {
        let pods = self.pods();
        let state = &pods.first()?["status"]["containerStatuses"][0];
        let container = state["containerID"].as_str()?.rsplit('/').next()?.to_owned();
        state.pointer("/state/running")?;
        let mut processes = fs::read_dir("/proc").ok()?.flatten();
        processes.find_map(|process| {
            let pid: u32 = process.file_name().to_str()?.parse().ok()?;
            let groups = fs::read_to_string(process.path().join("cgroup")).ok()?;
            groups.contains(&container).then_some(pid)
        })
    }

    /// SIGKILL: it gets no last word.
    pub(crate) fn kill(&self) {
        let pid = self.pid().expect("it runs").to_string();
        let killed = run("kill", &["-KILL", &pid], "");
        assert!(killed.ok, "{}", killed.stderr);
    }
}
