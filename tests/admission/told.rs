//! What is told about a review besides its answer: to the audit log, to counters, to whoever writes Events.

use hookbudget::admission::Metrics;
use hookbudget::engine::release::{Action, Application, Stage};
use hookbudget::engine::window::Kustomization;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::*;

/// What an observer was told of each judged review.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Observer for Heard {
    fn judged(&self, outcome: &Outcome<'_>) {
        let rules: Vec<_> = outcome
            .changes
            .iter()
            .map(|change| change.rule.to_string())
            .collect();
        self.0.lock().unwrap().push(format!(
            "{} {} {} denial={} rules={} source={}",
            outcome.webhook.as_str(),
            outcome.job,
            outcome.decision.as_str(),
            outcome
                .denial
                .unwrap_or_default()
                .lines()
                .next()
                .unwrap_or_default(),
            rules.join(","),
            outcome.release.source,
        ));
    }
    fn skipped(&self, _: Webhook, _: &'static str, _: Skipped) {}
    fn answered(&self, _: Webhook, _: Duration) {}
}

/// A webhook with counters and an observer, in a namespace that enforces.
struct Told {
    router: Router,
    heard: Arc<Heard>,
    registry: Registry,
}

impl Told {
    fn new(change: impl FnOnce(&mut Admission)) -> Self {
        let heard = Arc::new(Heard::default());
        let mut registry = Registry::default();
        let metrics = Arc::new(Metrics::register(&mut registry));
        let observers: Vec<Arc<dyn Observer>> = vec![metrics, Arc::<Heard>::clone(&heard)];
        let mut admission = Admission::new(Arc::new(observers));
        admission.policy.store(Arc::new(Policy {
            default_mode: Mode::Enforce,
            ..Policy::default()
        }));
        change(&mut admission);
        let router = router(Arc::new(admission), Arc::new(|| true), &Limits::default());
        Self {
            router,
            heard,
            registry,
        }
    }

