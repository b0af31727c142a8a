//! Files and directories as a user has them on disk.
#![cfg(feature = "cli")]

use std::fs;
use std::path::{Path, PathBuf};

use hookbudget::cli::manifest::{Document, Loaded, PathOrStdin, load, load_with};
use hookbudget::cli::render::finding::{Level, Mark, Rendered, Style};

fn fixture(name: &str) -> PathBuf {
    Path::new("tests/fixtures/manifests").join(name)
}

fn read(path: impl Into<PathBuf>) -> Loaded {
    load(&[PathOrStdin::Path(path.into())])
}

fn names(loaded: &Loaded) -> Vec<String> {
    let name = |document: &Document| {
        let name = document
            .value
            .pointer("/metadata/name")
            .and_then(|name| name.as_str())
            .unwrap_or_default();
        format!("{}/{name}", document.kind())
    };
    loaded.documents.iter().map(name).collect()
}

fn errors(loaded: &Loaded) -> Vec<String> {
    loaded.errors.iter().map(ToString::to_string).collect()
}

#[test]
fn one_broken_document_of_a_stream_leaves_the_others_whole() {
    let loaded = read(fixture("stream.yaml"));
    assert_eq!(
        names(&loaded),
        [
            "Job/zone-bootstrap",
            "Service/powerdns",
            "CronJob/tf-state-backup"
        ]
    );
    assert_eq!(
        errors(&loaded),
        ["tests/fixtures/manifests/stream.yaml:27:10: mapping values are not allowed in this context"]
    );
    let skipped: Vec<_> = loaded
        .skipped
        .iter()
        .map(|skipped| (skipped.line, skipped.reason))
        .collect();
    assert_eq!(
        skipped,
        [(28, "empty"), (44, "no `kind`: not a Kubernetes object")]
    );
    let backup = &loaded.documents[2];
    assert_eq!(backup.pointer_prefix(), "/items/1");
    let place = backup.locate("/spec/schedule");
    assert_eq!((place.line, place.column), (42, 17));
}

