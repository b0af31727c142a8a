//! The reading of bounded loops, held against a real shell.

mod scripts;

use scripts::fixtures;

/// Programs become functions that fail; `sleep` adds to a clock, which `date` shows.
const WORLD: &str = r#"
_t=$(mktemp); echo 0 > "$_t"
sleep() { local s=0 a; for a in "$@"; do case $a in *m) a=${a%m}; a=$((a*60));; *s) a=${a%s};; esac; s=$(awk "BEGIN{print $s+$a}"); done; awk -v s="$s" '{print $1+s}' "$_t" > "$_t.n"; mv "$_t.n" "$_t"; }
date() { awk '{printf "%d\n", 1700000000+$1}' "$_t"; }
curl() { local a; for a in "$@"; do case $a in *http_code*) printf 000;; esac; done; return 7; }
nc() { return 1; }; wget() { return 1; }; pg_isready() { return 2; }; redis-cli() { return 1; }; kubectl() { return 1; }
trap 'cat "$_t" >&3; rm -f "$_t"' EXIT
export LC_ALL=C
"#;

/// What has a time of its own in a shell too, or is not there.
const LEFT_OUT: [&str; 13] = [
    "timeout",
    "SECONDS",
    "--retry",
    "dockerize",
    "wait-for-it",
    "wait4x",
    "hookbudget",
    "cmctl",
    "kubectl wait",
    "rollout",
    "&\n",
    "$CLIENT",
    "(for",
];

#[test]
fn a_real_shell_sleeps_as_long() {
    let bash = |script: &str| std::process::Command::new("bash").arg("-c").arg(script).output();
    if bash("true").is_err() {
        return;
    }
    let mut compared = 0;
    for fixture in fixtures() {
        let nominal = fixture
            .limit("nominal")
            .seconds()
            .map(hookbudget::engine::Seconds::as_f64);
        let Some(nominal) = nominal.filter(|_| !LEFT_OUT.iter().any(|part| fixture.text.contains(part)))
        else {
            continue;
        };
        let script = format!("exec 3>&1 1>/dev/null 2>/dev/null\n{WORLD}\n{}", fixture.text);
        let output = bash(&script).unwrap();
        let slept = String::from_utf8_lossy(&output.stdout).trim().parse::<f64>();
        let slept = slept.unwrap_or_else(|_| panic!("{}: {output:?}", fixture.name));
        // A clock is looked at between pauses: it may be passed by less than one of them.
        let most = if fixture.text.contains("date") {
            nominal + 10.0
        } else {
            nominal
        };
        assert!(
            slept >= nominal && slept <= most,
            "{}: read {nominal}, slept {slept}",
            fixture.name
        );
        compared += 1;
    }
    assert!(compared > 35, "only {compared} scripts were compared");
}
