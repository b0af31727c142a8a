//! No text makes the reader of scripts panic or take long, and more rounds never wait less.

mod scripts;

use proptest::prelude::*;

use hookbudget::engine::{Limit, Seconds};
use scripts::{fixtures, only, script};

/// Pieces of shell that are put together at random.
const PIECES: [&str; 44] = [
    "for i in $(seq 1 9); do ",
    "done",
    "; ",
    "\n",
    "while true; do ",
    "until curl http://a/; do ",
    "if ",
    "then ",
    "else ",
    "fi",
    "case $x in ",
    "a) ",
    ";; ",
    "esac ",
    "sleep 5",
    "sleep $X",
    "x=$((x+1))",
    "$(",
    ")",
    "((",
    "))",
    "[[ ",
    "]] ",
    "[ $x -lt 3 ] ",
    "&& ",
    "|| ",
    "| ",
    "{ ",
    "} ",
    "\"",
    "'",
    "`",
    "${x:-",
    "}",
    "<<EOF\n",
    "EOF\n",
    "f() { ",
    "f ",
    "exit 1",
    "break",
    "timeout 5 ",
    "x=$x$x",
    "date +%s",
    "set -e\n",
];

fn pieces() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60).prop_map(|pieces| pieces.concat())
}

/// Reads a text and says how long that took.
fn timed(text: &str) -> std::time::Duration {
    let start = std::time::Instant::now();
    let _ = script(text);
    start.elapsed()
}

/// Generous: an unoptimized build on a busy machine.
const LONG: std::time::Duration = std::time::Duration::from_secs(5);

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_reader_fall(text in "\\PC{0,200}") {
        prop_assert!(timed(&text) < LONG);
    }

    #[test]
    fn no_script_makes_the_reader_fall(text in pieces()) {
        prop_assert!(timed(&text) < LONG);
    }

    #[test]
    fn no_damaged_script_makes_the_reader_fall(index in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>(), insert in pieces()) {
        let fixtures = fixtures();
        let text = index.get(&fixtures).text.as_str();
        let characters: Vec<_> = text.char_indices().collect();
        let at = cut.get(&characters).0;
        let (head, tail) = text.split_at(at);
        prop_assert!(timed(&[head, insert.as_str(), tail].concat()) < LONG);
        prop_assert!(timed(&[insert.as_str(), tail].concat()) < LONG);
        prop_assert!(timed(head) < LONG);
    }

    #[test]
    fn another_round_never_shortens_a_wait(rounds in 1_u32..300, pause in 1_u32..30, probe in 1_u32..10) {
        let of = |rounds: u32| only(&format!(
            "n=0; until curl -m {probe} http://a/; do n=$((n+1)); [ $n -ge {rounds} ] && exit 1; sleep {pause}; done"
        ));
        if rounds > 1 {
            let (less, more) = (of(rounds), of(rounds + 1));
            prop_assert!(more.span.nominal > less.span.nominal);
            prop_assert!(more.span.worst > less.span.worst);
            prop_assert_eq!(less.span.nominal, Limit::At(Seconds::new(i64::from((rounds - 1) * pause))));
            prop_assert_eq!(less.attempts, Some(u64::from(rounds)));
        }
    }
}

#[test]
fn texts_that_grow_or_nest_are_bounded() {
    for text in [
        "x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; sleep 1; done".to_owned(),
        format!("{}true{}", "if true; then ".repeat(5000), "; fi".repeat(5000)),
        format!("{}nc -z a 1{}", "case x in x) ".repeat(40), " \nesac".repeat(40)),
        "(".repeat(100_000),
        "$((".repeat(40_000),
        "\"$(".repeat(40_000),
        "x=${x%".repeat(20_000),
        "f() { f; }; f".to_owned(),
        "f() { f | f; }; f".to_owned(),
        "f() { f; f; f; }; while true; do f; sleep 1; done".to_owned(),
        "f() { x=$(f)$(f); }; f".to_owned(),
        "for a in $(seq 9999); do for b in $(seq 9999); do for c in $(seq 9999); do sleep 1; done; done; done".to_owned(),
        "sh -c 'sh -c \"sh -c \\\"while :; do sleep 1; done\\\"\"'".to_owned(),
        format!("x='{}'; while nc -z a 1 || true; do case $x in {}) ;; esac; y=${{x%%*a*a*a*a*b}}; sleep 1; z=$((z+1)); done", "a".repeat(4000), "*a".repeat(200)),
        (0..3000).map(|n| format!("v{n}={}\n", "x".repeat(30))).chain(["while true; do n=$((n+1)); y=$(echo $(echo $n)); sleep 1; done".to_owned()]).collect::<Vec<_>>().concat(),
        "a=$((9223372036854775807 + 1)); sleep $a; sleep 99999999999999999999".to_owned(),
        "for i in {1..99999999999}; do nc -z a 1; sleep 1; done".to_owned(),
        "timeout 99999999 sh -c 'while true; do nc -zw1 a 1; n=$((n+1)); sleep 1; done'".to_owned(),
        // What a single command copies or looks through counts as well.
        "set -- $(seq 4000); f() { :; }; while true; do f \"$@\"; i=$((i+1)); sleep 1; done".to_owned(),
        format!("x={}\nwhile true; do echo {}; i=$((i+1)); sleep 1; done", "a".repeat(60_000), "${#x}".repeat(10_000)),
        format!("while true; do echo {}; i=$((i+1)); sleep 1; done", "$x".repeat(30_000)),
        format!("while true; do i=$((i+1)); sleep 1; case $i in {}) ;; esac; done", "z|".repeat(20_000) + "z"),
        format!("f() {{ if $UNKNOWN; then {} fi; }}\n{}", "a=1;".repeat(10_000), "f;".repeat(30_000)),
        format!("while true; do i=$((i+1)); if false; then echo {}; fi & sleep 1; wait; done", "a ".repeat(50_000)),
        (0..5000).map(|n| format!("f{n}() {{ :; }};")).chain(["while true; do i=$((i+1)); sh -c 'sleep 1'; done".to_owned()]).collect::<Vec<_>>().concat(),
        format!("while true; do : é; {} i=$((i+1)); sleep 1; done", "nc -z a 1;".repeat(9000)),
        format!("x={}; while true; do i=$((i+1)); {} sleep 1; done", "a".repeat(250), "y=${x%%*a*b*c};".repeat(6000)),
    ] {
        let took = timed(&text);
        let start = text.chars().take(40).collect::<String>();
        println!("{took:?} {start}");
        assert!(took < LONG, "{took:?} for {start}");
    }
}