#[test]
fn a_line_of_a_script_is_found_below_its_container() {
    let loaded = read(fixture("stream.yaml"));
    let job = &loaded.documents[0];
    let script = "/spec/template/spec/containers/0/args/0";
    let place = job.locate_in_scalar(script, 2, 24);
    assert_eq!((place.line, place.column, place.exact), (19, 38, true));
    assert!(job.source().slice(&place.span).starts_with("3 http"));
    let text = job
        .value
        .pointer(script)
        .and_then(|script| script.as_str())
        .unwrap();
    let start = text.find("sleep").unwrap();
    let place = job.locate_range_in_scalar(script, start..start + 5);
    assert_eq!((place.line, job.source().slice(&place.span)), (20, "sleep"));
    let past = job.locate_in_scalar(script, 40, 1);
    assert_eq!((past.line, past.exact), (17, false));
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_change_no_place() {
    let loaded = read(fixture("windows.yaml"));
    assert_eq!(errors(&loaded), Vec::<String>::new());
    let job = &loaded.documents[0];
    assert_eq!(job.value["spec"]["script"], "set -eu\nsleep 5\n");
    let place = job.locate("/spec/backoffLimit");
    assert_eq!((place.line, place.column), (8, 17));
    let place = job.locate_in_scalar("/spec/script", 2, 7);
    assert_eq!(
        (place.line, place.column, job.source().slice(&place.span)),
        (7, 11, "5")
    );
    assert_eq!(job.locate("/kind").column, 7);
}

#[test]
fn anchors_and_merges_lead_to_the_text_that_sets_the_value() {
    let loaded = read(fixture("anchors.yaml"));
    assert_eq!(errors(&loaded), Vec::<String>::new());
    let job = &loaded.documents[0];
    let spec = &job.value["spec"]["template"]["spec"];
    assert_eq!(
        (
            spec["restartPolicy"].as_str(),
            spec["activeDeadlineSeconds"].as_i64()
        ),
        (Some("Never"), Some(300))
    );
    assert_eq!(job.value["spec"]["completions"], 4);
    assert_eq!(job.locate("/spec/template/spec/restartPolicy").line, 3);
    assert_eq!(job.locate("/spec/template/spec/activeDeadlineSeconds").line, 11);
    assert_eq!(job.locate("/spec/completions").line, 7);
}

#[test]
fn json_streams_lists_and_escaped_scripts_have_places_too() {
    let loaded = read(fixture("jobs.json"));
    assert_eq!(errors(&loaded), Vec::<String>::new());
    assert_eq!(names(&loaded), ["Job/first", "Job/second", "Event/"]);
    let second = &loaded.documents[1];
    assert_eq!(
        (second.api_version(), second.pointer_prefix()),
        ("batch/v1", "/items/1")
    );
    let place = second.locate("/spec/backoffLimit");
    assert_eq!((place.line, second.source().slice(&place.span)), (7, "2"));
    let place = second.locate_in_scalar("/spec/script", 2, 8);
    assert_eq!(
        (place.line, second.source().slice(&place.span), place.exact),
        (7, "5", true)
    );
    assert_eq!(loaded.documents[0].value["metadata"]["annotations"]["note"], "😀");
}

#[test]
fn a_directory_is_walked_in_order_once_and_through_links() {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("b/z.yaml", "kind: Z"),
        ("b/a.YML", "kind: A"),
        ("c.json", "{\"kind\": \"C\"}"),
        ("d.txt", "kind: D"),
    ] {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::create_dir(root.path().join(".git")).unwrap();
    fs::write(root.path().join(".git/x.yaml"), "kind: Hidden").unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(root.path(), root.path().join("b/loop")).unwrap();
        std::os::unix::fs::symlink(root.path().join("b/z.yaml"), root.path().join("y.yaml")).unwrap();
        std::os::unix::fs::symlink(root.path().join("gone"), root.path().join("dangling.yaml")).unwrap();
    }
    let loaded = read(root.path());
    assert_eq!(names(&loaded), ["A/", "Z/", "C/"]);
    assert_eq!(errors(&loaded), Vec::<String>::new());
    let kinds = names(&read(fixture("tree")));
    assert_eq!(kinds, ["Job/a", "Job/b", "Job/c"]);
}

#[test]
fn what_cannot_be_read_says_why_and_the_rest_goes_on() {
    let empty = tempfile::tempdir().unwrap();
    let utf16 = empty.path().join("utf16");
    fs::create_dir(&utf16).unwrap();
    fs::write(utf16.join("a.yaml"), b"\xff\xfek\0i\0").unwrap();
    fs::create_dir(empty.path().join("nothing")).unwrap();
    let paths = [
        PathOrStdin::from("tests/fixtures/manifests/absent.yaml"),
        PathOrStdin::from("tests/fixtures/manifests/latin1.yaml"),
        PathOrStdin::from("tests/fixtures/manifests/chart"),
        PathOrStdin::from(empty.path().join("nothing")),
        PathOrStdin::from(utf16),
        PathOrStdin::from("-"),
        PathOrStdin::from("tests/fixtures/manifests/tree/a.yaml"),
    ];
    let loaded = load_with(&paths, &mut "".as_bytes());
    assert_eq!(names(&loaded), ["Job/a"]);
    let root = empty.path().display();
    assert_eq!(
        errors(&loaded),
        [
            "tests/fixtures/manifests/absent.yaml: no such file or directory".to_owned(),
            "tests/fixtures/manifests/latin1.yaml:3:12: not UTF-8 text; save it as UTF-8, or leave this file out".to_owned(),
            "tests/fixtures/manifests/chart/templates/job.yaml:4:10: this is a Helm template that was not rendered; \
             `hookbudget lint --chart CHART` renders it, or pipe `helm template CHART` into `hookbudget lint -`"
                .to_owned(),
            format!("{root}/nothing: no .yaml, .yml or .json file in this directory"),
            format!("{root}/utf16/a.yaml: UTF-16 text; save it as UTF-8"),
        ]
    );
    assert_eq!(loaded.skipped.len(), 1);
}

