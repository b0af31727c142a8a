//! Which policy a server judges by, and who is told when its file is refused.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use clap::Args;
use tokio::sync::watch;

use super::policy::live::{LivePolicy, Look, PolicyMetrics};
use super::policy::{self, Refusal};
use crate::engine::policy::Policy;
use crate::report::events::{Events, Note, Object};
use crate::shutdown::Shutdown;

/// How often the policy file is looked at. The kubelet takes up to a minute to bring a changed ConfigMap.
const POLL: Duration = Duration::from_secs(5);

/// Where the policy comes from.
#[derive(Args, Clone, Debug)]
pub struct PolicyFileArgs {
    /// The policy, YAML or JSON, read again when it changes; without it the defaults hold.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// The ConfigMap that --policy is mounted from, in the server's own namespace: a policy that is refused is told by
    /// an Event about it, and the server waits for a good one, not ready, instead of ending.
    #[arg(long, value_name = "NAME", requires = "policy")]
    pub policy_config_map: Option<String>,
}

/// The policy in force, and what becomes true with the first good one, where that can take time.
pub(super) type InForce = (Arc<ArcSwap<Policy>>, Option<watch::Receiver<bool>>);

/// Who hears of what becomes of the policy.
pub(super) struct Told<'a> {
    /// Where Events go, where they are wanted.
    pub(super) events: Option<Events>,
    /// The namespace of the ConfigMap.
    pub(super) namespace: Option<&'a str>,
    /// The counters.
    pub(super) metrics: PolicyMetrics,
}

/// Reads the policy and keeps it in step with its file until shutdown. `heard` hears of each look, and of the policy that
/// is in force after it.
///
/// # Errors
/// A policy that is refused, where it is no ConfigMap's.
pub(super) fn start(
    args: &PolicyFileArgs,
    told: Told<'_>,
    shutdown: &Shutdown,
    heard: impl Fn(&Look, &Arc<Policy>) + Send + Sync + 'static,
) -> anyhow::Result<InForce> {
    let Told {
        events,
        namespace,
        metrics,
    } = told;
    let Some(path) = &args.policy else {
        metrics.without_file();
        return Ok((Arc::default(), None));
    };
    let live = LivePolicy::new(path, metrics);
    let in_force = live.policy();
    if args.policy_config_map.is_none() {
        in_force.store(Arc::new(policy::read(Some(path)).context("--policy")?));
    }
    let (good, is_good) = watch::channel(args.policy_config_map.is_none());
    let config_map = args.policy_config_map.clone().zip(namespace.map(str::to_owned));
    let refused = AtomicBool::new(false);
    let present = Arc::clone(&in_force);
    let told = move |look: &Look| {
        heard(look, &present.load());
        let (Some(events), Some((name, namespace))) = (&events, &config_map) else {
            return;
        };
        let regarding = || Object {
            api_version: "v1",
            kind: "ConfigMap".to_owned(),
            namespace: namespace.clone(),
            name: name.clone(),
        };
        match look {
            Look::Refused(refusal) => {
                refused.store(true, Ordering::Relaxed);
                events.offer(|| refused_note(refusal, regarding()));
            }
            // A good policy is worth a word only after a bad one.
            Look::Loaded if refused.swap(false, Ordering::Relaxed) => {
                events.offer(|| loaded_note(regarding()));
            }
            Look::Loaded | Look::Same => {}
        }
    };
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = shutdown.requested() => {}
            () = live.run(POLL, good, told) => {}
        }
    });
    Ok((in_force, Some(is_good)))
}

fn refused_note(refusal: &Refusal, regarding: Object) -> Note {
    Note {
        warning: true,
        reason: "HookbudgetPolicyRefused",
        action: "LoadPolicy",
        text: format!("the policy is refused, the one before stays in force: {refusal}"),
        regarding,
        related: None,
    }
}

fn loaded_note(regarding: Object) -> Note {
    Note {
        warning: false,
        reason: "HookbudgetPolicyLoaded",
        action: "LoadPolicy",
        text: "the policy is good again and in force".to_owned(),
        regarding,
        related: None,
    }
}
