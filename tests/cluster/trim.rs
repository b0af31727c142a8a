//! A dump without what no diagnosis looks at: a few kilobytes that a reader can follow.

use std::path::Path;

use serde_json::{Value, json};

/// Fields that say nothing, wherever they stand.
const NOISE: [&str; 35] = [
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/controller-uid",
    "terminationMessagePolicy",
    "pod-template-hash",
    "managedFields",
    "resourceVersion",
    "generateName",
    "selfLink",
    "finalizers",
    "blockOwnerDeletion",
    "observedGeneration",
    "uncountedTerminatedPods",
    "dnsPolicy",
    "enableServiceLinks",
    "schedulerName",
    "securityContext",
    "preemptionPolicy",
    "priority",
    "tolerations",
    "serviceAccount",
    "terminationMessagePath",
    "imagePullPolicy",
    "manualSelector",
    "podReplacementPolicy",
    "completionMode",
    "containerID",
    "imageID",
    "hostIP",
    "hostIPs",
    "podIP",
    "podIPs",
    "qosClass",
    "lastProbeTime",
    "kubectl.kubernetes.io/last-applied-configuration",
];

/// All objects of the dump in this directory that have to do with a Job, as one list; with what an exporter has kept of it,
/// or without.
pub(crate) fn trimmed(dump: &Path, job: &str, with_kept: bool) -> Value {
    let mut files: Vec<_> = std::fs::read_dir(dump).expect("a dump").flatten().collect();
    files.sort_by_key(std::fs::DirEntry::file_name);
    let (mut objects, mut items) = (Vec::new(), Vec::new());
    for file in files {
        if file
            .path()
            .extension()
            .is_none_or(|extension| extension != "json")
        {
            continue;
        }
        let text = std::fs::read_to_string(file.path()).expect("a file");
        let list: Value = serde_json::from_str(&text).expect("a list");
        let elsewhere = file.file_name() == "pods.json";
        let found = list["items"].as_array().expect("items").iter().cloned();
        objects.extend(found.map(|object| (object, elsewhere)));
    }
    let is_other = |object: &Value| {
        object["kind"] == "Job"
            && object["metadata"]["name"] != job
            && object["metadata"]["annotations"]["helm.sh/hook"].is_string()
    };
    let jobs = objects.iter().map(|(object, _)| object);
    let others: Vec<String> = jobs.filter(|object| is_other(object)).filter_map(name).collect();
    for (object, elsewhere) in objects {
        let kept = object["kind"] == "JobDiagnosis";
        let of_other = others.iter().any(|other| {
            let dashed = format!("{other}-");
            let named = |value: &Value| {
                value
                    .as_str()
                    .is_some_and(|text| text == other || text.starts_with(&dashed))
            };
            named(&object["metadata"]["name"]) || named(&object["involvedObject"]["name"])
        });
        if !of_other && (with_kept || !kept) && object["reason"] != "Diagnosed" {
            items.extend(trim(object, elsewhere));
        }
    }
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn name(object: &Value) -> Option<String> {
    object["metadata"]["name"].as_str().map(str::to_owned)
}

fn trim(mut object: Value, elsewhere: bool) -> Option<Value> {
    clean(&mut object);
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    match kind.as_str() {
        "Pod" => {
            let containers = "name image resources restartPolicy";
            only(
                &mut object,
                "/spec",
                "containers initContainers nodeName restartPolicy volumes nodeSelector",
            );
            only(&mut object, "/spec/containers", containers);
            only(&mut object, "/spec/initContainers", containers);
            only(
                &mut object,
                "/status",
                "phase reason message conditions containerStatuses initContainerStatuses startTime",
            );
            let states = "name ready restartCount state lastState";
            only(&mut object, "/status/containerStatuses", states);
            only(&mut object, "/status/initContainerStatuses", states);
            if let Some(volumes) = object.pointer_mut("/spec/volumes").and_then(Value::as_array_mut) {
                volumes.retain(|volume| volume.get("projected").is_none());
            }
            // Of Pods elsewhere their share of a node counts, or that they will never have one.
            let asks = object["spec"].to_string().contains("\"requests\"");
            let stuck = object["status"]["conditions"]
                .to_string()
                .contains("Unschedulable");
            if elsewhere && !(stuck || asks && object["spec"]["nodeName"].is_string()) {
                return None;
            }
            if elsewhere {
                only(&mut object, "/metadata", "name namespace");
                only(&mut object, "/spec", "containers initContainers nodeName");
                only(&mut object, "/spec/containers", "name resources");
                only(
                    &mut object,
                    "/spec/initContainers",
                    "name resources restartPolicy",
                );
                let unplaced = if stuck { "phase conditions" } else { "phase" };
                only(&mut object, "/status", unplaced);
            }
        }
        "Job" => {
            if let Some(spec) = object["spec"].as_object_mut() {
                spec.remove("selector");
            }
        }
        "Event" => {
            only(
                &mut object,
                "",
                "apiVersion kind metadata involvedObject reason message type count firstTimestamp lastTimestamp \
                 eventTime series",
            );
            only(&mut object, "/metadata", "name namespace");
            only(&mut object, "/involvedObject", "kind namespace name");
        }
        "Service" => only(&mut object, "/spec", "type selector ports"),
        "EndpointSlice" => only(&mut object, "/endpoints", "addresses conditions"),
        "Deployment" | "StatefulSet" => {
            only(&mut object, "/spec", "replicas selector template paused");
            only(&mut object, "/spec/template", "metadata");
        }
        "JobDiagnosis" => {
            only(&mut object, "", "apiVersion kind metadata report evidence");
            only(&mut object, "/report", "job owner");
        }
        "Node" => {
            only(&mut object, "/metadata", "name");
            only(&mut object, "/spec", "unschedulable taints");
            only(&mut object, "/status", "allocatable conditions");
            if let Some(conditions) = object
                .pointer_mut("/status/conditions")
                .and_then(Value::as_array_mut)
            {
                conditions.retain(|condition| condition["type"] == "Ready");
            }
            only(
                &mut object,
                "/status/conditions",
                "type status reason lastTransitionTime",
            );
        }
        _ => {}
    }
    clean(&mut object);
    Some(object)
}

/// Keeps these fields of the object at a place, or of each object in the list there.
fn only(object: &mut Value, place: &str, fields: &str) {
    let keep = |value: &mut Value| {
        if let Some(map) = value.as_object_mut() {
            map.retain(|key, _| fields.split_whitespace().any(|field| field == key));
        }
    };
    match object.pointer_mut(place) {
        Some(Value::Array(items)) => items.iter_mut().for_each(keep),
        Some(value) => keep(value),
        None => {}
    }
}

/// Removes noise, and what is empty.
fn clean(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(clean);
            fields.retain(|key, value| !NOISE.contains(&key.as_str()) && !is_empty(key, value));
        }
        Value::Array(items) => items.iter_mut().for_each(clean),
        _ => {}
    }
}

/// That a slice has no endpoint is a fact.
fn is_empty(key: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty() && key != "endpoints",
        _ => false,
    }
}
