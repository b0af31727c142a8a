//! What is read out of scripts: the waits, their spans, and what cannot be known.

use hookbudget::engine::shell::{EnvValue, Reading, Wait, read};
use hookbudget::engine::{Limit, Seconds};

const NO_ENV: &dyn Fn(&str) -> EnvValue<'static> = &|_| EnvValue::Unset;

fn script(text: &str) -> Reading {
    read(&["sh", "-c", text], &[], NO_ENV)
}

fn limit(seconds: Option<f64>) -> Limit {
    Limit::from(seconds.and_then(Seconds::from_f64))
}

/// The only wait of a script.
fn only(text: &str) -> Wait {
    let reading = script(text);
    let [wait] = reading.waits.as_slice() else {
        panic!("not one wait but {:#?} in {text}", reading);
    };
    wait.clone()
}

/// Name, script, nominal seconds, worst seconds; `None` is "without end".
type Shape = (&'static str, &'static str, Option<f64>, Option<f64>);

const NEVER: Option<f64> = None;

const fn s(seconds: f64) -> Option<f64> {
    Some(seconds)
}

const SHAPES: &[Shape] = &[
    (
        "a counted loop with hard-coded numbers",
        "for n in $(seq 1 60); do\n  if curl -sf -o /dev/null --max-time 3 http://forge.git.svc:3000/healthz; then break; fi\n  echo \"try $n of 60\"\n  sleep 5\ndone",
        s(300.0),
        s(480.0),
    ),
    (
        "a counted loop with its numbers in variables",
        "set -eu\nTRIES=168\nPAUSE=5\nfor n in $(seq 1 \"$TRIES\"); do\n  if curl -sSf -o /dev/null --max-time 3 http://forge.git.svc:3000/healthz; then\n    echo up\n    break\n  fi\n  sleep \"$PAUSE\"\ndone",
        s(840.0),
        s(1344.0),
    ),
    (
        "the last round leaves before its sleep",
        "for n in $(seq 1 120); do\n  st=$(curl -s -o /tmp/o -w '%{http_code}' \"${API}/api/v1/secrets/x\")\n  if [ \"$st\" = \"200\" ]; then break; fi\n  if [ \"$n\" = \"120\" ]; then echo late >&2; exit 1; fi\n  sleep 5\ndone",
        s(595.0),
        NEVER,
    ),
    (
        "a clock",
        "T=60\nend=$(( $(date +%s) + ${T} ))\nwhile [ \"$(date +%s)\" -lt \"${end}\" ]; do\n  st=$(curl -ksS -o /tmp/b -w '%{http_code}' --max-time 5 -X POST --data '{}' https://hook.sys.svc/x 2>/tmp/e || echo \"000\")\n  case \"${st}\" in\n    200|400|405|415|422) exit 0 ;;\n    *) sleep 2 ;;\n  esac\ndone\nexit 1",
        s(60.0),
        s(67.0),
    ),
    (
        "a tool with a flag",
        "dockerize -wait \"tcp://$DB_HOST:$DB_PORT\" -timeout 120s",
        s(120.0),
        s(120.0),
    ),
    (
        "no bound",
        "READY=\"pg_isready -h db -p 5432\";\nuntil $READY;\ndo\n  sleep 2;\ndone;",
        NEVER,
        NEVER,
    ),
    (
        "a counter that is checked inside",
        "TRIES=0\nMOST=29\n$CLIENT\nRC=$?\nuntil [ $RC = 0 ]; do\n  TRIES=$(expr $TRIES + 1)\n  if [ $TRIES -gt $MOST ]; then\n    exit 1\n  fi\n  sleep 2 # not 1\n  $CLIENT\n  RC=$?\ndone",
        s(58.0),
        NEVER,
    ),
    (
        "wait-for-it with a limit",
        "./wait-for-it.sh db:5432 -t 60 -- echo up",
        s(60.0),
        s(60.0),
    ),
];

#[test]
fn every_shape_has_its_span() {
    let mut wrong = Vec::new();
    for (name, text, nominal, worst) in SHAPES {
        let reading = script(text);
        match reading.waits.as_slice() {
            [wait] if wait.span.nominal == limit(*nominal) && wait.span.worst == limit(*worst) => {}
            waits => wrong.push(format!(
                "{name}: {:?} {:?} {:?}",
                waits
                    .iter()
                    .map(|w| (w.span.to_string(), w.arithmetic.clone()))
                    .collect::<Vec<_>>(),
                reading.calls,
                reading.unread
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Reads the manifests of a directory that `HOOKBUDGET_CORPUS` names and prints what was read: to look at by
/// hand, `cargo test --test wait_loops corpus -- --nocapture`.
#[test]
fn corpus_can_be_looked_at() {
    let Some(directory) = std::env::var_os("HOOKBUDGET_CORPUS") else {
        return;
    };
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|ending| ending == "json"))
    {
        let containers: Vec<serde_json::Value> =
            serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        for container in containers {
            let words = |name: &str| -> Vec<String> {
                let list = container[name].as_array().cloned().unwrap_or_default();
                list.iter()
                    .map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned))
                    .collect()
            };
            let (command, args) = (words("command"), words("args"));
            let command: Vec<_> = command.iter().map(String::as_str).collect();
            let args: Vec<_> = args.iter().map(String::as_str).collect();
            let env = |name: &str| match &container["env"][name] {
                serde_json::Value::String(value) => {
                    EnvValue::Known(Box::leak(value.clone().into_boxed_str()))
                }
                serde_json::Value::Null => EnvValue::Unset,
                _ => EnvValue::Hidden,
            };
            let reading = read(&command, &args, &env);
            println!(
                "== {} {} visible={}",
                file.display(),
                container["name"],
                reading.visible
            );
            for wait in &reading.waits {
                let target = wait.target.as_ref().map(ToString::to_string);
                println!(
                    "   wait {} | {} | {target:?} | falls_through {} | {:?} | ready {:?} fatal {:?} attempts {:?}",
                    wait.span,
                    wait.arithmetic,
                    wait.falls_through,
                    wait.confidence,
                    wait.ready_statuses,
                    wait.fatal_statuses,
                    wait.attempts
                );
            }
            for call in &reading.calls {
                println!(
                    "   call {} {:?} limit {}",
                    call.tool,
                    call.target.as_ref().map(ToString::to_string),
                    call.limit
                );
            }
            for unread in &reading.unread {
                println!("   unread {:?}: {}", unread.place, unread.why);
            }
        }
    }
}
