//! HB404.

use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::job::Container;
use crate::engine::rule::{Context, rule};

rule! {
    /// A second container never ends, so that the Job never completes.
    ///
    /// ## What it does
    ///
    /// Reports a Job with several ordinary containers of which one ends in `sleep infinity` or `tail -f`, or is
    /// a known proxy or agent that serves until it is told to stop (`istio-proxy`, `linkerd-proxy`, the Cloud SQL
    /// proxy, Vault's agent, log shippers). It passes where another container stops it: by `quitquitquit`,
    /// `kill`, `pkill`, or an endpoint `/shutdown` or `/exit`.
    ///
    /// ## Why is this bad?
    ///
    /// A Pod succeeds when all of its ordinary containers have ended. The work is done, the sidecar goes on, and
    /// the hook fails by its deadline or its release's timeout with logs that say that all went well.
    ///
    /// ## How to fix
    ///
    /// Make it a native sidecar, which the kubelet stops after the last ordinary container (Kubernetes 1.29 and
    /// later):
    ///
    /// ```yaml
    /// initContainers:
    ///   - name: proxy
    ///     restartPolicy: Always
    /// ```
    ///
    /// ## When to ignore
    ///
    /// When the container ends by a way that the manifest does not show. What a mesh injects at admission of the
    /// Pod cannot be seen in the Job; this rule speaks of what stands in the manifest.
    "HB404" "sidecar-blocks-completion" Warning check
}

/// Programs that serve until they are stopped: names of containers or of images.
const SERVERS: [&str; 16] = [
    "alloydb-auth-proxy",
    "cloud-sql-proxy",
    "cloudsql-proxy",
    "consul-dataplane",
    "envoy",
    "filebeat",
    "fluent-bit",
    "fluentd",
    "gce-proxy",
    "istio-proxy",
    "kuma-sidecar",
    "linkerd-proxy",
    "oauth2-proxy",
    "promtail",
    "proxyv2",
    "vault-agent",
];

/// Words by which one container stops another.
const STOPS: [&str; 6] = ["quitquitquit", "pkill", "killall", "kill ", "/shutdown", "/exit"];

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let containers = &cx.job.pod.containers;
    if containers.len() < 2 {
        return;
    }
    let stopped = |index: usize| {
        let others = containers.iter().enumerate().filter(|(other, _)| *other != index);
        others
            .flat_map(|(_, container)| words(container))
            .any(|text| STOPS.iter().any(|stop| text.contains(stop)))
    };
    let endless = containers.iter().enumerate().filter_map(|(index, container)| {
        let why = never_ends(container)?;
        (!stopped(index)).then_some((index, container, why))
    });
    let endless: Vec<_> = endless.collect();
    // Where all of them serve, none is a sidecar of another.
    if endless.len() == containers.len() {
        return;
    }
    let of = |(index, container, why): &(usize, &Container<'_>, Endless)| {
        Finding {
        at: cx.at(|| At::field(format!("{}/name", cx.job.container_pointer(false, *index)))),
        brief: cx.brief(|_| format!("container {} never ends, nor does the Job", container.name)),
        message: cx.message(|_| format!(
            "container {} {}: the Pod succeeds only when every ordinary container has ended, so the Job never completes",
            container.name, why.text
        )),
        help: cx.help(|_| "an init container with restartPolicy: Always, which is stopped after the work".to_owned()),
        ..RULE.finding(Severity::Warning, why.confidence)
    }
    };
    found.extend(endless.iter().map(of));
}

/// Why a container never ends.
struct Endless {
    text: String,
    confidence: Confidence,
}

fn never_ends(container: &Container<'_>) -> Option<Endless> {
    if let Some(command) = words(container).last().and_then(last_command) {
        let endless = endless_command(command).or_else(|| {
            // `tail`, `-f` and the file as elements of their own.
            let whole: Vec<&str> = words(container).collect();
            (!whole.iter().any(|word| word.contains(char::is_whitespace)))
                .then(|| endless_command(&whole.join(" ")))
                .flatten()
        });
        if let Some(text) = endless {
            return Some(Endless {
                text: format!("ends in `{text}`, which never ends"),
                confidence: Confidence::Likely,
            });
        }
    }
    let image = container.image.split(['@']).next().unwrap_or_default();
    let image = image.rsplit('/').next().unwrap_or_default();
    let image = image.split(':').next().unwrap_or_default();
    let known = SERVERS
        .iter()
        .find(|known| container.name == **known || image == **known)?;
    Some(Endless {
        text: format!("is {known}, which serves until it is stopped"),
        confidence: Confidence::Possible,
    })
}

