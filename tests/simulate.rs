//! `simulate`: the picture, the sweep, and what is survived. `INSTA_UPDATE=always` rewrites the snapshots.
#![cfg(feature = "cli")]
#![allow(clippy::expect_used)] // in helpers clippy does not see the test

mod support;

use support::{read, root, run, run_with};

const A: &str = "tests/fixtures/incidents/a-powerdns.yaml";
const A_FIXED: &str = "tests/fixtures/incidents/a-powerdns-fixed.yaml";
const B: &str = "tests/fixtures/incidents/b-gitea-token.yaml";
const C: &str = "tests/fixtures/incidents/c-state-backup.yaml";

/// `BLESS=1 cargo test --test simulate` draws it anew.
#[test]
fn the_picture_of_the_readme_is_up_to_date() {
    const PICTURE: &str = "docs/images/incident-a.svg";
    let svg = run(&["simulate", A, "--svg"]).out;
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(root().join(PICTURE), &svg).expect("the picture");
    }
    assert!(read("README.md").contains(&format!("]({PICTURE})")));
    assert_eq!(read(PICTURE), svg, "{PICTURE} is stale");
}

#[test]
fn the_pictures_of_the_incidents() {
    for (name, args) in [
        ("a", &["simulate", A, "--ready-after", "9m40s", "--svg"][..]),
        (
            "a-fixed",
            &["simulate", A_FIXED, "--ready-after", "9m40s", "--svg"],
        ),
        ("b", &["simulate", B, "--svg"]),
    ] {
        let svg = run(args).out;
        assert_eq!(svg, run(args).out, "the same input, another picture");
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{name}");
        for part in [
            "role=\"img\"",
            "<title id=",
            "<desc id=",
            "prefers-color-scheme: dark",
        ] {
            assert!(svg.contains(part), "{name}: {part}");
        }
        for part in ["<script", "@font-face", "@import", "href"] {
            assert!(!svg.contains(part), "{name}: {part}");
        }
        let links = svg.matches("http").count();
        assert_eq!(links, 1, "{name}: the namespace of SVG and no other address");
        insta::assert_snapshot!(format!("simulate-{name}.svg"), svg);
    }
}

#[test]
fn a_picture_goes_to_its_file_and_never_over_a_manifest() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.svg");
    let file = path.to_str().expect("a path");
    let ran = run(&["simulate", A, "--svg", file]);
    assert!(ran.out.contains("Fails between 310 s"), "{}", ran.out);
    assert!(
        std::fs::read_to_string(&path)
            .expect("a picture")
            .starts_with("<svg ")
    );
    let ran = run(&["simulate", "--svg", A, A]);
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("write a file that ends in .svg"), "{}", ran.err);
    let ran = run(&["simulate", A, "--svg", "no/such/directory/a.svg"]);
    assert!(
        ran.status == 2 && ran.err.contains("cannot write the drawing"),
        "{}",
        ran.err
    );
}

#[test]
fn the_longest_cold_start_is_told_in_words_and_in_json() {
    for (file, line, nominal, worst) in [
        (A, "Survives a cold start of up to 2 min 30 s.", 150, 150),
        (
            A_FIXED,
            "Survives a cold start of up to 13 min 59 s, of 13 min 44 s with probes as slow as they may be.",
            839,
            824,
        ),
        (
            B,
            "Survives a cold start of up to 15 min, of 14 min 52 s with probes as slow as they may be.",
            900,
            892,
        ),
        (
            C,
            "Survives no cold start: the dependency has to be up when the Job starts.",
            0,
            0,
        ),
    ] {
        let ran = run(&["simulate", file]);
        let told = ran.out.replace("\n  ", " ");
        assert!(told.contains(line), "{}", ran.out);
        let report = run(&["simulate", "--json", file]).json();
        let survives = &report["survives_up_to"];
        assert_eq!(survives["nominal"], nominal, "{file}");
        assert_eq!(survives["worst"], worst, "{file}");
        // The engine that played it says the same, one second to either side.
        let status = |seconds: i64| run(&["simulate", file, "--ready-after", &format!("{seconds}s")]).status;
        assert_eq!((status(nominal), status(nominal + 1)), (0, 1), "{file}");
    }
    let report = run(&["simulate", "--json", A]).json();
    let reason = &report["survives_up_to"]["nominal_reason"];
    assert_eq!(reason, "BackoffLimitExceeded at 310 s");
}

#[test]
fn a_job_that_waits_for_ever_survives_anything() {
    let text = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec:\n  template:\n    spec:\n      \
        restartPolicy: Never\n      containers:\n        - name: main\n          image: busybox:1.36\n          \
        command: [sh, -c, 'until nc -z -w 2 db 5432; do sleep 5; done']\n";
    let ran = run_with(&["simulate", "-"], text);
    assert!(
        ran.out
            .contains("Survives any cold start: nothing ends its wait."),
        "{}",
        ran.out
    );
    let report = run_with(&["simulate", "--json", "-"], text).json();
    assert!(report["survives_up_to"]["nominal"].is_null());
    let reason = report["survives_up_to"]["nominal_reason"]
        .as_str()
        .expect("a reason");
    assert!(reason.starts_with("unbounded"), "{reason}");
}

#[test]
fn a_range_tells_every_ending() {
    let ran = run(&["simulate", A, "--ready-after", "0..30m"]);
    assert!(
        ran.out.contains("71 s .. 150 s     attempt 6 succeeds"),
        "{}",
        ran.out
    );
    assert!(
        ran.out
            .contains("151 s .. 1800 s   BackoffLimitExceeded at 310 s"),
        "{}",
        ran.out
    );
    let sweep = run(&["simulate", A, "--ready-after", "0..30m", "--json"]).json()["sweep"].clone();
    let last = sweep
        .as_array()
        .and_then(|sweep| sweep.last())
        .expect("a stretch");
    assert_eq!((&last["from"], &last["to"]), (&151.into(), &1800.into()));
    let ran = run(&["simulate", A, "--ready-after", "9m..1m"]);
    assert!(
        ran.status == 2 && ran.err.contains("ends before it begins"),
        "{}",
        ran.err
    );
}

#[test]
fn what_the_release_leaves_behind_is_told_in_order() {
    let out = run(&["simulate", B]).out;
    let at = |part: &str| out.find(part).expect(part);
    assert!(at("Fails after 900 s: ReleaseTimeout.") < at("The release has given up"));
    assert!(at("The release has given up") < at("No Pod is left"));
}

/// The limit of a tool that waits by itself is that of its whole wait: no probe of it takes as long.
#[test]
fn a_waiter_survives_for_as_long_as_it_waits() {
    let job = r#"{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"},
        "spec": {"backoffLimit": 0, "activeDeadlineSeconds": 840, "template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "main", "image": "registry.example/migrate:1",
                "command": ["hookbudget-wait", "--timeout=10m", "http://db:8080/ready", "--", "migrate"]}]}}}}"#;
    let ran = run_with(&["simulate", "-"], job);
    let line = "Survives a cold start of up to 10 min.\n";
    assert!(ran.out.contains(line), "{}", ran.out);
}
