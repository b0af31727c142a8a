//! The init container that waits, for Jobs that ask for it by `hookbudget.dev/wait-for`.

use serde_json::{Value, json};

use super::{Budget, Plan, Quantity, record};
use crate::engine::finding::{At, Edit};
use crate::engine::job::Job;
use crate::engine::wait_target::{self, Target};

/// The name of the init container.
pub const WAIT_CONTAINER: &str = "hookbudget-wait";

/// The image where nobody names another: the product's own, which holds the wait helper too.
pub const WAIT_IMAGE: &str = concat!("hookbudget:", env!("CARGO_PKG_VERSION"));

/// A user that owns nothing, stated so that `runAsNonRoot` holds for images that name no user (65532, as
/// the `nonroot` of distroless images).
const NOBODY: i64 = 65_532;

/// The targets of `hookbudget.dev/wait-for`. One that cannot be waited for is named, and nothing is added: a
/// Job that waits for half of what it needs is worse than one that is seen not to wait.
pub(super) fn targets<'j>(job: &'j Job<'_>, plan: &mut Plan<'_>) -> Vec<&'j str> {
    let Some(text) = job.annotation("hookbudget.dev/wait-for") else {
        return Vec::new();
    };
    let targets: Vec<&str> = wait_target::listed(text).collect();
    if let Some(why) = targets.iter().find_map(|target| Target::parse(target).err()) {
        plan.warn(format!("hookbudget.dev/wait-for is no target: {why}"));
        return Vec::new();
    }
    targets
}

/// Puts the container in front of the others, once.
pub(super) fn add(plan: &mut Plan<'_>, budget: &Budget, image: &str, targets: &[&str]) {
    let job = plan.job;
    if targets.is_empty() {
        return;
    }
    let pointer = format!("{}/template/spec/initContainers", job.spec_pointer());
    if job
        .containers()
        .any(|(_, _, container)| container.name == WAIT_CONTAINER)
    {
        // The one that an earlier rewrite added is as it should be.
        if !record::is_recorded(job, &At::field(pointer).dotted()) {
            plan.warn(format!(
                "hookbudget.dev/wait-for: a container {WAIT_CONTAINER} is there already, so none is added"
            ));
        }
        return;
    }
    if let Err(why) = budget.value(Quantity::WaitTimeout) {
        plan.warn(format!(
            "hookbudget.dev/wait-for: no time is left to wait, so no container is added: {why}"
        ));
        return;
    }
    let env: Vec<Value> = Quantity::ALL
        .into_iter()
        .filter_map(|quantity| {
            let value = budget.value(quantity).ok()?;
            Some(json!({"name": quantity.variable(), "value": value.to_string()}))
        })
        .collect();
    let container = json!({
        "name": WAIT_CONTAINER,
        "image": image,
        // Named here and not left to the image, so that whoever reads the object sees what runs.
        "command": [WAIT_CONTAINER],
        "args": targets,
        "env": env,
        "resources": {
            "requests": {"cpu": "10m", "memory": "16Mi"},
            "limits": {"cpu": "100m", "memory": "32Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
            "runAsUser": NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
    });
    plan.push(
        Edit::Prepend {
            pointer,
            value: container,
        },
        Value::Null,
        "hookbudget.dev/wait-for",
    );
    if let Some(change) = plan.rewrite.changes.last_mut() {
        // The record names the container; what is in it stands in the object.
        change.to = WAIT_CONTAINER.into();
    }
}
