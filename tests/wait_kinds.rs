//! Kinds of scripts that people write: waits for several things, for absence, side by side, over lists, and loops
//! that only look like waits. None of them is passed over in silence.

mod scripts;

use proptest::prelude::*;

use hookbudget::engine::Limit;
use hookbudget::engine::shell::{EnvValue, Failure, ReadConfidence, Target, read};
use scripts::script;

/// What is read of a script: the spans of its waits with their targets, and whether something is unread.
fn told(text: &str) -> (Vec<(String, Option<String>)>, bool) {
    let reading = script(text);
    let waits = reading.waits.iter().map(|wait| {
        let target = wait.target.as_ref().map(ToString::to_string);
        (wait.span.to_string(), target)
    });
    (waits.collect(), !reading.unread.is_empty())
}

/// A script and the spans of its waits; `unread` alone for a script whose waits cannot be told.
fn check(rows: &[(&str, &[&str])]) {
    let mut wrong = Vec::new();
    for (text, spans) in rows {
        let (waits, unread) = told(text);
        let found = waits.iter().map(|(span, _)| span.as_str()).collect::<Vec<_>>();
        let expected = if *spans == ["unread"] { &[][..] } else { spans };
        if found != expected || unread != (*spans == ["unread"]) {
            wrong.push(format!("{text}\n  {found:?} {:?}", script(text).unread));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn waits_for_each_of_a_list_add_up() {
    check(&[
        (
            "for d in web api; do kubectl wait --timeout=70s deploy/$d; done",
            &["140 s"],
        ),
        (
            "set -e; for d in web api; do kubectl wait --timeout=70s deploy/$d; done",
            &["140 s"],
        ),
        (
            "for d in web api; do kubectl wait --timeout=70s deploy/$d || exit 1; done",
            &["140 s"],
        ),
        (
            "for a in db:1 mq:2 kv:3; do wait-for-it.sh $a -t 40; done",
            &["120 s"],
        ),
        (
            "for d in $(kubectl get deploy -o name); do kubectl wait --timeout=70s $d; done",
            &["unread"],
        ),
        (
            "for d in $(kubectl get deploy -o name); do kubectl rollout status --timeout=7s $d; done",
            &["unread"],
        ),
        (
            "for r in $(helm list -q); do for i in 1 2 3; do nc -zw1 $r 80 && break; sleep 5; done; done",
            &["unread"],
        ),
        (
            "for h in db mq; do for i in 1 2 3; do nc -zw1 $h 80 && break; [ $i = 3 ] && exit 1; sleep 5; done; done",
            &["10 s, at worst 13 s", "10 s, at worst 13 s"],
        ),
        (
            "for p in 9002 9003; do for i in 1 2 3; do nc -zw1 a $p && break; [ $i = 3 ] && exit 1; sleep 5; done; done",
            &["10 s, at worst 13 s", "10 s, at worst 13 s"],
        ),
        (
            "w() { for i in 1 2 3; do nc -zw1 $1 80 && return 0; sleep 5; done; return 1; }; w db; w mq",
            &["15 s, at worst 18 s", "15 s, at worst 18 s"],
        ),
        (
            "set -e; w() { for i in 1 2 3; do nc -zw1 $1 80 && return 0; sleep 5; done; exit 1; }; for h in db mq; do w $h; done",
            &["15 s, at worst 18 s", "15 s, at worst 18 s"],
        ),
    ]);
}

#[test]
fn work_is_no_wait() {
    check(&[
        (
            "for f in a b c; do curl -m 9 -T $f http://store/$f; sleep 2; done",
            &["6 s"],
        ),
        (
            "for f in a b c; do curl -T $f http://store/$f || exit 1; sleep 2; done",
            &[],
        ),
        (
            "set -e; for n in 1 2; do curl -sf http://store/$n; sleep 1; done",
            &[],
        ),
    ]);
    let reading = script("for f in a b c; do curl -T $f http://store/$f; sleep 2; done");
    assert!(!reading.waits[0].falls_through, "a pause has nothing to fail by");
    assert_eq!(reading.waits[0].target, None);
    assert!(!reading.calls.is_empty());
}

#[test]
fn waiting_for_something_to_go_is_waiting() {
    check(&[
        ("while kubectl get ns old; do sleep 5; done", &["without end"]),
        ("until ! kubectl get ns old; do sleep 5; done", &["without end"]),
        (
            "while [ -n \"$(kubectl get pods -l app=old -o name)\" ]; do sleep 5; done",
            &["without end"],
        ),
        (
            "until [ -z \"$(kubectl get pods -o name)\" ]; do sleep 5; done",
            &["without end"],
        ),
        (
            "while [ \"$(kubectl get pods -o name | wc -l)\" -gt 0 ]; do sleep 5; done",
            &["without end"],
        ),
        (
            "while [ \"$(kubectl get job x -o name)\" = job/x ]; do sleep 5; done",
            &["without end"],
        ),
        ("while nc -zw1 old 80; do sleep 5; done", &["without end"]),
        ("while [ -f /shared/lock ]; do sleep 1; done", &["without end"]),
        (
            "while true; do kubectl get ns old || break; sleep 5; done",
            &["without end"],
        ),
        (
            "while true; do if ! kubectl get ns old; then exit 0; fi; sleep 5; done",
            &["without end"],
        ),
        (
            "n=0; while kubectl get ns old && [ $n -lt 6 ]; do n=$((n+1)); sleep 5; done",
            &["30 s, at worst without end"],
        ),
        (
            "for i in 1 2 3 4; do kubectl get ns old || exit 0; sleep 5; done; exit 1",
            &["20 s, at worst without end"],
        ),
        (
            "timeout 60 sh -c 'while kubectl get ns old; do sleep 5; done'",
            &["60 s"],
        ),
    ]);
}

#[test]
fn a_rollout_ends_with_its_progress_deadline() {
    for (text, span, target) in [
        (
            "kubectl rollout status deployment/web -n shop",
            "600 s",
            "deployment/web",
        ),
        ("kubectl rollout status deploy web", "600 s", "deploy/web"),
        (
            "kubectl rollout status deploy/web --timeout=90s",
            "90 s",
            "deploy/web",
        ),
        ("kubectl rollout status sts/db", "without end", "sts/db"),
        (
            "kubectl rollout status daemonset log",
            "without end",
            "daemonset/log",
        ),
        (
            "kubectl wait pod -l app=web --for=condition=Ready --timeout=9s",
            "9 s",
            "pod -l app=web",
        ),
        ("kubectl wait --for=delete pod/x --timeout=9s", "9 s", "pod/x"),
    ] {
        assert_eq!(
            told(text),
            (vec![(span.to_owned(), Some(target.to_owned()))], false),
            "{text}"
        );
    }
}

#[test]
fn the_end_of_the_script_decides_what_a_failure_does() {
    for (text, failure, never) in [
        ("curl -f http://a", Failure::Ends, false),
        ("curl -f http://a || true", Failure::Swallowed, true),
        ("curl -f http://a; echo done", Failure::Swallowed, true),
        ("curl -f http://a; exit 0", Failure::Swallowed, true),
        ("set -e; curl -f http://a; exit 0", Failure::Ends, false),
        (
            "set -e; curl -f http://a || echo late; exit 0",
            Failure::Swallowed,
            true,
        ),
        (
            "set -e; if curl -f http://a; then echo up; fi",
            Failure::Swallowed,
            true,
        ),
        ("set -e; x=$(curl -f http://a); echo $x", Failure::Ends, false),
        (
            "set -e; export X=$(curl -f http://a); echo $X",
            Failure::Swallowed,
            true,
        ),
        ("pg_dump -h a | gzip > f", Failure::Swallowed, true),
        ("set -o pipefail; pg_dump -h a | gzip > f", Failure::Ends, false),
        (
            "w() { curl -f http://a || return 1; }; w || exit 4; echo",
            Failure::Ends,
            false,
        ),
        (
            "w() { curl -f http://a || return 1; }; w; echo",
            Failure::Swallowed,
            true,
        ),
        ("(curl -f http://a); echo", Failure::Swallowed, true),
        ("curl -f http://a; python3 /m.py", Failure::Unknown, false),
        ("set -e; curl -f http://a; python3 /m.py", Failure::Ends, false),
        ("curl -f http://a || exit $CODE", Failure::Unknown, false),
        ("curl -f http://a | grep -q ok", Failure::Ends, false),
    ] {
        let reading = script(text);
        assert_eq!(
            (reading.calls[0].failure, reading.never_fails),
            (failure, never),
            "{text}"
        );
    }
    let two = script("psql -h a -c x || true; curl -f http://b");
    let failures = two.calls.iter().map(|call| call.failure).collect::<Vec<_>>();
    assert_eq!(failures, [Failure::Swallowed, Failure::Ends]);
    let waits = script("for i in 1 2; do curl -f http://a && break; sleep 1; done; echo done");
    assert!(waits.never_fails);
}

#[test]
fn what_runs_before_a_call_may_be_the_wait_for_it() {
    for (text, unread) in [
        ("curl -f http://a", false),
        ("/opt/until-up && curl -f http://a", true),
        ("for x in 1 2; do /opt/ready $x; done; curl -f http://a", true),
        (
            "for i in $(seq 1 $N); do curl -f http://a && exit 0; sleep 1; done; exit 1",
            true,
        ),
        ("sleep $N; curl -f http://a", true),
        ("curl -f http://a && /opt/migrate", false),
    ] {
        let call = script(text).calls.pop();
        assert_eq!(call.map(|call| call.behind_unread), Some(unread), "{text}");
    }
}

#[test]
fn credentials_are_not_in_targets() {
    for (text, target) in [
        (
            "curl http://admin:hunter2@svc.ns:80/api?token=hunter2#hunter2",
            "http://svc.ns:80/api",
        ),
        ("curl http://svc.ns/?hunter2", "http://svc.ns/"),
        ("wget -qO- ftp://u:hunter2@svc/x", "ftp://svc/x"),
        (
            "mongosh mongodb://root:hunter2@db:27017/admin?x=hunter2",
            "mongodb://db:27017/admin",
        ),
        (
            "psql postgresql://u:hunter2@db:5432/app -c x",
            "postgresql://db:5432/app",
        ),
        (
            "psql -d postgres://u:hun/ter2@db:5432/app -c x",
            "postgres://db:5432/app",
        ),
        ("redis-cli -u redis://:hunter2@kv:6379 ping", "redis://kv:6379"),
        ("kubectl label ns shop key=hunter2", "ns shop"),
        // No letter of a password is a flag: `-P` would be the port.
        ("mysql -hdb -pSecretPhunter2 -e 'select 1'", "db"),
        ("mysqladmin ping -h db -P3306 -u root -phunter2", "db:3306"),
        ("cqlsh -u app -p hunter2 cassandra 9042", "cassandra:9042"),
        (
            "sqlcmd -S tcp:db,1433 -U sa -P hunter2 -h -1 -Q 'select 1'",
            "db:1433",
        ),
    ] {
        let reading = script(text);
        let shown = format!("{reading:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("ter2"),
            "{text}: {shown}"
        );
        let found = reading.calls[0]
            .target
            .as_ref()
            .map(|target| target.text.as_str());
        assert_eq!(found, Some(target), "{text}");
    }
}

#[test]
fn waits_side_by_side_take_as_long_as_the_longest() {
    let wait = "w() { for i in 1 2 3; do nc -zw1 $1 80 && return 0; sleep $2; done; return 1; }\n";
    let of = |text: &str| told(&format!("{wait}{text}")).0;
    let spans = |text: &str| of(text).into_iter().map(|(span, _)| span).collect::<Vec<_>>();
    assert_eq!(spans("w db 5 & w mq 9 & w kv 1 & wait"), ["27 s, at worst 30 s"]);
    assert_eq!(
        spans("w db 5 & w mq 9 & wait; w kv 1"),
        ["27 s, at worst 30 s", "3 s, at worst 6 s"]
    );
    assert_eq!(
        spans("w db 5; w mq 9"),
        ["15 s, at worst 18 s", "27 s, at worst 30 s"]
    );
    assert_eq!(
        spans("while true; do nc -zw1 db 1 && break; sleep 5 & wait $!; done"),
        ["without end"]
    );
    assert!(script(&format!("{wait}w db 5 & wait; echo")).waits[0].falls_through);
}

#[test]
fn only_some_shells_expand_braces() {
    let text = "for i in {1..9}; do nc -zw1 a 1 && exit 0; sleep 5; done; exit 1";
    for (command, span, confidence) in [
        (
            vec!["bash", "-c", text],
            "45 s, at worst 54 s",
            ReadConfidence::Certain,
        ),
        (
            vec!["/bin/ash", "-c", text],
            "5 s, at worst 6 s",
            ReadConfidence::Certain,
        ),
        (
            vec!["dash", "-c", text],
            "5 s, at worst 6 s",
            ReadConfidence::Certain,
        ),
        (
            vec!["sh", "-c", text],
            "45 s, at worst 54 s",
            ReadConfidence::Likely,
        ),
        (
            vec!["timeout", "999", "bash", "-c", text],
            "45 s, at worst 54 s",
            ReadConfidence::Certain,
        ),
    ] {
        let reading = read(&command, &[], &|_| EnvValue::Unset);
        let wait = &reading.waits[0];
        assert_eq!(
            (wait.span.to_string().as_str(), wait.confidence),
            (span, confidence),
            "{command:?}"
        );
    }
}

#[test]
fn more_tools_that_wait() {
    check(&[
        ("wait-for-port --host=db --timeout=120 5432", &["120 s"]),
        ("wait-for-port 5432", &["30 s"]),
        ("waitup db:5432 --timeout 300s --verbose", &["300 s"]),
        ("waitup db:5432", &["unread"]),
        ("cmctl check api --wait=-12m", &["0 s"]),
    ]);
    let reading = script("timeout 600 /opt/wait-for-db && psql -h db -c x");
    assert_eq!(reading.waits[0].span.to_string(), "600 s");
    assert_eq!(reading.waits[0].confidence, ReadConfidence::Possible);
    assert!(reading.calls[0].behind_unread);
    assert!(
        script("timeout 600 /opt/export && psql -h db -c x")
            .waits
            .is_empty()
    );
}

#[test]
fn an_unanswered_connection_ends_by_itself() {
    check(&[
        (
            "for i in 1 2 3; do nc -z a 1 && exit 0; sleep 2; done; exit 1",
            &["6 s, at worst 387 s"],
        ),
        (
            "for i in 1 2 3; do psql -h a -c x && exit 0; sleep 2; done; exit 1",
            &["6 s, at worst 387 s"],
        ),
        (
            "for i in 1 2 3; do redis-cli -h a ping && exit 0; sleep 2; done; exit 1",
            &["6 s, at worst 387 s"],
        ),
        // What answers the connection may never answer the request.
        (
            "for i in 1 2 3; do curl -f http://a && exit 0; sleep 2; done; exit 1",
            &["6 s, at worst without end"],
        ),
        (
            "for i in 1 2 3; do nc a 1 && exit 0; sleep 2; done; exit 1",
            &["6 s, at worst without end"],
        ),
    ]);
    let wait = script("for i in 1 2 3; do nc -z a 1 && exit 0; sleep 2; done; exit 1")
        .waits
        .remove(0);
    assert_eq!(
        wait.arithmetic,
        "3 x 2 s = 6 s, at worst 3 x (2 s + 127 s) = 387 s"
    );
    assert_eq!(
        wait.probe.map(|probe| probe.limit),
        Some(Limit::Never),
        "the probe itself has none"
    );
}

/// A condition that the manifest does not decide, and what asks for it.
fn opaque() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "/opt/check",
        "kubectl get pod x",
        "[ -f /ready ]",
        "[ \"$(/opt/check)\" = ok ]",
        "[ -n \"$(/opt/check)\" ]",
        "[ \"$(/opt/count)\" -gt 3 ]",
        "/opt/list | grep -q ready",
        "[ $HIDDEN = 1 ]",
        "nc -z a 1",
        "probe",
        "{ x=$(/opt/check); [ \"$?\" = 0 ]; }",
        "{ local x=$(/opt/check); [ \"$?\" = 0 ]; }",
        "{ x=$(/opt/check); case $x in ok) true;; *) false;; esac; }",
    ])
    .prop_map(str::to_owned)
}

