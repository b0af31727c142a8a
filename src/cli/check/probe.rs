//! The whole way, walked: a dry run of an unsafe hook Job, which the API server shows to the webhook or does not.

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::report::Area;

const NO_ANSWER: &str = "kubectl get --raw /metrics shows apiserver_admission_webhook_fail_open_count; mostly the API server cannot reach the Pods on port 8443 (a firewall of a private control plane, a NetworkPolicy), or caBundle is another authority's";

/// What the API server answered.
struct Answer {
    status: u16,
    warnings: Vec<String>,
    body: Value,
}

/// Creates the Job as a dry run and looks for traces of both webhooks.
pub(super) async fn judge(area: &mut Area<'_>, client: &Client, namespace: &str) {
    let answer = match ask(client, namespace).await {
        Ok(answer) => answer,
        Err(error) => {
            area.warn(
                format!("a dry run in {namespace} came to nothing: {error}"),
                "look at the API server",
            );
            return;
        }
    };
    read(area, namespace, &answer);
}

fn read(area: &mut Area<'_>, namespace: &str, answer: &Answer) {
    let message = answer.body["message"].as_str().unwrap_or_default();
    let denied = message.contains("validate.hookbudget.dev") && message.contains("denied");
    if message.contains("failed calling webhook") {
        area.fail(
            format!("the API server cannot call the webhook: {message}"),
            "the lines above name the cause, or a firewall does not let the API server reach port 8443",
        );
        return;
    }
    if !denied && !(200..300).contains(&answer.status) {
        area.warn(
            format!("a dry run in {namespace} was refused by somebody else: {message}"),
            "run it as a user who may create Jobs there, or name another namespace by --probe-namespace",
        );
        return;
    }
    let containers = answer.body["spec"]["template"]["spec"]["containers"][0]["env"].as_array();
    let rewritten = containers.is_some_and(|env| {
        env.iter().any(|entry| {
            entry["name"]
                .as_str()
                .is_some_and(|name| name.starts_with("HOOKBUDGET_"))
        })
    });
    let judged = denied || answer.warnings.iter().any(|warning| warning.contains("HB301"));
    match (rewritten || denied, judged) {
        (true, true) => area.ok(format!(
            "a dry run of an unsafe hook Job in {namespace} was rewritten and judged"
        )),
        (false, false) => area.fail(
            format!("a dry run of an unsafe hook Job in {namespace} was neither rewritten nor judged"),
            NO_ANSWER,
        ),
        (true, false) => area.fail(
            format!("a dry run of an unsafe hook Job in {namespace} was rewritten, and not judged"),
            NO_ANSWER,
        ),
        (false, true) => area.fail(
            format!("a dry run of an unsafe hook Job in {namespace} was judged, and not rewritten"),
            NO_ANSWER,
        ),
    }
}

async fn ask(client: &Client, namespace: &str) -> Result<Answer, String> {
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"generateName": "hookbudget-check-", "annotations": {"helm.sh/hook": "test"}},
        // OnFailure loses its logs: HB301, a warning, in every mode that says anything.
        "spec": {"template": {"spec": {"restartPolicy": "OnFailure", "containers": [
            {"name": "never-run", "image": "hookbudget-check:never-run", "command": ["true"]}]}}},
    });
    let request = Request::post(format!("/apis/batch/v1/namespaces/{namespace}/jobs?dryRun=All"))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Body::from(job.to_string().into_bytes()))
        .map_err(|error| error.to_string())?;
    let response = client.send(request).await.map_err(|error| error.to_string())?;
    let (head, body) = response.into_parts();
    let body: Bytes = body
        .collect()
        .await
        .map_err(|error| error.to_string())?
        .to_bytes();
    let warnings = head.headers.get_all(http::header::WARNING).iter();
    Ok(Answer {
        status: head.status.as_u16(),
        warnings: warnings
            .filter_map(|value| value.to_str().ok())
            .map(str::to_owned)
            .collect(),
        body: serde_json::from_slice(&body).map_err(|error| error.to_string())?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::report::{Level, Report};
    use super::*;

    #[test]
    fn traces_of_both_webhooks_are_told_apart() {
        let job =
            |env: &str| json!({"spec": {"template": {"spec": {"containers": [{"env": [{"name": env}]}]}}}});
        let error = |message: &str| json!({"kind": "Status", "message": message});
        let warned = || vec!["299 - \"HB301 logs are lost\"".to_owned()];
        for (status, warnings, body, level, words) in [
            (
                201,
                warned(),
                job("HOOKBUDGET_DEADLINE_SECONDS"),
                Level::Ok,
                "rewritten and judged",
            ),
            (201, vec![], job("PATH"), Level::Fail, "neither"),
            (
                201,
                vec![],
                job("HOOKBUDGET_DEADLINE_SECONDS"),
                Level::Fail,
                "not judged",
            ),
            (201, warned(), job("PATH"), Level::Fail, "not rewritten"),
            (
                403,
                vec![],
                error("admission webhook \"validate.hookbudget.dev\" denied the request: HB101"),
                Level::Ok,
                "judged",
            ),
            (
                403,
                vec![],
                error("jobs.batch is forbidden: User \"x\""),
                Level::Warn,
                "somebody else",
            ),
            (
                500,
                vec![],
                error("failed calling webhook \"mutate.hookbudget.dev\": x509"),
                Level::Fail,
                "x509",
            ),
        ] {
            let mut report = Report::new();
            read(
                &mut report.area("x"),
                "default",
                &Answer {
                    status,
                    warnings,
                    body,
                },
            );
            let found = report.found();
            assert!(
                found.len() == 1 && found[0].0 == level && found[0].1.contains(words),
                "{words}: {found:?}"
            );
        }
    }
}
