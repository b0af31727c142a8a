//! HB207.

use crate::engine::budget::ContainerReading;
use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::inventory::Neighbour;
use crate::engine::job::{Job, Origin, lookup};
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::read_confidence;
use crate::engine::rules::waited_object::named;
use crate::engine::shell::Wait;

rule! {
    /// A hook that runs before the release waits for something that the same release creates after it.
    ///
    /// ## What it does
    ///
    /// Looks at what a `pre-install`, `pre-upgrade` or `PreSync` hook waits for: the host of a URL, the object of
    /// `kubectl wait`, `kubectl rollout status` and `kubectl get` in a loop, the arguments of `k8s-wait-for`. It
    /// reports a Service, Deployment, StatefulSet, Secret, ConfigMap or ServiceAccount that stands among the
    /// inputs and is created later: no hook at all, a hook of a later phase, or one of the same phase with a
    /// greater weight. At admission nothing is known of the other objects, so that only `lint` speaks of it.
    ///
    /// ## Why is this bad?
    ///
    /// Helm creates the release's objects when all its `pre-install` hooks have succeeded. A hook that waits for
    /// one of them waits for itself: it can only run out of time. The upgrade then works, where the objects
    /// are there from before, so that the mistake shows on the first new cluster.
    ///
    /// ## Severity
    ///
    /// An error where the hook runs before the first installation, a warning where the labels
    /// `app.kubernetes.io/instance` do not say that both belong to one release or where the script goes on without
    /// what it waits for. Information for `pre-upgrade` alone: the object is there unless this version brings it.
    /// Never certain, and so never a reason to deny: another release may have the object in place.
    ///
    /// ## How to fix
    ///
    /// Run the hook as `post-install,post-upgrade`; or make what it needs a hook as well, with a smaller weight:
    ///
    /// ```yaml
    /// metadata:
    ///   annotations:
    ///     helm.sh/hook: pre-install,pre-upgrade
    ///     helm.sh/hook-weight: "-5"
    /// ```
    ///
    /// ## When to ignore
    ///
    /// When the object exists before the release, made by hand or by another one.
    "HB207" "waits-for-own-release" Error check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let Some((phase, first)) = Phase::of(cx) else {
        return;
    };
    let mut late_ones: Vec<(&ContainerReading, &Wait, Late<'_>)> = Vec::new();
    for (container, wait) in cx.clocks.waits_for_something() {
        let Some(late) = late(cx, &phase, container, wait) else {
            continue;
        };
        if !late_ones
            .iter()
            .any(|(_, _, other)| std::ptr::eq(other.object, late.object))
        {
            late_ones.push((container, wait, late));
        }
    }
    found.extend(late_ones.into_iter().map(|(container, wait, late)| {
        let object = format!("{} {}", late.object.kind.as_str(), late.object.name);
        let own = cx.job.hooks().join(", ");
        let severity = match late.same_release {
            _ if !first => Severity::Info,
            Some(true) | None if !wait.falls_through => Severity::Error,
            _ => Severity::Warning,
        };
        let end = if wait.is_bounded() {
            "can only run out"
        } else {
            "never ends"
        };
        let consequence = if first {
            format!("on a new cluster the wait {end}")
        } else {
            format!("the wait {end} unless the object is there from before")
        };
        Finding {
            at: cx.at(|| At::script(container.pointer.clone(), wait.place)),
            brief: cx.brief(|_| format!("waits for {object}, which is created after it")),
            message: cx.message(|_| {
                format!(
                    "the {own} hook waits for {object}, which is created after it ({}): {consequence}",
                    late.when
                )
            }),
            arithmetic: cx.arithmetic(|_| Some(wait.arithmetic.clone()).filter(|text| !text.is_empty())),
            help: cx.help(|_| {
                format!(
                    "{}, or {object} as a {} hook with a smaller weight",
                    phase.instead, phase.name
                )
            }),
            ..RULE.finding(severity, read_confidence(wait.confidence).min(Confidence::Likely))
        }
    }));
}

/// When the hook runs, and how the objects of the same time are ordered.
struct Phase {
    name: &'static str,
    hook: &'static str,
    weight: &'static str,
    instead: &'static str,
}

const HELM: [&str; 2] = ["helm.sh/hook", "helm.sh/hook-weight"];
const ARGO: [&str; 2] = ["argocd.argoproj.io/hook", "argocd.argoproj.io/sync-wave"];

impl Phase {
    /// The phase of a hook that runs before its release, and whether it runs before the first installation.
    fn of(cx: &Context<'_>) -> Option<(Self, bool)> {
        let name = ["pre-install", "PreSync", "pre-upgrade"]
            .into_iter()
            .find(|name| cx.job.each_hook().any(|hook| hook == *name))?;
        let ([hook, weight], instead) = match cx.origin() {
            Origin::ArgoHook => (ARGO, "argocd.argoproj.io/hook: PostSync"),
            _ if name == "pre-upgrade" => (HELM, "helm.sh/hook: post-upgrade"),
            _ => (HELM, "helm.sh/hook: post-install,post-upgrade"),
        };
        let phase = Self {
            name,
            hook,
            weight,
            instead,
        };
        Some((phase, name != "pre-upgrade"))
    }

    /// Why an object is created after the hook, if it is.
    fn after(&self, job: &Job<'_>, object: &Neighbour<'_>) -> Option<String> {
        let weight = |text: Option<&str>| text.and_then(|text| text.trim().parse::<i64>().ok()).unwrap_or(0);
        // Argo CD runs the hooks of Helm as its own: what is a hook of either kind is no object of the release.
        let hooks = object
            .annotation(self.hook)
            .or_else(|| object.annotation(HELM[0]))
            .unwrap_or_default();
        let mut hooks = hooks
            .split(',')
            .map(str::trim)
            .filter(|hook| !hook.is_empty())
            .peekable();
        if hooks.peek().is_none() {
            return Some("it is no hook".to_owned());
        }
        let all: Vec<&str> = hooks.collect();
        if all.contains(&self.name) {
            let its = weight(object.annotation(self.weight));
            let own = weight(lookup(&job.annotations, self.weight));
            return (its > own).then(|| format!("{} {its}, the Job's {own}", short(self.weight)));
        }
        let later = all
            .iter()
            .all(|hook| hook.starts_with("post-") || matches!(*hook, "Sync" | "PostSync"));
        later.then(|| format!("it is a {} hook", all.join(", ")))
    }
}

fn short(annotation: &str) -> &str {
    annotation.rsplit('/').next().unwrap_or(annotation)
}

/// An object that a wait names and that is created after the hook.
struct Late<'a> {
    object: &'a Neighbour<'a>,
    when: String,
    /// Whether it belongs to the Job's release; `None` when neither says.
    same_release: Option<bool>,
}