    async fn ask(&self, path: &str, review: &Value) -> Value {
        let request = Request::post(path).body(Body::from(review.to_string())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let mut answer: Value = serde_json::from_slice(&body).unwrap();
        answer["response"].take()
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        text
    }

    fn heard(&self) -> Vec<String> {
        self.heard.0.lock().unwrap().clone()
    }
}

fn powerdns(stage: Stage) -> HelmRelease {
    HelmRelease {
        namespace: "powerdns".into(),
        name: "bp-powerdns".into(),
        install_timeout: Some(Seconds::new(900)),
        upgrade_timeout: Some(Seconds::new(600)),
        stage,
        ..HelmRelease::default()
    }
}

#[tokio::test]
async fn a_denial_and_a_rewrite_are_told_once_each_and_a_dry_run_never() {
    let told = Told::new(|admission| {
        admission
            .surroundings
            .releases
            .store(Arc::new(vec![powerdns(Stage::New)]));
    });
    let review = review("job-create-waits-by-failing");
    let mut dry = review.clone();
    dry["request"]["dryRun"] = json!(true);
    for path in ["/mutate", "/validate"] {
        let wet = told.ask(path, &review).await;
        assert_eq!(told.ask(path, &dry).await, wet, "a dry run gets the same answer");
    }
    let heard = told.heard();
    assert_eq!(heard.len(), 2, "{heard:#?}");
    assert!(
        heard[0].starts_with("mutate Job powerdns/powerdns-zone-bootstrap "),
        "{}",
        heard[0]
    );
    assert!(heard[0].contains("rules=HB"), "{}", heard[0]);
    assert!(
        heard[1].contains("deny denial=HB101 retries-end-before-deadline: Job"),
        "{}",
        heard[1]
    );
    let metrics = told.metrics();
    for line in [
        "hookbudget_admission_decisions_total{namespace=\"powerdns\",mode=\"enforce\",decision=\"deny\",code=\"HB101\"} 1\n",
        "hookbudget_admission_rewrites_total{namespace=\"powerdns\",mode=\"enforce\",rule=\"HB302\"} 1\n",
        "hookbudget_release_lookups_total{source=\"helm_release\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn the_state_of_the_release_chooses_the_timeout_and_the_audit_log_names_it() {
    for (stage, field) in [
        (Stage::New, "spec.install.timeout"),
        (Stage::Running(Action::Upgrade), "spec.upgrade.timeout"),
        (Stage::Deployed, "spec.upgrade.timeout"),
    ] {
        let told = Told::new(|admission| {
            admission
                .surroundings
                .releases
                .store(Arc::new(vec![powerdns(stage)]));
        });
        let response = told
            .ask("/validate", &review("job-create-waits-by-failing"))
            .await;
        let source = format!("HelmRelease powerdns/bp-powerdns {field}");
        assert_eq!(
            response["auditAnnotations"]["release-timeout"], source,
            "{stage:?}"
        );
        // 840 s fit into 900 s and not into 600 s: the denial says by which clock.
        let message = response["status"]["message"].as_str().unwrap();
        assert_eq!(
            message.contains("HB103"),
            field == "spec.upgrade.timeout",
            "{message}"
        );
        assert!(
            field == "spec.install.timeout" || message.contains(&source),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_release_that_is_not_known_yet_never_denies_by_the_assumed_default() {
    let told = Told::new(|_| {});
    let mut review = review("job-create-waits-by-failing");
    // These two are about retries and deadline alone.
    for code in ["HB101", "HB206"] {
        annotate(
            &mut review,
            &format!("hookbudget.dev/exempt.{code}"),
            "tested elsewhere",
        );
    }
    review["request"]["userInfo"]["username"] = json!("system:serviceaccount:flux-system:helm-controller");
    let response = told.ask("/validate", &review).await;
    assert_eq!(response["allowed"], true, "{response}");
    let all = warnings(&response).join("\n");
    assert!(
        all.contains("HB103") && all.contains("release timeout 300 s"),
        "{all}"
    );
    assert_eq!(response["auditAnnotations"]["release-timeout"], "assumed default");
}

#[tokio::test]
async fn the_kustomization_that_waits_gives_up_before_the_remediation_does() {
    let kustomization = Kustomization {
        namespace: "flux-system".into(),
        name: "apps".into(),
        interval: Seconds::new(600),
        wait: true,
        ..Kustomization::default()
    };
    let release = HelmRelease {
        kustomization: Some(("flux-system".into(), "apps".into())),
        install_retries: Some(2),
        ..powerdns(Stage::New)
    };
    let told = Told::new(|admission| {
        admission.surroundings.releases.store(Arc::new(vec![release]));
        admission
            .surroundings
            .kustomizations
            .store(Arc::new(vec![kustomization]));
    });
    let response = told
        .ask("/validate", &review("job-create-waits-by-failing"))
        .await;
    let findings = response["auditAnnotations"]["findings"].as_str().unwrap();
    assert!(findings.contains("HB110 warning certain"), "{findings}");
    let message = response["status"]["message"].as_str().unwrap();
    assert!(
        message.contains("in 3 attempts (spec.install.remediation.retries: 2)"),
        "{message}"
    );
}

#[tokio::test]
async fn a_helm_hook_that_argo_runs_is_judged_without_a_release_timeout() {
    let application = Application {
        namespace: "argocd".into(),
        name: "powerdns".into(),
        retries: Some(5),
    };
    let told = Told::new(|admission| {
        admission
            .surroundings
            .releases
            .store(Arc::new(vec![powerdns(Stage::Deployed)]));
        admission
            .surroundings
            .applications
            .store(Arc::new(vec![application]));
    });
    let mut review = review("job-create-waits-by-failing");
    let id = "powerdns:batch/Job:powerdns/powerdns-zone-bootstrap";
    annotate(&mut review, "argocd.argoproj.io/tracking-id", id);
    let response = told.ask("/validate", &review).await;
    assert_eq!(
        response["auditAnnotations"]["release-timeout"],
        "Application argocd/powerdns without a timeout, tried 6 times"
    );
    let message = response["status"]["message"].as_str().unwrap();
    assert!(!message.contains("HB103"), "no release gives up here: {message}");
}
