//! One script, at least, for each way of waiting that the reader promises to read: how long it waits at best and at
//! worst, whether it falls through, and how sure that is.

#![allow(clippy::too_many_lines)] // tables

mod scripts;

use hookbudget::engine::shell::{EnvValue, ReadConfidence, Wait, read};
use scripts::{only, script};

use ReadConfidence::{Certain, Likely, Possible};

/// What it is, the script, `nominal, at worst worst`, falls through, confidence.
type Row = (&'static str, &'static str, &'static str, bool, ReadConfidence);

fn check(rows: &[Row]) {
    let mut wrong = Vec::new();
    for (word, text, span, falls_through, confidence) in rows {
        let reading = script(text);
        let found = reading
            .waits
            .iter()
            .map(|wait| (wait.span.to_string(), wait.falls_through, wait.confidence))
            .collect::<Vec<_>>();
        if found != [((*span).to_owned(), *falls_through, *confidence)] {
            wrong.push(format!("{word}: {text}\n  {found:?} {:?}", reading.unread));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn counters_and_sequences() {
    check(&[
        (
            "counter up",
            "i=0; while [ $i -lt 10 ]; do nc -zw1 a 1 && break; i=$((i+1)); sleep 3; done; m",
            "30 s, at worst 40 s",
            true,
            Certain,
        ),
        (
            "counter down",
            "i=10; while [ $i -gt 0 ]; do nc -zw1 a 1 && break; i=$((i-1)); sleep 3; done; m",
            "30 s, at worst 40 s",
            true,
            Certain,
        ),
        (
            "seq",
            "for i in $(seq 1 60); do curl -sf -m 3 http://a/ && break; sleep 5; done",
            "300 s, at worst 480 s",
            true,
            Certain,
        ),
        (
            "seq down with a step",
            "for i in `seq 10 -2 1`; do nc -zw1 a 1 && break; sleep 4; done",
            "20 s, at worst 25 s",
            true,
            Certain,
        ),
        (
            "{1..N}",
            "for i in {1..12}; do nc -zw1 a 1 && break; sleep 5; done",
            "60 s, at worst 72 s",
            true,
            Likely,
        ),
        (
            "{1..N..S}",
            "for i in {0..10..5}; do nc -zw1 a 1 && break; sleep 5; done",
            "15 s, at worst 18 s",
            true,
            Likely,
        ),
        (
            "arithmetic for",
            "for ((i=0; i<6; i++)); do nc -zw1 a 1 && break; sleep 5; done",
            "30 s, at worst 36 s",
            true,
            Certain,
        ),
        (
            "arithmetic",
            "A=6; B=5; for i in $(seq 1 $((A*B))); do nc -zw1 a 1 && break; sleep $((B-3)); done",
            "60 s, at worst 90 s",
            true,
            Certain,
        ),
        (
            "A*B as an interval",
            "M=2; n=0; until nc -zw1 a 1; do n=$((n+1)); [ $n -ge 4 ] && exit 1; sleep $((M * 60)); done",
            "360 s, at worst 364 s",
            false,
            Certain,
        ),
        (
            "a list of words",
            "for i in 1 2 3 4; do nc -zw1 a 1 && break; sleep 5; done",
            "20 s, at worst 24 s",
            true,
            Certain,
        ),
        (
            "arguments that are shifted",
            "set -- a b c; while [ $# -gt 0 ]; do nc -zw1 $1 80 && echo up; sleep 2; shift; done; m",
            "6 s, at worst 9 s",
            true,
            Certain,
        ),
        (
            "a function that calls itself",
            "up() { nc -zw1 a 1 && return 0; sleep 2; up; }; up; m",
            "without end",
            false,
            Certain,
        ),
        (
            "a function that calls itself, with a counter that it hands on",
            "up() { nc -zw1 a 1 && return 0; [ $1 -le 0 ] && return 1; sleep 2; up $(($1-1)); }; up 10 || exit 1; m",
            "20 s, at worst 31 s",
            false,
            Certain,
        ),
        (
            "a function that calls itself, with a counter outside",
            "n=0; up() { nc -zw1 a 1 && return 0; n=$((n+1)); [ $n -gt 90 ] && exit 1; sleep 2; up; }; up; m",
            "180 s, at worst 271 s",
            false,
            Certain,
        ),
    ]);
}

#[test]
fn conditions_and_their_ends() {
    check(&[
        (
            "until CMD",
            "until curl -sf -m 2 http://a/; do sleep 5; done",
            "without end",
            false,
            Certain,
        ),
        (
            "while ! CMD",
            "while ! nc -z a 1; do sleep 5; done",
            "without end",
            false,
            Certain,
        ),
        (
            "while true and break",
            "n=0; while true; do nc -zw1 a 1 && break; n=$((n+1)); [ $n -gt 5 ] && break; sleep 2; done; m",
            "10 s, at worst 16 s",
            true,
            Certain,
        ),
        (
            "exit in the last round before the sleep",
            "for i in $(seq 1 120); do nc -zw1 a 1 && break; if [ $i = 120 ]; then exit 1; fi; sleep 5; done; m",
            "595 s, at worst 715 s",
            false,
            Certain,
        ),
        (
            "fall-through",
            "for i in 1 2 3; do nc -zw1 a 1 && break; sleep 5; done\nmigrate",
            "15 s, at worst 18 s",
            true,
            Certain,
        ),
        (
            "the flag that is looked at",
            "ok=0; for i in 1 2 3; do nc -zw1 a 1 && ok=1 && break; sleep 5; done; [ $ok = 1 ] || exit 1; m",
            "15 s, at worst 18 s",
            false,
            Certain,
        ),
        (
            "|| exit",
            "w() { for i in 1 2; do nc -zw1 a 1 && return 0; sleep 5; done; return 1; }; w || exit 1; m",
            "10 s, at worst 12 s",
            false,
            Certain,
        ),
        (
            "|| true",
            "set -e; w() { for i in 1 2; do nc -zw1 a 1 && return 0; sleep 5; done; return 1; }; w || true; m",
            "10 s, at worst 12 s",
            true,
            Certain,
        ),
        (
            "set -e",
            "set -e; w() { for i in 1 2; do nc -zw1 a 1 && return 0; sleep 5; done; return 1; }; w; m",
            "10 s, at worst 12 s",
            false,
            Certain,
        ),
        (
            "set -e and a loop that ends by itself",
            "set -e; for i in 1 2; do nc -zw1 a 1 && break; sleep 5; done; m",
            "10 s, at worst 12 s",
            true,
            Certain,
        ),
        (
            "set -e and a loop whose last command fails",
            "set -e; for i in 1 2; do sleep 5; nc -zw1 a 1 && break; done; m",
            "10 s, at worst 12 s",
            true,
            Certain,
        ),
        (
            "set -e in a subshell",
            "set -e; (for i in 1 2; do sleep 5; nc -zw1 a 1 && break; done); m",
            "10 s, at worst 12 s",
            false,
            Certain,
        ),
        (
            "an exit that a subshell holds back",
            "(for i in 1 2 3; do nc -zw1 a 1 && break; [ $i = 3 ] && exit 1; sleep 5; done); m",
            "10 s, at worst 13 s",
            true,
            Certain,
        ),
        (
            "set -e and a status of curl",
            "set -e; for i in 1 2; do c=$(curl -s -o /dev/null -m 1 -w '%{http_code}' http://a/); [ $c = 200 ] && break; sleep 5; done; m",
            "10 s, at worst 12 s",
            true,
            Likely,
        ),
        (
            "a file",
            "until [ -e /tmp/ready ]; do sleep 1; done",
            "without end",
            false,
            Possible,
        ),
    ]);
    // A refused connection ends these in their first round: they wait by being restarted.
    for text in [
        "set -e; for i in 1 2 3; do nc -zw1 a 1; sleep 5; done",
        "set -e; while true; do curl -sf -m 1 http://a/; sleep 5; done",
        "set -e; i=0; until nc -zw1 a 1; do ((i++)); [ $i -gt 9 ] && exit 1; sleep 5; done",
    ] {
        let reading = script(text);
        assert!(reading.waits.is_empty(), "{text}: {:#?}", reading.waits);
        assert_eq!(reading.calls.len(), 1, "{text}");
    }
}

#[test]
fn nested_and_consecutive_loops() {
    check(&[
        (
            "nested",
            "for i in 1 2 3; do for j in 1 2; do nc -zw1 a 1 && break 2; sleep 1; done; sleep 5; done",
            "21 s, at worst 27 s",
            true,
            Certain,
        ),
        (
            "nested without a pause outside",
            "for i in 1 2 3; do for j in 1 2; do nc -zw1 a 1 && break 2; sleep 1; done; done",
            "6 s, at worst 12 s",
            true,
            Certain,
        ),
    ]);
    let reading = script(
        "for i in 1 2; do nc -zw1 a 1 && break; sleep 5; done\nuntil nc -zw1 b 1; do n=$((n+1)); [ $n -ge 3 ] && exit 1; sleep 5; done",
    );
    let total = reading.total().map(|span| span.to_string());
    assert_eq!(total.as_deref(), Some("20 s, at worst 25 s"));
    let reading = script("for h in a b; do for i in 1 2; do nc -zw1 $h 1 && break; sleep 5; done; done");
    let hosts: Vec<_> = reading
        .waits
        .iter()
        .filter_map(|wait| wait.target.as_ref()?.host.clone())
        .collect();
    assert_eq!(hosts, ["a", "b"]);
}

#[test]
fn clocks() {
    check(&[
        (
            "EPOCHSECONDS",
            "end=$((EPOCHSECONDS+50)); while ((EPOCHSECONDS<end)); do nc -zw1 a 1 && exit 0; sleep 1; done; exit 1",
            "50 s, at worst 52 s",
            false,
            Certain,
        ),
        (
            "date -d",
            "end=$(date -d '+5 minutes' +%s); while [ $(date +%s) -lt $end ]; do nc -zw1 a 1 && exit 0; sleep 4; done; exit 1",
            "300 s, at worst 305 s",
            false,
            Certain,
        ),
        (
            "printf -v",
            "printf -v t '%(%s)T' -1; end=$((t+50)); while :; do printf -v t '%(%s)T' -1; ((t>=end)) && exit 1; \
             nc -zw1 a 1 && exit 0; sleep 1; done",
            "50 s, at worst 52 s",
            false,
            Certain,
        ),
        (
            "date +%s",
            "e=$(( $(date +%s) + 60 )); while [ $(date +%s) -lt $e ]; do nc -zw5 a 1 && exit 0; sleep 2; done; exit 1",
            "60 s, at worst 67 s",
            false,
            Certain,
        ),
        (
            "the time that has passed",
            "s=$(date +%s); until nc -zw1 a 1; do if [ $(( $(date +%s) - s )) -ge 30 ]; then exit 1; fi; sleep 5; done",
            "30 s, at worst 36 s",
            false,
            Certain,
        ),
        (
            "-gt runs a second longer",
            "s=$(date +%s); until nc -zw1 a 1; do if [ $(( $(date +%s) - s )) -gt 30 ]; then exit 1; fi; sleep 5; done",
            "30 s, at worst 37 s",
            false,
            Certain,
        ),
        (
            "SECONDS",
            "SECONDS=0; until nc -zw1 a 1; do (( SECONDS >= 30 )) && exit 1; sleep 5; done",
            "30 s, at worst 36 s",
            false,
            Certain,
        ),
        (
            "deadline variable",
            "end=$((SECONDS+30)); while [ $SECONDS -lt $end ]; do nc -zw1 a 1 && exit 0; sleep 5; done; exit 1",
            "30 s, at worst 36 s",
            false,
            Certain,
        ),
        (
            "timeout N sh -c",
            "timeout 600 sh -c 'until curl -sf http://a/; do sleep 5; done' || exit 1",
            "600 s",
            false,
            Certain,
        ),
        (
            "timeout with a unit",
            "timeout -k 5 10m bash -c 'while ! nc -z a 1; do sleep 1; done'; m",
            "600 s",
            true,
            Certain,
        ),
    ]);
}

#[test]
fn helpers_and_the_environment() {
    check(&[
        (
            "retry helper",
            "retry() { n=0; until \"$@\"; do n=$((n+1)); [ $n -ge 5 ] && return 1; sleep 2; done; }; retry nc -zw1 a 1 || exit 1; m",
            "8 s, at worst 13 s",
            false,
            Certain,
        ),
        (
            "retry helper with arguments",
            "retry() { t=$1; d=$2; shift 2; for i in $(seq $t); do \"$@\" && return 0; sleep $d; done; return 1; }\nset -e\nretry 5 3 curl -sf -m 1 http://a/\nm",
            "15 s, at worst 20 s",
            false,
            Certain,
        ),
        (
            "default",
            "for i in $(seq ${N:-5}); do nc -zw1 a 1 && break; sleep ${P:=2}; done",
            "10 s, at worst 15 s",
            true,
            Likely,
        ),
    ]);
    let env = |name: &str| match name {
        "TRIES" => EnvValue::Known("7"),
        "PAUSE" => EnvValue::Known("3"),
        _ => EnvValue::Unset,
    };
    let text = "for i in $(seq 1 \"${TRIES:-99}\"); do nc -zw1 a 1 && break; sleep $PAUSE; done";
    let reading = read(&["sh", "-c", text], &[], &env);
    assert_eq!(reading.waits[0].span.to_string(), "21 s, at worst 28 s");
    assert_eq!(reading.waits[0].confidence, Certain);
}

#[test]
fn tools_with_their_own_limits() {
    check(&[
        (
            "curl --retry alone does not retry a refusal",
            "for i in 1 2; do curl -sf -m 1 --retry 3 http://a/ && break; sleep 5; done",
            "10 s, at worst 32 s",
            true,
            Certain,
        ),
        (
            "curl --retry-connrefused",
            "curl -sf -m 2 --retry 5 --retry-delay 3 --retry-connrefused http://a/",
            "15 s, at worst 27 s",
            false,
            Certain,
        ),
        (
            "curl's growing pauses",
            "curl -sf -m 2 --retry 5 --retry-all-errors http://a/",
            "31 s, at worst 43 s",
            false,
            Certain,
        ),
        (
            "curl's longest pause",
            "curl -sf -m 1 --retry 12 --retry-connrefused http://a/",
            "2223 s, at worst 2236 s",
            false,
            Certain,
        ),
        (
            "no try begins after --retry-max-time",
            "curl -sf -m 2 --retry 20 --retry-connrefused --retry-max-time 20 http://a/",
            "31 s, at worst 38 s",
            false,
            Certain,
        ),
        (
            "curl --connect-timeout",
            "for i in 1 2; do curl -sf --connect-timeout 3 -m 10 http://a/ && break; sleep 5; done",
            "10 s, at worst 30 s",
            true,
            Certain,
        ),
        (
            "wget -T",
            "for i in 1 2; do wget -q -T 3 -O- http://a/ && break; sleep 5; done",
            "10 s, at worst 16 s",
            true,
            Likely,
        ),
        (
            "wget -t and its pauses",
            "for i in 1 2; do wget -q -T 3 -t 3 -O- http://a/ && break; sleep 5; done",
            "10 s, at worst 34 s",
            true,
            Certain,
        ),
        (
            "wget --retry-connrefused",
            "wget -q --tries=5 --timeout=2 --waitretry=3 --retry-connrefused http://a/ || exit 1",
            "9 s, at worst 19 s",
            false,
            Certain,
        ),
        (
            "nc",
            "n=0; until nc -z -w 2 db 5432; do n=$((n+1)); [ $n -ge 3 ] && exit 1; sleep 5; done",
            "10 s, at worst 16 s",
            false,
            Certain,
        ),
        (
            "wait-for-it",
            "./wait-for-it.sh db:5432 -t 60 -- echo up",
            "60 s",
            true,
            Certain,
        ),
        (
            "wait-for-it by default",
            "wait-for-it.sh db:5432 || exit 1",
            "15 s",
            false,
            Likely,
        ),
        (
            "wait-for-it without a limit",
            "wait-for-it.sh db:5432 -t 0",
            "without end",
            false,
            Certain,
        ),
        (
            "wait4x",
            "wait4x tcp db:5432 --timeout 2m || exit 1",
            "120 s",
            false,
            Certain,
        ),
        (
            "wait4x by default",
            "wait4x http http://a/ || exit 1",
            "10 s",
            false,
            Likely,
        ),
        (
            "dockerize",
            "dockerize -wait tcp://db:1 -timeout 120s || exit 1",
            "120 s",
            false,
            Certain,
        ),
        (
            "dockerize by default",
            "dockerize -wait tcp://db:1 || exit 1",
            "10 s",
            false,
            Likely,
        ),
        (
            "k8s-wait-for",
            "k8s-wait-for job migrate || exit 1",
            "without end",
            false,
            Certain,
        ),
        (
            "kubectl wait",
            "kubectl wait --for=condition=ready pod/a --timeout=5m || exit 1",
            "300 s",
            false,
            Certain,
        ),
        (
            "kubectl wait by default",
            "kubectl wait --for=condition=ready pod/a || exit 1",
            "30 s",
            false,
            Likely,
        ),
        (
            "kubectl wait for a week",
            "kubectl wait --for=condition=ready pod/a --timeout=-1s || exit 1",
            "without end",
            false,
            Certain,
        ),
        (
            "kubectl rollout status",
            "kubectl rollout status deploy/a || exit 1",
            "600 s",
            false,
            Likely,
        ),
        (
            "kubectl rollout status with a limit",
            "kubectl rollout status deploy/a --timeout=90s || exit 1",
            "90 s",
            false,
            Certain,
        ),
        (
            "helm",
            "helm upgrade --install a b --wait || exit 1",
            "300 s",
            false,
            Likely,
        ),
        (
            "helm with a limit",
            "helm upgrade --install a b --atomic --timeout 10m || exit 1",
            "600 s",
            false,
            Certain,
        ),
        (
            "pg_isready",
            "until pg_isready -h db; do n=$((n+1)); [ $n -ge 3 ] && exit 1; sleep 5; done",
            "10 s, at worst 19 s",
            false,
            Likely,
        ),
        (
            "pg_isready with a limit",
            "n=0; until pg_isready -h db -t 1; do n=$((n+1)); [ $n -ge 3 ] && exit 1; sleep 5; done",
            "10 s, at worst 13 s",
            false,
            Certain,
        ),
        (
            "mysqladmin ping",
            "n=0; until mysqladmin ping -h db --silent --connect-timeout=2; do n=$((n+1)); [ $n -ge 3 ] && exit 1; sleep 5; done",
            "10 s, at worst 16 s",
            false,
            Certain,
        ),
        (
            "mysqladmin --wait",
            "mysqladmin -h db --connect-timeout=2 --wait=30 ping || exit 1",
            "150 s, at worst 212 s",
            false,
            Certain,
        ),
        (
            "mysqladmin --wait without a number",
            "mysqladmin -h db --wait ping || exit 1",
            "without end",
            false,
            Likely,
        ),
        (
            "redis-cli",
            "n=0; until [ \"$(redis-cli -h cache -t 2 ping)\" = PONG ]; do n=$((n+1)); [ $n -ge 3 ] && exit 1; sleep 5; done",
            "10 s, at worst 16 s",
            false,
            Certain,
        ),
        (
            "mc ready",
            "mc ready store || exit 1",
            "without end",
            false,
            Likely,
        ),
        (
            "cmctl check api",
            "cmctl check api --wait=2m || exit 1",
            "120 s",
            false,
            Certain,
        ),
        (
            "airflow db check",
            "airflow db check --retry 10 --retry-delay 6 || exit 1",
            "60 s, at worst without end",
            false,
            Certain,
        ),
        (
            "airflow db check-migrations",
            "airflow db check-migrations --migration-wait-timeout=90 || exit 1",
            "90 s",
            false,
            Certain,
        ),
        (
            "airflow db check-migrations by default",
            "airflow db check-migrations || exit 1",
            "60 s",
            false,
            Likely,
        ),
        (
            "timeout around a probe",
            "for i in 1 2 3; do timeout 2 curl -s http://a/ && break; sleep 5; done",
            "15 s, at worst 21 s",
            true,
            Certain,
        ),
    ]);
    for text in [
        "cmctl check api",
        "airflow db check",
        "kubectl rollout status deploy/a --watch=false",
    ] {
        assert!(script(text).waits.is_empty(), "{text}: {:#?}", script(text).waits);
    }
}

#[test]
fn an_applications_own_code_has_to_be_declared() {
    for text in [
        "bundle exec rake db:wait",
        "bin/rails db:prepare",
        "python manage.py wait_for_db",
        "java -jar app.jar",
    ] {
        let reading = script(text);
        assert!(reading.waits.is_empty(), "{text}");
        assert!(
            reading.unread[0].why.contains("hookbudget.dev/wait"),
            "{:?}",
            reading.unread
        );
    }
}

#[test]
fn images_whose_entrypoint_is_a_tool() {
    use hookbudget::engine::job::Container;
    use hookbudget::engine::shell::{Files, read_container};
    for (image, args, span) in [
        (
            "curlimages/curl:8.11.1",
            &[
                "-sf",
                "-m",
                "2",
                "--retry",
                "5",
                "--retry-delay",
                "3",
                "--retry-connrefused",
                "http://a/",
            ][..],
            Some("15 s, at worst 27 s"),
        ),
        (
            "registry.example/mirror/k8s-wait-for:v2.0",
            &["job", "migrate"],
            Some("without end"),
        ),
        (
            "bitnami/kubectl:1.31",
            &["wait", "--for=condition=ready", "pod/a", "--timeout=60s"],
            Some("60 s"),
        ),
        (
            "cert-manager-startupapicheck:v1.16.2",
            &["check", "api", "--wait=1m"],
            Some("60 s"),
        ),
        ("apache/airflow:2.10.4", &["db", "check-migrations"], Some("60 s")),
        (
            "alpine:3.21",
            &["sh", "-c", "for i in 1 2; do nc -zw1 a 1 && break; sleep 5; done"],
            Some("10 s, at worst 12 s"),
        ),
        ("mine/tool:1", &["wait", "--timeout=60s"], None),
    ] {
        let container = Container {
            image: image.into(),
            args: args.iter().map(|arg| (*arg).into()).collect(),
            ..Container::default()
        };
        let reading = read_container(&container, Files::default());
        let spans: Vec<_> = reading.waits.iter().map(|wait| wait.span.to_string()).collect();
        assert_eq!(spans, Vec::from_iter(span.map(str::to_owned)), "{image}");
        assert_eq!(reading.visible, span.is_some(), "{image}");
        let sure = reading
            .waits
            .iter()
            .all(|wait| wait.confidence < Certain || image.starts_with("alpine"));
        assert!(sure, "{image}");
    }
}

#[test]
fn bad_input_is_answered() {
    let unread = |text: &str| {
        let reading = script(text);
        let whys: Vec<_> = reading.unread.iter().map(|unread| unread.why.clone()).collect();
        (whys.join("; "), reading)
    };
    for (text, why) in [
        (
            "for i in 1 2; do nc -zw1 a 1 && break; sleep 1",
            "cannot be read from here on",
        ),
        (
            "eval \"$X\"; for i in 1 2; do nc -zw1 a 1; sleep 1; done",
            "`eval` runs a text",
        ),
        (
            "f() { f; }; f; until nc -z a 1; do sleep 1; done",
            "a function that calls itself?",
        ),
        (
            "while sleep 0; do i=$((i+1)); j=$(echo $i); : $(echo $j $j $j); done; f() { f | f; }; f",
            "nested too deep",
        ),
        (
            "for i in 1 2; do\r\nnc -zw1 a 1 && break\r\nsleep 5\r\ndone\r\n",
            "write LF alone",
        ),
        (
            &"echo x; until nc -z a 1; do sleep 1; done\n".repeat(26_000),
            "longer than 128 KiB",
        ),
    ] {
        let (whys, reading) = unread(text);
        let sample = text.get(..60).unwrap_or(text);
        assert!(whys.contains(why), "{sample}: {whys}");
        let sure = reading.waits.iter().all(|wait| wait.confidence < Certain);
        assert!(sure, "{sample}: {:?}", reading.waits);
    }
    // The text of a here-document does not run.
    let (whys, reading) = unread("cat <<EOF\nuntil nc -z a 1; do sleep 1; done\nEOF\nsleep 3");
    assert_eq!((whys.as_str(), reading.waits.len()), ("", 1));
}

#[test]
fn odd_pauses() {
    let span = |text: &str| only(text).span.to_string();
    let of = |pause: &str| format!("for i in 1 2 3; do nc -zw1 a 1 && break; sleep {pause}; done; m");
    assert_eq!(span(&of("5m")), "900 s, at worst 903 s");
    assert_eq!(span(&of("1m 30s")), "270 s, at worst 273 s");
    assert_eq!(span(&of(".5")), "1.5 s, at worst 4.5 s");
    assert_eq!(span("until nc -zw1 a 1; do sleep infinity; done"), "without end");
    assert_eq!(
        span("while true; do sleep 0; nc -zw1 a 1 && break; done"),
        "without end"
    );
    let unread = |text: &str| {
        let reading = script(text);
        assert!(reading.waits.is_empty(), "{text}: {:#?}", reading.waits);
        reading.unread[0].why.clone()
    };
    assert!(unread(&of("$RANDOM")).contains("the shell sets it"));
    assert!(unread(&of("$((RANDOM % 10))")).contains("the shell sets it"));
    assert!(unread(&of("soon")).contains("no span of time"));
    assert!(unread(&of("-5")).contains("no span of time"));
    let zero: Wait = only("for i in 1 2 3; do curl -m 2 http://a/ && break; sleep 1; sleep 0; done; m");
    assert_eq!(zero.span.to_string(), "3 s, at worst 9 s");
}
