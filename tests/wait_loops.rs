//! What is read out of scripts: the waits, their spans, and what cannot be known.

mod scripts;

use hookbudget::engine::shell::{EnvValue, read};
use hookbudget::engine::{Limit, Seconds};
use scripts::{NO_ENV, fixture, fixtures, only, script};

#[test]
fn loops_in_a_row_add_up() {
    let reading = script(
        "for i in $(seq 10); do nc -zw1 a 1 && break; sleep 2; done\nfor i in $(seq 5); do nc -zw1 b 1 && break; sleep 3; done\nsleep 7",
    );
    assert_eq!(reading.waits.len(), 3);
    assert_eq!(
        reading.total().map(|span| span.to_string()).as_deref(),
        Some("42 s, at worst 57 s")
    );
}

#[test]
fn the_arithmetic_is_written_out() {
    for (text, arithmetic) in [
        (
            "d=1; for i in 1 2 3; do curl -m 1 http://a/ && break; sleep $d; d=$((d*2)); done",
            "1 s + 2 s + 4 s = 7 s, at worst 7 s + 3 s = 10 s",
        ),
        (
            "timeout 600 sh -c 'until nc -z db 1; do sleep 1; done'",
            "timeout 600 s",
        ),
        (
            "n=0; until nc -zw1 a 1; do n=$((n+1)); [ $n -ge 30 ] && exit 1; sleep 2; done",
            "29 x 2 s = 58 s, at worst 29 x 2 s + 30 x 1 s = 88 s",
        ),
    ] {
        assert_eq!(only(text).arithmetic, arithmetic, "{text}");
    }
}

#[test]
fn whether_a_wait_falls_through_depends_on_what_comes_after() {
    for (text, expected) in [
        (
            "for i in 1 2; do nc -zw1 a 1 && break; sleep 1; done\nmigrate",
            true,
        ),
        ("for i in 1 2; do nc -zw1 a 1 && break; sleep 1; done", true),
        (
            "for i in 1 2; do nc -zw1 a 1 && exit 0; sleep 1; done; exit 1",
            false,
        ),
        (
            "for i in 1 2; do nc -zw1 a 1 && exit 0; sleep 1; done; exit 0",
            true,
        ),
        (
            "n=0; until nc -zw1 a 1; do n=$((n+1)); [ $n -gt 3 ] && exit 1; sleep 1; done\nmigrate",
            false,
        ),
        (
            "ok=; for i in 1 2; do nc -zw1 a 1 && { ok=1; break; }; sleep 1; done; [ -n \"$ok\" ] || exit 1\nmigrate",
            false,
        ),
        (
            "ok=0; for i in 1 2; do if nc -zw1 a 1; then ok=1; break; fi; sleep 1; done\nif [ $ok -ne 1 ]; then echo late; exit 3; fi",
            false,
        ),
        (
            "w() { for i in 1 2; do nc -zw1 a 1 && return 0; sleep 1; done; return 1; }; w; migrate",
            true,
        ),
        (
            "set -e; w() { for i in 1 2; do nc -zw1 a 1 && return 0; sleep 1; done; return 1; }; w; migrate",
            false,
        ),
        (
            "w() { for i in 1 2; do nc -zw1 a 1 && return 0; sleep 1; done; return 1; }; w || exit 1; migrate",
            false,
        ),
        (
            "w() { for i in 1 2; do nc -zw1 a 1 && return 0; sleep 1; done; return 1; }; w || true; migrate",
            true,
        ),
        (
            "kubectl wait --for=condition=complete job/x --timeout=9s || { kubectl logs job/x; exit 1; }; migrate",
            false,
        ),
        (
            "if ! dockerize -wait tcp://a:1; then kubectl get pods; exit 1; fi; migrate",
            false,
        ),
        (
            "if [ -n \"$X\" ]; then dockerize -wait tcp://a:1; migrate; fi",
            true,
        ),
        ("dockerize -wait tcp://a:1; migrate", true),
        ("dockerize -wait tcp://a:1 && migrate", false),
        ("set -e\ndockerize -wait tcp://a:1\nmigrate", false),
        (
            "timeout 9 sh -c 'until nc -z a 1; do sleep 1; done'\nmigrate",
            true,
        ),
        (
            "set -o errexit\ntimeout 9 sh -c 'until nc -z a 1; do sleep 1; done'\nmigrate",
            false,
        ),
    ] {
        assert_eq!(only(text).falls_through, expected, "{text}");
    }
}

#[test]
fn what_runs_after_an_exit_on_time_out_is_read_too() {
    let reading = script(
        "n=0; until nc -zw1 a 1; do n=$((n+1)); [ $n -gt 3 ] && exit 1; sleep 1; done\nfor i in 1 2; do nc -zw1 b 1 && break; sleep 1; done\ncurl -m 9 http://c/x",
    );
    assert_eq!(reading.waits.len(), 2);
    assert_eq!(reading.calls.len(), 1);
    assert_eq!(reading.calls[0].limit, Limit::At(Seconds::new(9)));
}