#[test]
fn rendered_text_may_keep_braces_of_its_own() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("chart/templates");
    fs::create_dir_all(&directory).unwrap();
    let text = "---\n# Source: chart/templates/rule.yaml\nkind: PrometheusRule\nmetadata: {name: \"{{ $labels.job }}\"}\n";
    fs::write(directory.join("rule.yaml"), text).unwrap();
    let loaded = read(root.path());
    assert_eq!(names(&loaded), ["PrometheusRule/{{ $labels.job }}"]);
}

#[test]
fn large_objects_are_read_in_time_that_grows_with_their_size() {
    let script = "              echo 'one line of a script that does nothing at all'\n".repeat(50_000);
    let yaml = format!("kind: ConfigMap\ndata:\n  a: |\n{script}  b: x\n");
    let keys: Vec<_> = (0..60_000)
        .map(|key| format!("  key-{key}: \"value {key} of a large map\"\n"))
        .collect();
    let wide = format!("kind: ConfigMap\ndata:\n{}", keys.concat());
    let nested = format!("kind: ConfigMap\ndata: [{}]\n", "{a: [1, 2]}, ".repeat(100_000));
    for text in [&yaml, &wide, &nested] {
        let started = std::time::Instant::now();
        let loaded = load_with(&[PathOrStdin::Stdin], &mut text.as_bytes());
        assert_eq!(errors(&loaded), Vec::<String>::new());
        let document = &loaded.documents[0];
        let json = serde_json::to_string_pretty(&document.value).unwrap();
        let again = load_with(&[PathOrStdin::Stdin], &mut json.as_bytes());
        assert_eq!(again.documents[0].value, document.value);
        // Generous: a reader that is quadratic in any of these needs minutes.
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }
    let loaded = load_with(&[PathOrStdin::Stdin], &mut yaml.as_bytes());
    let place = loaded.documents[0].locate_in_scalar("/data/a", 40_000, 1);
    assert_eq!((place.line, place.exact), (40_003, true));
}

#[test]
fn a_finding_shows_the_lines_of_a_script_and_of_its_job() {
    let loaded = read(fixture("stream.yaml"));
    let job = &loaded.documents[0];
    let script = "/spec/template/spec/containers/0/args/0";
    let mark = |span, label: &str, primary| Mark {
        span,
        label: label.to_owned(),
        primary,
    };
    let rendered = Rendered {
        level: Level::Warning,
        code: "HB204",
        title: "wait-falls-through: Job zone-bootstrap: the loop ends without success and the script goes on",
        source: job.source(),
        spans: vec![
            mark(
                job.locate_in_scalar(script, 1, 1).span,
                "waits 60 x 5 s = 300 s, at worst 480 s",
                true,
            ),
            mark(
                job.locate_key("/spec/activeDeadlineSeconds").span,
                "the Job's deadline",
                false,
            ),
        ],
        notes: vec!["60 x (3 s probe + 5 s sleep) = 480 s".to_owned()],
        help: vec!["end the loop with `exit 1` when it runs out".to_owned()],
    };
    insta::assert_snapshot!(rendered.render(Style::Plain), @r"
warning[HB204]: wait-falls-through: Job zone-bootstrap: the loop ends without success and the script goes on
  --> tests/fixtures/manifests/stream.yaml:18:15
   |
 8 |   activeDeadlineSeconds: 840
   |   --------------------- the Job's deadline
...
18 |               for i in $(seq 1 60); do
   |               ^^^^^^^^^^^^^^^^^^^^^^^^ waits 60 x 5 s = 300 s, at worst 480 s
   |
   = note: 60 x (3 s probe + 5 s sleep) = 480 s
   = help: end the loop with `exit 1` when it runs out
");
}