fn late<'a>(cx: &Context<'a>, phase: &Phase, container: &ContainerReading, wait: &Wait) -> Option<Late<'a>> {
    let (kind, namespace, name) = named(cx, container, wait)?;
    let object = cx.around.inventory?.find(kind, namespace.as_deref(), &name)?;
    let instance = "app.kubernetes.io/instance";
    let own = cx.job.label(instance);
    let its = lookup(&object.labels, instance);
    if own.zip(its).is_some_and(|(own, its)| own != its) {
        return None;
    }
    Some(Late {
        object,
        when: phase.after(cx.job, object)?,
        same_release: match (own, its) {
            (None, None) => None,
            (own, its) => Some(own == its),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::assess;
    use crate::engine::inventory::{Inventory, NeighbourKind};
    use crate::engine::job::Pairs;
    use crate::engine::policy::Policy;
    use crate::engine::release::Surroundings;
    use crate::engine::rules::testkit::{HOOK, Hook};

    const URL: &str = "for i in $(seq 9); do curl -f -m 3 http://web:80/ && exit 0; sleep 5; done; exit 1";

    fn says(job: &Job<'_>, objects: Vec<Neighbour<'static>>) -> Option<(Severity, Confidence)> {
        let mut inventory = Inventory::default();
        for object in objects {
            inventory.add(object);
        }
        let around = Surroundings {
            inventory: Some(&inventory),
            ..Surroundings::default()
        };
        let findings = assess(job, around, &Policy::default()).findings;
        findings
            .iter()
            .find(|f| f.code == "HB207")
            .map(|f| (f.severity, f.confidence))
    }

    fn object(kind: NeighbourKind, annotations: &[(&'static str, &'static str)]) -> Neighbour<'static> {
        Neighbour {
            kind,
            namespace: Some("shop".into()),
            name: "web".into(),
            labels: Pairs::new(),
            annotations: annotations
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
            data: Pairs::new(),
        }
    }

    #[test]
    fn the_phase_and_the_weight_below_at_and_above() {
        let hook = |runs| {
            Hook {
                runs,
                script: URL,
                ..HOOK
            }
            .job()
        };
        let pre = ("helm.sh/hook", "pre-install,pre-upgrade");
        let error = Some(Severity::Error);
        for (runs, annotations, severity) in [
            ("pre-install", &[][..], error),
            ("pre-install,pre-upgrade", &[], error),
            ("PreSync", &[], error),
            ("pre-upgrade", &[], Some(Severity::Info)),
            ("post-install", &[], None),
            ("pre-delete", &[], None),
            ("pre-install", &[("helm.sh/hook", "post-install")], error),
            ("pre-install", &[pre, ("helm.sh/hook-weight", "-1")], None),
            ("pre-install", &[pre], None), // Helm creates a Service before a Job of the same weight
            ("pre-install", &[pre, ("helm.sh/hook-weight", "1")], error),
            ("PreSync", &[("argocd.argoproj.io/hook", "PreSync")], None),
        ] {
            let said = says(&hook(runs), vec![object(NeighbourKind::Service, annotations)]);
            assert_eq!(said.map(|said| said.0), severity, "{runs} {annotations:?}");
        }
        assert_eq!(says(&hook("pre-install"), Vec::new()), None, "nobody knows of it");
    }

    #[test]
    fn what_the_tools_name() {
        use NeighbourKind::{Deployment, Secret, Service};
        for (script, kind, found) in [
            (
                "kubectl wait --for=condition=Available deployment/web --timeout=60s",
                Deployment,
                true,
            ),
            (
                "kubectl wait --for=condition=Available deploy web --timeout=60s",
                Deployment,
                true,
            ),
            (
                "kubectl -n other wait --for=condition=Available deploy/web --timeout=60s",
                Deployment,
                false,
            ),
            (
                "kubectl wait --for=delete deploy/web --timeout=60s",
                Deployment,
                false,
            ),
            (
                "kubectl rollout status deployment.apps/web --timeout=60s",
                Deployment,
                true,
            ),
            (
                "for i in $(seq 9); do kubectl get secret web && exit 0; sleep 5; done; exit 1",
                Secret,
                true,
            ),
            (
                "for i in $(seq 9); do kubectl get secret db && exit 0; sleep 5; done; exit 1",
                Secret,
                false,
            ),
            ("k8s-wait-for service web", Service, true),
            ("wait-for-it.sh web:80 -t 60", Service, true),
            ("wait-for-it.sh web.other.svc:80 -t 60", Service, false),
            ("wait-for-it.sh web.shop.svc:80 -t 60", Service, true),
        ] {
            let job = Hook {
                runs: "pre-install",
                script,
                ..HOOK
            }
            .job();
            assert_eq!(says(&job, vec![object(kind, &[])]).is_some(), found, "{script}");
        }
    }

    #[test]
    fn the_labels_tell_releases_apart_and_it_is_never_certain() {
        let label = |name: &'static str| ("app.kubernetes.io/instance".into(), name.into());
        for (own, its, expected) in [
            (None, None, Some(Severity::Error)),
            (Some("web"), Some("web"), Some(Severity::Error)),
            (Some("web"), None, Some(Severity::Warning)),
            (Some("web"), Some("db"), None),
        ] {
            let mut job = Hook {
                runs: "pre-install",
                script: URL,
                ..HOOK
            }
            .job();
            job.labels.extend(own.map(label));
            let mut service = object(NeighbourKind::Service, &[]);
            service.labels.extend(its.map(label));
            let said = says(&job, vec![service]);
            assert_eq!(
                said,
                expected.map(|severity| (severity, Confidence::Likely)),
                "{own:?} {its:?}"
            );
        }
    }
}