#[test]
fn targets_are_read_with_variables_replaced() {
    for (text, host, port) in [
        (
            fixture("a-counted-loop-with-hard-coded-numbers").as_str(),
            Some("forge.git.svc"),
            Some(3000),
        ),
        (
            "H=db; P=5432; until nc -z $H $P; do sleep 1; done",
            Some("db"),
            Some(5432),
        ),
        (
            "until pg_isready -h ${PGHOST:-pg} -p 5433; do sleep 1; done",
            Some("pg"),
            Some(5433),
        ),
        (
            "U=http://a; until wget -qO- \"$U:8080/ready\"; do sleep 1; done",
            Some("a"),
            Some(8080),
        ),
        (
            "until (echo > /dev/tcp/kafka/9092) 2>/dev/null; do sleep 1; done",
            Some("kafka"),
            Some(9092),
        ),
        (
            "until mysqladmin ping -h mysql --silent; do sleep 1; done",
            Some("mysql"),
            None,
        ),
        ("wait-for-it.sh -h db -p 1", Some("db"), Some(1)),
        ("until curl -s http://$HOST/; do sleep 1; done", None, Some(80)),
    ] {
        let target = only(text).target.expect(text);
        assert_eq!((target.host.as_deref(), target.port), (host, port), "{text}");
    }
}

#[test]
fn statuses_are_sorted_into_ready_and_fatal() {
    let probe = "c=$(curl -s -o /dev/null -m 1 -w '%{http_code}' http://a/)";
    for (body, ready, fatal) in [
        (
            "case \"$c\" in 200|409) exit 0;; 401|403) exit 1;; esac",
            vec![200, 409],
            vec![401, 403],
        ),
        ("if [ \"$c\" = \"200\" ]; then break; fi", vec![200], vec![]),
        (
            "if [ \"$c\" = 200 ]; then break; elif [ $c = 401 ] || [ $c = 403 ]; then exit 77; fi",
            vec![200],
            vec![401, 403],
        ),
        ("[ \"$c\" = 204 ] && break", vec![204], vec![]),
        ("[[ \"$c\" == 404 ]] && break", vec![404], vec![]),
    ] {
        let wait = only(&format!("for i in 1 2 3; do {probe}; {body}; sleep 1; done"));
        assert_eq!(
            (wait.ready_statuses, wait.fatal_statuses),
            (ready, fatal),
            "{body}"
        );
    }
}

#[test]
fn what_the_manifest_does_not_show_is_not_guessed() {
    let env = |name: &str| match name {
        "HIDDEN" => EnvValue::Hidden,
        "SHOWN" => EnvValue::Known("4"),
        _ => EnvValue::Unset,
    };
    for text in [
        "for i in $(seq 1 $HIDDEN); do nc -zw1 a 1 && break; sleep 1; done",
        "i=0; while [ $i -lt $HIDDEN ]; do nc -zw1 a 1 && break; i=$((i+1)); sleep 1; done",
        "i=0; until nc -zw1 a 1; do i=$((i+1)); [ $i -gt ${HIDDEN} ] && exit 1; sleep 1; done",
        "i=0; until nc -zw1 a 1; do i=$((i+1)); if [ $i -gt ${HIDDEN:-5} ]; then exit 1; fi; sleep 1; done",
        "for i in 1 2 3; do nc -zw1 a 1 && break; sleep $HIDDEN; done",
        "for ((i=0; i<HIDDEN; i++)); do nc -zw1 a 1 && break; sleep 1; done",
        "for i in $(seq 1 $NOWHERE); do nc -zw1 a 1 && break; sleep 1; done",
        "timeout $HIDDEN sh -c 'until nc -z a 1; do sleep 1; done'",
        "dockerize -wait tcp://a:1 -timeout $HIDDEN",
        "eval \"$HIDDEN\"",
        ". /scripts/lib.sh",
        "/scripts/wait-for-everything.sh",
        "for i in 1 2; do nc -z a 1 && break; sleep 1",
    ] {
        let reading = read(&["sh", "-c", text], &[], &env);
        assert!(reading.waits.is_empty(), "{text}: {:#?}", reading.waits);
        assert!(!reading.unread.is_empty(), "{text}");
    }
    let reading = read(
        &[
            "sh",
            "-c",
            "for i in $(seq 1 $SHOWN); do nc -zw1 a 1 && break; sleep 1; done",
        ],
        &[],
        &env,
    );
    assert_eq!(reading.waits[0].span.to_string(), "4 s, at worst 8 s");
}