fn words<'c>(container: &'c Container<'_>) -> impl Iterator<Item = &'c str> {
    container.command.iter().chain(&container.args).map(AsRef::as_ref)
}

/// The last command of a script.
fn last_command(script: &str) -> Option<&str> {
    let line = script
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty() && !line.starts_with('#'))?;
    let command = line.rsplit([';', '&', '|']).next()?.trim();
    // What ends with `&` runs in the background.
    (!command.is_empty()).then_some(command)
}

/// `sleep infinity` or `tail -f FILE`.
fn endless_command(command: &str) -> Option<String> {
    let mut words = command.split_whitespace().skip_while(|word| *word == "exec");
    let program = words.next()?;
    let arguments: Vec<&str> = words.collect();
    let endless = match program.rsplit('/').next()? {
        "sleep" => arguments.iter().any(|word| matches!(*word, "infinity" | "inf")),
        "tail" => {
            let follows = arguments.iter().any(|word| {
                let short = word.starts_with('-') && !word.starts_with("--") && word.contains(['f', 'F']);
                short || word.starts_with("--follow")
            });
            follows && !arguments.iter().any(|word| word.starts_with("--pid"))
        }
        _ => false,
    };
    endless.then(|| command.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::testkit::{HOOK, found};

    fn with(second: Container<'static>) -> Option<Confidence> {
        let mut job = HOOK.job();
        job.pod.containers.push(second);
        found(&job, "HB404").first().map(|finding| finding.confidence)
    }

    fn runs(command: &[&'static str]) -> Container<'static> {
        Container {
            name: "second".into(),
            image: "busybox:1.37".into(),
            command: command.iter().map(|word| (*word).into()).collect(),
            ..Container::default()
        }
    }

    #[test]
    fn a_second_container_without_an_end_blocks_the_job() {
        let likely = Some(Confidence::Likely);
        for (command, verdict) in [
            (&["sh", "-c", "touch /ready\nsleep infinity"][..], likely),
            (&["sleep", "infinity"], likely),
            (&["tail", "-F", "/var/log/app.log"], likely),
            (&["sh", "-c", "exec tail -n +1 -f /var/log/app.log"], likely),
            (&["sh", "-c", "tail -f /var/log/app.log &\nwait_for_end"], None),
            (&["sh", "-c", "tail -f /var/log/app.log &"], None),
            (&["sh", "-c", "tail --pid=1 -f /var/log/app.log"], None),
            (&["sh", "-c", "tail -n 5 /var/log/app.log"], None),
            (&["sleep", "60"], None),
            (&["report"], None),
        ] {
            assert_eq!(with(runs(command)), verdict, "{command:?}");
        }
    }

    #[test]
    fn a_known_server_blocks_it_unless_somebody_stops_it() {
        let proxy = |name: &'static str, image: &'static str| Container {
            name: name.into(),
            image: image.into(),
            ..Container::default()
        };
        let possible = Some(Confidence::Possible);
        assert_eq!(with(proxy("istio-proxy", "registry.example/mesh:1.2")), possible);
        assert_eq!(
            with(proxy("db", "registry.example:5000/cloud-sql-proxy:2.11")),
            possible
        );
        assert_eq!(with(proxy("db", "registry.example/nginx:1.27")), None);
        let mut job = HOOK.job();
        job.pod.containers[0].command[2] = "seed && curl -X POST http://localhost:15020/quitquitquit".into();
        job.pod
            .containers
            .push(proxy("istio-proxy", "registry.example/mesh:1.2"));
        assert!(found(&job, "HB404").is_empty());
    }

    #[test]
    fn one_container_and_a_native_sidecar_block_nothing() {
        let mut job = HOOK.job();
        job.pod.init_containers.push(Container {
            restart_policy: Some("Always".into()),
            ..runs(&["sleep", "infinity"])
        });
        assert!(found(&job, "HB404").is_empty());
        job.pod.containers[0] = runs(&["sleep", "infinity"]);
        assert!(found(&job, "HB404").is_empty());
    }
}