fn looping() -> impl Strategy<Value = String> {
    let shape = prop::sample::select(vec![
        "while C; do P; done",
        "until C; do P; done",
        "while ! C; do P; done",
        "until ! C; do P; done",
        "while true; do C && break; P; done",
        "while true; do C || break; P; done",
        "while true; do if C; then break; fi; P; done",
        "while true; do if C; then P; else break; fi; done",
        "while true; do if C; then P; else return; fi; done",
        "while true; do C; e=$?; if [ $e = 0 ]; then break; fi; P; done",
        "while true; do C; e=$?; if [ $e != 0 ]; then exit 0; fi; P; done",
        "for i in 1 2 3; do C && break; P; done",
        "for i in 1 2 3; do C || break; P; done",
        "for i in $(/opt/list); do C && break; P; done",
        "for ((i=0; i<5; i++)); do if C; then exit 0; fi; P; done",
        "n=0; while C && [ $n -lt 5 ]; do n=$((n+1)); P; done",
        "n=0; until C || [ $n -ge $HIDDEN ]; do n=$((n+1)); P; done",
        "while read -r line; do C; P; done < /list",
        "/opt/list | while read -r line; do C && continue; P; done",
    ]);
    let pause = prop::sample::select(vec![
        "sleep 5",
        "sleep $HIDDEN",
        "pause",
        "{ echo; sleep 1; }",
        "C || sleep 2; sleep 1",
    ]);
    let frame = prop::sample::select(vec![
        "L",
        "f() { L; }; f",
        "set -e; L",
        "(L)",
        "if true; then L; fi",
        "L | cat",
        "L || exit 1",
    ]);
    (shape, opaque(), pause, frame).prop_map(|(shape, condition, pause, frame)| {
        let text = shape.replace('P', pause).replace('C', &condition);
        format!(
            "pause() {{ sleep 3; }}; probe() {{ local o=$(/opt/check); [ \"$?\" = 0 ]; }}\n{}",
            frame.replace('L', &text)
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_loop_that_sleeps_is_passed_over_in_silence(text in looping()) {
        let reading = script(&text);
        // Under `set -e` a refused connection ends the script: it calls, and waits for nobody.
        let ends = text.contains("set -e") && text.contains("nc -z") && !reading.calls.is_empty();
        prop_assert!(!reading.waits.is_empty() || !reading.unread.is_empty() || ends, "{text}");
    }
}

/// A helper that waits for its argument for 6 s, and fails then.
const HELPER: &str = "w() { for i in 1 2 3; do nc -zw1 $1 1 && return 0; sleep 2; done; return 1; }\n";

#[test]
fn the_right_side_of_a_wait_is_read_too_and_what_follows_decides() {
    // Whether the waits for a and b fall through; `None` where there is none for b.
    for (text, a, b) in [
        ("w a && w b", false, Some(false)),
        ("w a && w b; m", true, Some(true)),
        ("w a && w b || exit 1; m", false, Some(false)),
        ("w a && m", false, None),
        ("w a && echo up; m", true, None),
        ("w a && echo up || exit 1; m", false, None),
        ("w a && exit 0; exit 1", false, None),
        ("set -e; w a && w b; m", true, Some(false)), // `set -e` passes over what stands left of `&&`
        (
            "if w a; then w b || exit 1; else exit 1; fi; m",
            false,
            Some(false),
        ),
        ("if w a; then w b; fi; m", true, Some(true)),
        (
            "if w a && w b; then echo up; else exit 1; fi; m",
            false,
            Some(false),
        ),
        ("(w a || exit 1) && (w b || exit 1)", false, Some(false)),
        ("for h in a b; do w $h || exit 1; done; m", false, Some(false)),
        (
            "all() { for h in \"$@\"; do w $h || return 1; done; }; all a b || exit 1; m",
            false,
            Some(false),
        ),
        (
            "all() { for h in \"$@\"; do w $h || return 1; done; }; all a b; m",
            true,
            Some(true),
        ),
    ] {
        let waits = script(&format!("{HELPER}{text}")).waits;
        let told = |host: &str| {
            let is_for = |target: &Target| target.host.as_deref() == Some(host);
            let found = waits.iter().find(|wait| wait.target.as_ref().is_some_and(is_for));
            found.map(|wait| wait.falls_through)
        };
        assert_eq!((told("a"), told("b")), (Some(a), b), "{text}");
    }
}

#[test]
fn the_status_of_local_hides_the_one_of_the_command() {
    let reading = script(
        "f() { while true; do local out=$(cockroach init 2>&1); local code=$?; [ $code = 0 ] && break; sleep 5; done; }; f",
    );
    let why = &reading.unread[0].why;
    assert!(
        reading.waits.is_empty() && why.contains("ends in its first round"),
        "{why}"
    );
}

#[test]
fn a_wait_and_the_command_that_it_turns_into_add_up() {
    let then = "sh -c 'for i in 1 2 3; do nc -zw1 r 1 && exit 0; sleep 20; done; exit 1'";
    let behind = "60 s, at worst 63 s";
    for (waiter, span, falls_through) in [
        ("wait-for-it.sh db:1 -t 30 --strict --", "30 s", false),
        ("wait-for-it.sh db:1 -t 30 --", "30 s", true),
        ("wait-for-it.sh db:1 -t 0 --", "without end", false),
        ("wait-for.sh db:1 -t 30 --", "30 s", false),
        ("dockerize -wait tcp://db:1 -timeout 30s", "30 s", false),
        ("wait4x tcp db:1 -t 30s --", "30 s", false),
    ] {
        let text = format!("{waiter} {then}");
        let (waits, unread) = told(&text);
        let spans = waits.iter().map(|(span, _)| span.as_str()).collect::<Vec<_>>();
        assert_eq!((spans, unread), (vec![span, behind], false), "{text}");
        assert_eq!(script(&text).waits[0].falls_through, falls_through, "{text}");
    }
}

#[test]
fn a_span_that_the_tool_refuses_is_no_wait_and_says_why() {
    for text in [
        "kubectl wait --for=condition=Ready pod/x --timeout=300",
        "kubectl rollout status deploy/x --timeout=300",
        "helm upgrade x y --wait --timeout 600",
        "cmctl check api --wait=90",
        "wait4x tcp db:1 -t 30",
        "dockerize -wait tcp://db:1 -timeout 30",
    ] {
        let reading = script(text);
        let why = reading.unread.iter().map(|unread| unread.why.as_str());
        let why = why.collect::<String>();
        assert!(
            reading.waits.is_empty() && why.contains("has no unit"),
            "{text}: {reading:?}"
        );
    }
}

#[test]
fn flags_that_are_written_in_another_way_are_the_same_flags() {
    check(&[
        (
            "mysqladmin -h db -w5 --connect-timeout=2 ping",
            &["25 s, at worst 37 s"],
        ),
        ("kubectl rollout status ds/x --watch=true", &["without end"]),
        (
            "kubectl rollout status ds/x --watch=true --timeout=2m",
            &["120 s"],
        ),
        ("kubectl rollout status ds/x --watch=false", &[]),
        ("helm test x", &["300 s"]),
        ("helm test x --timeout 2m", &["120 s"]),
    ]);
    let text = "wait4x mysql 'user:secret@tcp(db:3306)/shop' -t 30s";
    assert_eq!(told(text).0[0].1.as_deref(), Some("db:3306"));
    let assumed = script("timeout ${T:-30m} sh -c 'until nc -z db 1; do sleep 5; done'");
    assert_eq!(assumed.waits[0].confidence, ReadConfidence::Likely);
}
