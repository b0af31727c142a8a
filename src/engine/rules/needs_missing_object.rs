//! HB409.

use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::inventory::{Inventory, Neighbour, NeighbourKind};
use crate::engine::job::{VolumeSource, lookup};
use crate::engine::rule::{Context, rule};

rule! {
    /// A hook that runs before the install needs an object that the same release creates later.
    ///
    /// ## What it does
    ///
    /// Reports a `pre-install` hook (or an Argo CD `PreSync` hook) that names a ServiceAccount, Secret or ConfigMap
    /// which stands in the linted set, but is created after the hook: as an ordinary object of the release, as a
    /// hook of a later phase, or as a hook of a higher weight (sync wave). `optional` references and what the set
    /// does not hold are passed over: those objects may be in the cluster already.
    ///
    /// ## Why is this bad?
    ///
    /// Helm runs all `pre-install` hooks, by weight, before it creates any ordinary object of the release. A Pod
    /// whose ServiceAccount does not exist is never created; one whose Secret or ConfigMap is missing waits in
    /// `CreateContainerConfigError` or for its volume. Nothing fails and nothing counts as a retry: the install
    /// hangs until the release's timeout, and only the first install does, so that tests on a cluster that has
    /// been used before do not show it.
    ///
    /// ## How to fix
    ///
    /// Make the object a hook that runs earlier:
    ///
    /// ```yaml
    /// metadata:
    ///   annotations:
    ///     helm.sh/hook: pre-install,pre-upgrade
    ///     helm.sh/hook-weight: "-5"
    ///     helm.sh/hook-delete-policy: before-hook-creation
    /// ```
    ///
    /// or make the Job a `post-install` hook.
    ///
    /// ## When to ignore
    ///
    /// When the object is in the cluster before the first install, and the release adopts it.
    "HB409" "needs-missing-object" Warning check
}

/// The label by which charts tell their releases apart.
const INSTANCE: &str = "app.kubernetes.io/instance";

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let (Some(inventory), Some(phase)) = (cx.around.inventory, Phase::of(cx)) else {
        return;
    };
    let mut told = Vec::new();
    let account = cx
        .job
        .pod
        .service_account
        .as_deref()
        .filter(|name| *name != "default");
    let account = account.map(|name| {
        let pointer = cx.field("template/spec/serviceAccountName");
        (NeighbourKind::ServiceAccount, name, pointer)
    });
    let needs = cx.job.pod.needs.iter().map(|need| {
        let (kind, name) = match &need.source {
            VolumeSource::ConfigMap(name) => (NeighbourKind::ConfigMap, name),
            VolumeSource::Secret(name) => (NeighbourKind::Secret, name),
        };
        (kind, name.as_ref(), cx.job.need_pointer(need.place))
    });
    let instance = cx.job.label(INSTANCE);
    for (kind, name, pointer) in account.into_iter().chain(needs) {
        let Some(later) = phase.created_later(inventory, cx.job.namespace.as_deref(), instance, kind, name)
        else {
            continue;
        };
        let what = format!("{} {name}", kind.as_str());
        if told.contains(&(kind, name)) {
            continue;
        }
        told.push((kind, name));
        found.push(Finding {
            at: cx.at(|| At::field(pointer)),
            brief: cx.brief(|_| format!("{what} is created after this hook")),
            message: cx.message(|_| format!(
                "{} hook needs {what}, {later}: on the first install its Pod never starts, and nothing but a timeout \
                 ends it",
                phase.name
            )),
            help: cx.help(|_| format!("{what} as a {} hook of a lower {}", phase.name, phase.order_name())),
            ..RULE.finding(Severity::Warning, Confidence::Likely)
        });
    }
}

/// When a hook runs that nothing of its release stands before.
struct Phase {
    name: &'static str,
    key: &'static str,
    order_key: &'static str,
    order: i64,
}

impl Phase {
    fn of(cx: &Context<'_>) -> Option<Self> {
        let (name, key, order_key) = [
            ("pre-install", "helm.sh/hook", "helm.sh/hook-weight"),
            (
                "PreSync",
                "argocd.argoproj.io/hook",
                "argocd.argoproj.io/sync-wave",
            ),
        ]
        .into_iter()
        .find(|(name, _, _)| cx.job.each_hook().any(|hook| hook == *name))?;
        Some(Self {
            name,
            key,
            order_key,
            order: number(lookup(&cx.job.annotations, order_key)),
        })
    }