#[test]
fn a_default_that_an_image_may_override_is_likely_only() {
    use hookbudget::engine::shell::ReadConfidence;
    let of = |text: &str| only(text).confidence;
    assert_eq!(
        of("for i in $(seq ${N:-5}); do nc -zw1 a 1 && break; sleep 1; done"),
        ReadConfidence::Likely
    );
    assert_eq!(
        of("N=5; for i in $(seq ${N:-7}); do nc -zw1 a 1 && break; sleep 1; done"),
        ReadConfidence::Certain
    );
    assert_eq!(of("wait-for-it.sh a:1"), ReadConfidence::Likely);
    assert_eq!(of("until [ -e /x ]; do sleep 1; done"), ReadConfidence::Possible);
}

#[test]
fn the_script_is_found_behind_wrappers() {
    let text = "for i in 1 2; do nc -zw1 a 1 && break; sleep 1; done";
    for (command, args) in [
        (vec!["sh", "-c", text], vec![]),
        (vec!["/bin/bash", "-euxc", text], vec![]),
        (vec!["bash", "-eu", "-o", "pipefail", "-c", text], vec![]),
        (vec!["sh", "-c"], vec![text]),
        (vec!["/bin/ash", "-ec"], vec![text]),
        (vec![], vec!["sh", "-c", text]),
        (vec!["busybox", "sh", "-c", text], vec![]),
        (vec!["tini", "--", "sh", "-c", text], vec![]),
        (vec!["/usr/bin/env", "X=y", "sh", "-c", text], vec![]),
        (vec!["timeout", "600", "sh", "-c", text], vec![]),
    ] {
        let reading = read(&command, &args, NO_ENV);
        assert_eq!(
            reading.total().map(|span| span.to_string()).as_deref(),
            Some("2 s, at worst 4 s"),
            "{command:?} {args:?}"
        );
        assert!(reading.visible);
    }
}

#[test]
fn what_an_image_runs_is_not_visible() {
    for (command, args) in [
        (vec![], vec![]),
        (vec![], vec!["migrate"]),
        (vec!["/app"], vec!["migrate"]),
        (vec!["sh", "/scripts/init.sh"], vec![]),
    ] {
        let reading = read(&command, &args, NO_ENV);
        assert!(!reading.unread.is_empty(), "{command:?}");
        assert!(!reading.visible, "{command:?}");
    }
}

#[test]
fn places_point_into_the_script() {
    let reading = read(
        &["sh", "-c"],
        &["set -e\n# ä\n  until nc -z a 1; do\n    sleep 1\n  done\n"],
        NO_ENV,
    );
    let place = reading.waits[0].place;
    assert_eq!((place.element, place.line, place.column), (2, 2, 2));
    let probe = reading.waits[0]
        .probe
        .as_ref()
        .map(|probe| (probe.place.line, probe.place.column));
    assert_eq!(probe, Some((2, 8)));
}

#[test]
fn calls_of_the_api_server_can_be_told_apart() {
    let reading = script(
        "kubectl get ns x\ncurl -s https://$KUBERNETES_SERVICE_HOST/api\ncurl https://kubernetes.default.svc/api\ncurl http://forge:3000/",
    );
    let calls: Vec<_> = reading
        .calls
        .iter()
        .map(|call| (call.tool.as_str(), call.target.as_ref().map(ToString::to_string)))
        .collect();
    assert_eq!(calls.len(), 4);
    assert_eq!(calls[0].0, "kubectl");
    assert_eq!(
        calls[1].1.as_deref(),
        Some("https://$KUBERNETES_SERVICE_HOST/api")
    );
    assert_eq!(
        reading.calls[2]
            .target
            .as_ref()
            .and_then(|target| target.service()),
        Some(("kubernetes", Some("default")))
    );
}

#[test]
fn a_loop_over_files_is_no_wait() {
    for text in [
        "for f in a b c; do cat $f; done",
        "while read -r l; do echo $l; done < f",
        "for f in *.sql; do psql -h db -f $f; done",
    ] {
        assert!(script(text).waits.is_empty(), "{text}");
    }
}

#[test]
fn every_shape_has_its_span() {
    let mut wrong = Vec::new();
    let fixtures = fixtures();
    assert!(fixtures.len() > 60);
    for fixture in fixtures {
        let reading = script(&fixture.text);
        let expected = (fixture.limit("nominal"), fixture.limit("worst"));
        match reading.waits.as_slice() {
            [wait]
                if (wait.span.nominal, wait.span.worst) == expected
                    && fixture
                        .says("arithmetic")
                        .is_none_or(|text| text == wait.arithmetic) => {}
            waits => wrong.push(format!("{}: {waits:#?} {:?}", fixture.name, reading.unread)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
