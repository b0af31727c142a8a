//! What is read as certain is right; what the manifest does not show is said to be unread, with its reason.

#![allow(clippy::too_many_lines)] // tables

mod scripts;

use hookbudget::engine::shell::{ReadConfidence, Reading, read};
use scripts::{NO_ENV, script};

use ReadConfidence::{Certain, Likely, Possible};

/// The script; the span and the confidence of each wait; a piece of each reason why something is not read.
type Row = (
    &'static str,
    &'static [(&'static str, ReadConfidence)],
    &'static [&'static str],
);

fn check(rows: &[Row]) {
    let mut wrong = Vec::new();
    for (text, spans, unread) in rows {
        let reading = script(text);
        let found = reading
            .waits
            .iter()
            .map(|wait| (wait.span.to_string(), wait.confidence))
            .collect::<Vec<_>>();
        let same = found.len() == spans.len()
            && found
                .iter()
                .zip(*spans)
                .all(|(found, (span, confidence))| found.0 == *span && found.1 == *confidence);
        let told = reading.unread.len() == unread.len()
            && reading
                .unread
                .iter()
                .zip(*unread)
                .all(|(found, why)| found.why.contains(why));
        if !same || !told {
            wrong.push(format!("{text}\n  {found:?} {:?}", reading.unread));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A loop of 60 rounds with this between its tries.
fn between(pause: &str) -> Reading {
    script(&format!(
        "for i in $(seq 60); do curl -sf -m 1 http://a/ && exit 0; {pause}; done; exit 1"
    ))
}

#[test]
fn a_pause_is_read_however_it_is_written() {
    for pause in [
        "sleep 5",
        "/bin/sleep 5",
        "/usr/bin/sleep 5s",
        "/usr/bin/env sleep 5",
        "busybox sleep 5",
        "/bin/busybox sleep 5",
        "perl -e 'sleep 5'",
        "perl -e 'sleep(5);'",
        "ruby -e 'sleep 5'",
        "php -r 'sleep(5);'",
        "python3 -c 'import time; time.sleep(5)'",
        "python -c 'from time import sleep; sleep(5)'",
        "timeout 5 tail -f /dev/null",
        "timeout 5 sleep 10",
    ] {
        let reading = between(pause);
        let [wait] = reading.waits.as_slice() else {
            panic!("{pause}: {reading:?}");
        };
        assert_eq!(
            (wait.span.to_string().as_str(), wait.confidence),
            ("300 s, at worst 360 s", Certain),
            "{pause}"
        );
        assert!(reading.is_whole(), "{pause}: {:?}", reading.unread);
    }
}

#[test]
fn what_may_pause_leaves_no_certainty() {
    for pause in [
        "read -t 5",
        "read -t5 line",
        "perl -e 'select(undef, undef, undef, $s)'",
        "python3 -c 'import requests'",
        "ruby -e 'sleep rand(9)'",
        "node -e 'setTimeout(() => {}, 5000)'",
        "ping -c 5 127.0.0.1",
        "./pause.sh",
        "/opt/pause",
        "pause",
        "$PAUSE",
        ". ./pause.sh",
        "sh ./pause.sh",
        "eval \"$PAUSE\"",
        "awk 'BEGIN { system(\"sleep 5\") }'",
        "tail -f /var/log/x",
        "find / -name x -exec pause {} ';'",
        "echo a | xargs -n1 pause",
        "(./pause.sh)",
        "{ ./pause.sh || true; }",
        "echo $(./pause.sh)",
        "for j in 1 2; do ./pause.sh; done",
    ] {
        let reading = between(pause);
        assert!(reading.waits.is_empty(), "{pause}: {:?}", reading.waits);
        let said = |why: &str| why.contains("how long this loop waits cannot be told");
        assert!(
            reading.unread.iter().any(|unread| said(&unread.why)),
            "{pause}: {:?}",
            reading.unread
        );
        assert!(reading.calls.iter().all(|call| call.behind_unread), "{pause}");
        let with_sleep = between(&format!("{pause}; sleep 1"));
        assert!(
            with_sleep.waits.iter().all(|wait| wait.confidence < Certain),
            "{pause}: {:?}",
            with_sleep.waits
        );
        assert!(!with_sleep.is_whole(), "{pause}");
    }
}

#[test]
fn what_is_over_at_once_does_not_disturb() {
    for command in [
        "echo waiting",
        "printf '%s\\n' waiting",
        "date",
        "logger waiting",
        "cat /etc/hosts | grep a | sed 's/a/b/' | cut -d: -f1",
        "awk '{ print $1 }' /etc/hosts",
        "test -f /tmp/x",
        "[ -f /tmp/x ] && echo there",
        "kubectl get pods",
        "tail -n 5 /var/log/x",
        "uptime",
        "echo '{}' | jq .a",
        "echo '{}' | python3 -c 'import json, sys; print(json.load(sys.stdin))'",
        "echo '{}' | perl -ne 'print if /a/'",
        "echo a b | xargs",
        "x=$(cat /tmp/x)",
        "(./report.sh &)",
    ] {
        let reading = between(&format!("{command}; sleep 5"));
        let [wait] = reading.waits.as_slice() else {
            panic!("{command}: {reading:?}");
        };
        assert_eq!(
            (wait.span.nominal.to_string().as_str(), wait.confidence),
            ("300 s", Certain),
            "{command}"
        );
        assert!(reading.is_whole(), "{command}: {:?}", reading.unread);
    }
}

#[test]
fn what_may_pause_does_not_change_what_ends_otherwise() {
    check(&[
        // Without end, whatever pauses in between.
        (
            "until curl -sf -m 1 http://a/; do ./pause.sh; sleep 5; done",
            &[("without end", Certain)],
            &[],
        ),
        (
            "timeout 60 sh -c 'for i in $(seq 60); do curl -sf -m 1 http://a/ && break; ./pause.sh; sleep 5; done'",
            &[("60 s", Certain)],
            &[],
        ),
        // What decides is what the loop asks, and no pause.
        (
            "for i in $(seq 9); do ./ready && break; sleep 5; done",
            &[("45 s, at worst without end", Possible)],
            &[],
        ),
    ]);
}

#[test]
fn a_counter_that_a_program_computes() {
    const SIXTY: &[(&str, ReadConfidence)] = &[("60 s, at worst 71 s", Certain)];
    let hidden: &[&str] = &["a test of it may end the loop"];
    for (step, spans, unread) in [
        ("$(echo $i+1 | bc)", SIXTY, &[][..]),
        ("$(echo \"$i + 1\" | bc)", SIXTY, &[]),
        ("$(bc <<< \"$i+1\")", SIXTY, &[]),
        ("$(expr $i + 1)", SIXTY, &[]),
        ("$(printf '%d' $((i+1)))", SIXTY, &[]),
        ("$(printf '%s' $((i+1)))", SIXTY, &[]),
        ("$(awk \"BEGIN{print $i+1}\")", SIXTY, &[]),
        ("$(python3 -c \"print($i + 1)\")", SIXTY, &[]),
        ("$(awk -v n=$i 'BEGIN { print n + 1 }')", &[], hidden),
        ("$(perl -e \"print $i+1\")", &[], hidden),
        ("$(wc -l < /tmp/tries)", &[], hidden),
        ("$(cat /tmp/tries)", &[], hidden),
        ("$(./count)", &[], hidden),
        ("$(echo \"$i+1.5\" | bc)", &[], hidden),
        ("$(dc -e \"$i 1 + p\")", &[], hidden),
    ] {
        for (head, test) in [
            (
                "i=0; until curl -sf -m 1 http://a/; do",
                "[ $i -gt 10 ] && exit 1",
            ),
            (
                "i=0; until curl -sf -m 1 http://a/; do",
                "if [ \"$i\" -eq 11 ]; then exit 1; fi",
            ),
            (
                "i=0; until curl -sf -m 1 http://a/; do",
                "[ \"$i\" = 11 ] && exit 1",
            ),
        ] {
            let text = format!("{head} i={step}; {test}; sleep 6; done");
            let reading = script(&text);
            let found = reading
                .waits
                .iter()
                .map(|wait| (wait.span.to_string(), wait.confidence));
            let wanted = spans
                .iter()
                .map(|(span, confidence)| ((*span).to_owned(), *confidence));
            assert!(found.eq(wanted), "{text}: {reading:?}");
            let told = reading.unread.len() == unread.len()
                && reading
                    .unread
                    .iter()
                    .zip(unread)
                    .all(|(found, why)| found.why.contains(why));
            assert!(told, "{text}: {:?}", reading.unread);
        }
    }
    check(&[
        // What a service answers is no counter.
        (
            "until curl -sf -m 1 http://a/; do n=$(kubectl get pods | wc -l); [ $n -gt 10 ] && exit 1; sleep 6; done",
            &[("without end", Certain)],
            &[],
        ),
        (
            "until curl -sf -m 1 http://a/; do [ -f /tmp/stop ] && exit 1; sleep 6; done",
            &[("without end", Likely)],
            &[],
        ),
    ]);
}

#[test]
fn a_name_that_nobody_has_set_is_empty() {
    const ENDLESS: &[(&str, ReadConfidence)] = &[("without end", Certain)];
    const LIKELY: &[(&str, ReadConfidence)] = &[("without end", Likely)];
    check(&[
        (
            "while [ -z \"$r\" ]; do r=$(curl -sf -m 2 http://a/token); [ -z \"$r\" ] && sleep 10; done",
            ENDLESS,
            &[],
        ),
        (
            "while [ -z \"$r\" ]; do r=$(kubectl get svc x -o name); sleep 10; done",
            ENDLESS,
            &[],
        ),
        (
            "until [ -n \"$r\" ]; do sleep 3; r=$(kubectl get svc x -o name); done",
            ENDLESS,
            &[],
        ),
        (
            "until [ \"$r\" ]; do sleep 3; r=$(kubectl get svc x -o name); done",
            ENDLESS,
            &[],
        ),
        (
            "while [[ -z $r ]]; do r=$(curl -sf -m 2 http://a/token); sleep 10; done",
            ENDLESS,
            &[],
        ),
        // An image may set a name in capitals.
        (
            "while [ -z \"$TOKEN\" ]; do TOKEN=$(curl -sf -m 2 http://a/token); sleep 10; done",
            LIKELY,
            &[],
        ),
        (
            "while true; do [ -n \"$r\" ] && break; r=$(curl -sf -m 2 http://a/token); sleep 10; done",
            ENDLESS,
            &[],
        ),
    ]);
}

#[test]
fn what_a_service_answers_is_not_yet_what_is_waited_for() {
    const SIXTY: &[(&str, ReadConfidence)] = &[("300 s, at worst without end", Certain)];
    const ENDLESS: &[(&str, ReadConfidence)] = &[("without end", Certain)];
    check(&[
        (
            "while true; do case \"$(kubectl get job x -o jsonpath='{.status}')\" in Complete) exit 0;; Failed) exit 1;; esac; sleep 5; done",
            ENDLESS,
            &[],
        ),
        (
            "for i in $(seq 60); do case \"$(kubectl get job x -o name)\" in Complete) exit 0;; Failed) exit 1;; esac; sleep 5; done",
            SIXTY,
            &[],
        ),
        (
            "while true; do s=$(kubectl get job x -o name); case $s in Complete) break;; Pending) echo wait;; Failed) exit 1;; esac; sleep 5; done",
            ENDLESS,
            &[],
        ),
        (
            "while true; do case $(kubectl get job x -o name) in Complete) break;; *) sleep 5;; esac; done",
            ENDLESS,
            &[],
        ),
        (
            "for i in $(seq 60); do if curl -sf -m 2 http://a/ | jq -e .ready; then exit 0; fi; sleep 5; done; exit 1",
            &[("300 s, at worst 420 s", Certain)],
            &[],
        ),
        (
            "until curl -sf -m 2 http://a/ | jq -re .ready; do sleep 5; done",
            ENDLESS,
            &[],
        ),
    ]);
}

#[test]
fn nobody_sees_how_many_files_there_are() {
    let unread: &[&str] = &["how many files match `/m/*.yaml`"];
    check(&[
        (
            "for f in /m/*.yaml; do for i in $(seq 30); do curl -sf -m 1 http://a/ && break; sleep 5; done; done",
            &[],
            unread,
        ),
        (
            "for f in /m/*.yaml; do kubectl wait --for=condition=x --timeout=150s -f $f; done",
            &[],
            unread,
        ),
        // One round that does not end is enough.
        (
            "for f in /m/*.yaml; do until kubectl apply -f $f; do sleep 5; done; done",
            &[("without end", Certain)],
            unread,
        ),
        ("for f in /m/*.yaml; do kubectl apply -f $f; done", &[], &[]),
        (
            "for f in '/m/*'; do for i in $(seq 30); do nc -zw1 a 1 && break; sleep 5; done; done",
            &[("150 s, at worst 180 s", Certain)],
            &[],
        ),
    ]);
}

#[test]
fn numbers_are_read_as_the_programs_read_them() {
    check(&[
        (
            "for i in $(seq 010); do curl -sf -m 1 http://a/ && exit 0; sleep 5; done; exit 1",
            &[("50 s, at worst 60 s", Certain)],
            &[],
        ),
        // `sleep -1` fails at once.
        (
            "while true; do nc -zw1 a 1 && break; sleep -1; done",
            &[("without end", Certain)],
            &["`sleep -1` fails"],
        ),
        (
            "set -e; for i in 1 2 3; do nc -zw1 a 1 && break; sleep -1; sleep 5; done",
            &[],
            &["`sleep -1` fails"],
        ),
    ]);
}

#[test]
fn what_runs_in_the_background_may_end_the_wait() {
    const CLOCK: &[(&str, ReadConfidence)] = &[("300 s, at worst 306 s", Certain)];
    let kills: &[&str] = &["a job in the background kills a process"];
    check(&[
        (
            "(sleep 300; kill $$) & until curl -sf -m 1 http://a/; do sleep 5; done",
            &[],
            kills,
        ),
        (
            "(sleep 300 && kill -TERM $$) & W=$!; until curl -sf -m 1 http://a/; do sleep 5; done; kill $W",
            &[],
            kills,
        ),
        (
            "trap 'exit 1' ALRM; (sleep 300; kill -ALRM $$) & while true; do curl -sf -m 1 http://a/ && exit 0; sleep 5; done",
            &[],
            kills,
        ),
        (
            "(sleep 300; kill $$) & for i in $(seq 12); do curl -sf -m 1 http://a/ && break; sleep 5; done",
            &[("60 s, at worst 72 s", Likely)],
            &[],
        ),
        // It is called off before the wait.
        (
            "(sleep 300; kill $$) & W=$!; kill $W; until curl -sf -m 1 http://a/; do sleep 5; done",
            &[("without end", Certain)],
            &[],
        ),
        (
            "sleep 5m & SP=$!; while kill -0 $SP; do curl -sf -m 1 http://a/ && exit 0; sleep 5; done; exit 1",
            CLOCK,
            &[],
        ),
        (
            "N=300; sleep $N & SP=$!; while kill -0 $SP 2>/dev/null && ! curl -sf -m 1 http://a/; do sleep 5; done",
            CLOCK,
            &[],
        ),
        (
            "(sleep 300; touch /tmp/late) & W=$!; until curl -sf -m 1 http://a/; do kill -s 0 $W || exit 1; sleep 5; done",
            CLOCK,
            &[],
        ),
        (
            "./proxy & P=$!; while kill -0 $P; do curl -sf -m 1 http://a/ && exit 0; sleep 5; done",
            &[],
            &["does not show how long the process"],
        ),
        (
            "./proxy & until curl -sf -m 1 http://a/; do sleep 5; done",
            &[("without end", Certain)],
            &[],
        ),
    ]);
}

#[test]
fn many_rounds_are_counted() {
    const LONG: &[(&str, ReadConfidence)] = &[("6000 s, at worst 12000 s", Certain)];
    check(&[
        (
            "for i in $(seq 1 6000); do curl -sf -m 1 http://a/ && exit 0; sleep 1; done; exit 1",
            LONG,
            &[],
        ),
        (
            "for i in $(seq 6000); do curl -sf -m 1 http://a/$i && exit 0; sleep 1; done; exit 1",
            LONG,
            &[],
        ),
        (
            "i=0; while [ $i -lt 6000 ]; do curl -sf -m 1 http://a/ && exit 0; i=$((i+1)); sleep 1; done; exit 1",
            LONG,
            &[],
        ),
        (
            "i=6000; while [ $i -gt 0 ]; do curl -sf -m 1 http://a/$i && exit 0; i=$((i-1)); sleep 1; done; exit 1",
            LONG,
            &[],
        ),
        (
            "i=0; until curl -sf -m 1 http://a/; do i=$((i+1)); [ $i -ge 600000 ] && exit 1; sleep 1; done",
            &[("599999 s, at worst 1199999 s", Certain)],
            &[],
        ),
        // Nothing looks at the counter.
        (
            "i=0; until curl -sf -m 1 http://a/; do i=$((i+1)); echo \"try $i\"; sleep 1; done",
            &[("without end", Certain)],
            &[],
        ),
        (
            "for a in $(seq 1000); do for b in $(seq 1000); do for c in $(seq 1000); do curl -sf -m 1 http://a/ && exit 0; sleep 1; done; done; done; exit 1",
            &[("1000000000 s, at worst 2000000000 s", Certain)],
            &[],
        ),
        (
            "for a in $(seq 200); do for b in $(seq 7); do curl -sf -m 1 http://a/$b && exit 0; sleep 1; done; done; exit 1",
            &[("1400 s, at worst 2800 s", Certain)],
            &[],
        ),
        (
            "for a in $(seq 200); do for b in $(seq 7); do curl -sf -m 1 http://a/ && exit 0; sleep 1; done; sleep 3; done; exit 1",
            &[("2000 s, at worst 3400 s", Certain)],
            &[],
        ),
    ]);
}

#[test]
fn a_script_that_is_too_long_is_not_certain() {
    let reading = script(
        "for a in $(seq 3000); do echo $a; for b in $(seq 3000); do curl -sf -m 1 http://a/$a/$b && exit 0; sleep 1; done; done; exit 1",
    );
    assert!(
        reading.waits.iter().all(|wait| wait.confidence < Certain),
        "{:?}",
        reading.waits
    );
    assert!(
        reading
            .unread
            .iter()
            .any(|unread| unread.why.contains("too many steps"))
    );
}

#[test]
fn a_clock_that_is_divided_depends_on_when_the_script_begins() {
    check(&[
        (
            "e=$(($(date +%s)/60+5)); until curl -sf -m 1 http://a/; do [ $(($(date +%s)/60)) -ge $e ] && exit 1; sleep 5; done",
            &[("280 s, at worst 286 s", Likely)],
            &[],
        ),
        (
            "s=$(date +%s); until curl -sf -m 1 http://a/; do (( $(date +%s)/60 - s/60 >= 5 )) && exit 1; sleep 5; done",
            &[("280 s, at worst 286 s", Likely)],
            &[],
        ),
        (
            "s=$(date +%s); until curl -sf -m 1 http://a/; do [ $((($(date +%s)-s)/60)) -ge 5 ] && exit 1; sleep 5; done",
            &[("300 s, at worst 306 s", Certain)],
            &[],
        ),
        (
            "SECONDS=0; until curl -sf -m 1 http://a/; do [ $((SECONDS/60)) -ge 5 ] && exit 1; sleep 5; done",
            &[("300 s, at worst 306 s", Certain)],
            &[],
        ),
        (
            "s=$(date +%s%3N); until curl -sf -m 1 http://a/; do [ $(($(date +%s%3N)-s)) -gt 60000 ] && exit 1; sleep 5; done",
            &[],
            &["`date` prints it"],
        ),
    ]);
}

/// Reads a script of bash.
fn bash(text: &str) -> Reading {
    read(&["bash", "-c", text], &[], NO_ENV)
}

#[test]
fn lists_have_as_many_words_as_in_the_shell() {
    for (list, rounds) in [
        ("{1..7}", 7),
        ("{1..5}{1..5}", 25),
        ("x{1,2}y{3,4,5}", 6),
        ("{a..e}", 5),
        ("{e..a}", 5),
        ("{1..10..3}", 4),
        ("{1..$N}", 1),
        ("$COMMAS", 1),
        ("$BLANKS", 3),
    ] {
        let text = format!(
            "N=9; COMMAS=a,b,c; BLANKS='a b c'; for i in {list}; do curl -sf -m 1 http://h/ && exit 0; sleep 5; done; exit 1"
        );
        let reading = bash(&text);
        let attempts: Vec<_> = reading
            .waits
            .iter()
            .map(|wait| (wait.attempts, wait.confidence))
            .collect();
        assert_eq!(attempts, [(Some(rounds), Certain)], "{list}: {reading:?}");
    }
    for (script, rounds) in [
        ("IFS=,; L=a,b,c; for i in $L; do", 3),
        ("IFS=,; L=a,b,c; for i in \"$L\"; do", 1),
        ("IFS=,; L='a b'; for i in $L; do", 1),
        ("IFS=', '; L='a,b c'; for i in $L; do", 3),
        ("IFS=; L='a b c'; for i in $L; do", 1),
    ] {
        let reading = bash(&format!(
            "{script} curl -sf -m 1 http://h/ && exit 0; sleep 5; done; exit 1"
        ));
        let attempts: Vec<_> = reading.waits.iter().map(|wait| wait.attempts).collect();
        assert_eq!(attempts, [Some(rounds)], "{script}: {reading:?}");
    }
}

#[test]
fn statuses_of_a_regular_expression() {
    for (expression, ready) in [
        ("^(200|401)$", &[200, 401][..]),
        ("^200$|^204$", &[200, 204]),
        ("^40[13]$", &[401, 403]),
        ("^2..$", &[200, 201, 202, 204]),
        ("^(2|3)..$", &[200, 201, 202, 204, 301, 302]),
        ("^[^45]", &[]),
    ] {
        let reading = bash(&format!(
            "for i in $(seq 60); do [[ \"$(curl -m 1 -s -o /dev/null -w '%{{http_code}}' http://a/)\" =~ {expression} ]] && exit 0; sleep 5; done; exit 1"
        ));
        let found: Vec<_> = reading
            .waits
            .iter()
            .map(|wait| (wait.span.to_string(), wait.ready_statuses.clone()))
            .collect();
        let wanted = ("300 s, at worst 360 s".to_owned(), ready.to_vec());
        assert_eq!(found, [wanted], "{expression}: {reading:?}");
    }
}

#[test]
fn more_waits_than_are_kept_are_not_certain() {
    use std::fmt::Write as _;
    let mut text = String::new();
    for port in 1..=300 {
        let _ = writeln!(text, "for i in 1 2; do nc -zw1 a {port} && break; sleep 5; done");
    }
    let reading = script(&text);
    assert!(reading.waits.iter().all(|wait| wait.confidence < Certain));
    assert!(
        reading
            .unread
            .iter()
            .any(|unread| unread.why.contains("more than 256 waits"))
    );
}