    const fn order_name(&self) -> &'static str {
        if self.name.len() == "PreSync".len() {
            "sync wave"
        } else {
            "weight"
        }
    }

    /// Why every object of this name is created after the hook; nothing when one stands before it, or none is
    /// there. Two hooks of one weight run in an order that differs between versions of Helm: no finding.
    fn created_later(
        &self,
        inventory: &Inventory<'_>,
        namespace: Option<&str>,
        instance: Option<&str>,
        kind: NeighbourKind,
        name: &str,
    ) -> Option<String> {
        let mut later = None;
        for neighbour in inventory.find_all(kind, namespace, name) {
            // An object of another release may be there before this one is installed.
            let theirs = lookup(&neighbour.labels, INSTANCE);
            if instance.zip(theirs).is_some_and(|(ours, theirs)| ours != theirs) {
                return None;
            }
            later = Some(self.later(neighbour)?);
        }
        later
    }

    fn later(&self, neighbour: &Neighbour<'_>) -> Option<String> {
        let Some(hooks) = neighbour
            .annotation(self.key)
            .filter(|hooks| !hooks.trim().is_empty())
        else {
            return Some("which the release creates after its hooks".to_owned());
        };
        if !hooks.split(',').any(|hook| hook.trim() == self.name) {
            return Some(format!("which is a hook of another phase ({})", hooks.trim()));
        }
        let order = number(neighbour.annotation(self.order_key));
        (order > self.order).then(|| {
            let word = self.order_name();
            format!(
                "which is a hook of {word} {order}, after this one of {word} {}",
                self.order
            )
        })
    }
}

/// A weight or a wave; 0 where none can be read, as in Helm and Argo CD.
fn number(text: Option<&str>) -> i64 {
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::assess;
    use crate::engine::job::{Job, Need, NeedPlace};
    use crate::engine::policy::Policy;
    use crate::engine::release::Surroundings;
    use crate::engine::rules::testkit::{HOOK, Hook};

    fn job(runs: &'static str, account: &'static str) -> Job<'static> {
        let mut job = Hook { runs, ..HOOK }.job();
        job.pod.service_account = Some(account.into());
        job
    }

    fn account(annotations: &[(&'static str, &'static str)]) -> Neighbour<'static> {
        Neighbour {
            kind: NeighbourKind::ServiceAccount,
            namespace: None,
            name: "seeder".into(),
            labels: Vec::new(),
            annotations: annotations
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
            data: Vec::new(),
        }
    }

    fn found(job: &Job<'_>, neighbours: Vec<Neighbour<'static>>) -> usize {
        let mut inventory = Inventory::default();
        for neighbour in neighbours {
            inventory.add(neighbour);
        }
        let around = Surroundings {
            inventory: Some(&inventory),
            ..Surroundings::default()
        };
        let findings = assess(job, around, &Policy::default()).findings;
        findings.iter().filter(|finding| finding.code == "HB409").count()
    }

    const HOOK_KEY: &str = "helm.sh/hook";
    const WEIGHT: &str = "helm.sh/hook-weight";

    #[test]
    fn an_object_that_comes_later_is_missed() {
        let mut pre = job("pre-install, pre-upgrade", "seeder");
        pre.annotations.push((WEIGHT.into(), "0".into()));
        for (annotations, missing) in [
            (&[][..], 1),
            (&[(HOOK_KEY, "post-install")], 1),
            (&[(HOOK_KEY, "pre-upgrade")], 1),
            (&[(HOOK_KEY, "pre-install"), (WEIGHT, "1")], 1),
            (&[(HOOK_KEY, "pre-install"), (WEIGHT, "0")], 0),
            (&[(HOOK_KEY, "pre-install")], 0),
            (&[(HOOK_KEY, "pre-upgrade,pre-install"), (WEIGHT, "-5")], 0),
        ] {
            assert_eq!(
                found(&pre, vec![account(annotations)]),
                missing,
                "{annotations:?}"
            );
        }
        assert_eq!(found(&pre, Vec::new()), 0, "it may be in the cluster");
        let mut other = account(&[]);
        other.labels.push((INSTANCE.into(), "other".into()));
        assert_eq!(
            found(&pre, vec![other.clone()]),
            1,
            "the hook does not say whose it is"
        );
        let mut ours = pre.clone();
        ours.labels.push((INSTANCE.into(), "shop".into()));
        assert_eq!(found(&ours, vec![other]), 0, "another release");
        let both = vec![account(&[]), account(&[(HOOK_KEY, "pre-install")])];
        assert_eq!(found(&pre, both), 0);
    }

    #[test]
    fn only_a_hook_before_the_install_needs_it_so_early() {
        assert_eq!(found(&job("post-install", "seeder"), vec![account(&[])]), 0);
        assert_eq!(found(&job("pre-upgrade", "seeder"), vec![account(&[])]), 0);
        assert_eq!(found(&job("PreSync", "seeder"), vec![account(&[])]), 1);
        assert_eq!(found(&job("pre-install", "default"), vec![account(&[])]), 0);
    }

    #[test]
    fn a_secret_is_named_once() {
        let mut pre = job("pre-install", "default");
        let need = |index| Need {
            source: VolumeSource::Secret("keys".into()),
            place: NeedPlace::Volume(index),
        };
        pre.pod.needs = vec![need(0), need(1)];
        let secret = Neighbour {
            kind: NeighbourKind::Secret,
            name: "keys".into(),
            ..account(&[])
        };
        assert_eq!(found(&pre, vec![secret]), 1);
    }
}
