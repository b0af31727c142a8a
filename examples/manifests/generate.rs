//! One made-up manifest from a seed and a number.

use std::fmt::Write as _;

/// What a manifest weighs; about what a rendered hook of a chart does.
const BYTES: usize = 4096;

/// Waits as people write them; `{n}`, `{s}` and `{m}` are numbers, `{host}` is a Service.
const SCRIPTS: &[&str] = &[
    "set -eu\nfor i in $(seq 1 {n}); do\n  if curl -sSf -o /dev/null --max-time {m} http://{host}:8080/healthz; then\n    break\n  fi\n  echo \"waiting for {host} ($i/{n})\"\n  sleep {s}\ndone\n",
    "set -e\ni=0\nuntil curl -fs --connect-timeout {m} \"http://{host}:3000/ready\"; do\n  i=$((i + 1))\n  if [ \"$i\" -ge {n} ]; then\n    echo \"{host} is not up\" >&2\n    exit 1\n  fi\n  sleep {s}\ndone\n",
    "until nc -z -w {m} {host} 5432; do\n  echo waiting for {host}\n  sleep {s}\ndone\npsql -h {host} -f /sql/schema.sql\n",
    "set -eu\ndeadline=$(($(date +%s) + {n}))\nwhile ! pg_isready -h {host} -t {m}; do\n  if [ \"$(date +%s)\" -gt \"$deadline\" ]; then\n    exit 1\n  fi\n  sleep {s}\ndone\n",
    "curl -sSf --max-time {m} -X POST http://{host}:8081/api/v1/zones --data @/config/zone.json\n",
    "kubectl wait --for=condition=Available deployment/{host} --timeout={n}s\n",
    "timeout {n} sh -c 'until wget -q -T {m} -O /dev/null http://{host}/; do sleep {s}; done'\n",
];

/// A manifest of about [`BYTES`] bytes: mostly Jobs, with what stands beside them in a chart.
pub(crate) fn manifest(seed: u64, number: u32) -> String {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(number));
    let mut text = String::with_capacity(BYTES + 512);
    match number % 10 {
        8 => config_map(&mut text, &mut dice, number),
        9 => helm_release(&mut text, number),
        other => job(&mut text, &mut dice, number, other == 7),
    }
    text
}

fn job(text: &mut String, dice: &mut Dice, number: u32, cron: bool) {
    let namespace = number / 10;
    let (version, kind) = if cron {
        ("batch/v1", "CronJob")
    } else {
        ("batch/v1", "Job")
    };
    let _ = writeln!(text, "apiVersion: {version}\nkind: {kind}\nmetadata:");
    let _ = writeln!(text, "  name: hook-{number}\n  namespace: team-{namespace}");
    text.push_str("  labels:\n    app.kubernetes.io/name: hook\n    app.kubernetes.io/managed-by: Helm\n");
    text.push_str("  annotations:\n    helm.sh/hook: post-install,post-upgrade\n");
    let _ = writeln!(text, "    helm.sh/hook-weight: \"{}\"\nspec:", dice.roll(10));
    let pad = if cron {
        text.push_str("  schedule: \"17 2 * * *\"\n  jobTemplate:\n    spec:\n");
        "      "
    } else {
        "  "
    };
    let _ = writeln!(text, "{pad}backoffLimit: {}", dice.roll(8));
    if dice.roll(3) > 0 {
        let _ = writeln!(text, "{pad}activeDeadlineSeconds: {}", 120 * (1 + dice.roll(9)));
    }
    let policy = if dice.roll(2) == 0 { "Never" } else { "OnFailure" };
    let _ = writeln!(
        text,
        "{pad}template:\n{pad}  spec:\n{pad}    restartPolicy: {policy}"
    );
    let _ = writeln!(text, "{pad}    containers:\n{pad}      - name: main");
    let _ = writeln!(text, "{pad}        image: registry.example/tools:{number}");
    let _ = writeln!(
        text,
        "{pad}        command: [/bin/sh, -c]\n{pad}        args:\n{pad}          - |"
    );
    for line in script(dice, number).lines() {
        let _ = writeln!(text, "{pad}            {line}");
    }
    let _ = writeln!(text, "{pad}        env:");
    let mut variable = 0;
    while text.len() < BYTES - 120 {
        let _ = writeln!(
            text,
            "{pad}          - name: SETTING_{variable}\n{pad}            value: \"{:016x}\"",
            dice.next()
        );
        variable += 1;
    }
    let _ = writeln!(
        text,
        "{pad}        resources:\n{pad}          limits:\n{pad}            memory: 128Mi"
    );
}

fn script(dice: &mut Dice, number: u32) -> String {
    let pick = usize::try_from(dice.roll(SCRIPTS.len() as u64)).unwrap_or(0);
    SCRIPTS[pick]
        .replace("{host}", &format!("api-{}", number / 10))
        .replace("{n}", &(30 + dice.roll(170)).to_string())
        .replace("{s}", &(2 + dice.roll(9)).to_string())
        .replace("{m}", &(1 + dice.roll(10)).to_string())
}

fn config_map(text: &mut String, dice: &mut Dice, number: u32) {
    let namespace = number / 10;
    let _ = writeln!(text, "apiVersion: v1\nkind: ConfigMap\nmetadata:");
    let _ = writeln!(
        text,
        "  name: config-{number}\n  namespace: team-{namespace}\ndata:"
    );
    let mut key = 0;
    while text.len() < BYTES - 60 {
        let _ = writeln!(text, "  key-{key}: \"{:016x}{:016x}\"", dice.next(), dice.next());
        key += 1;
    }
}

fn helm_release(text: &mut String, number: u32) {
    let namespace = number / 10;
    text.push_str("apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata:\n");
    let _ = writeln!(
        text,
        "  name: release-{number}\n  namespace: team-{namespace}\nspec:"
    );
    text.push_str("  interval: 10m\n  timeout: 15m\n  values:\n");
    let mut key = 0;
    while text.len() < BYTES - 60 {
        let _ = writeln!(
            text,
            "    setting{key}:\n      enabled: true\n      replicas: {key}"
        );
        key += 1;
    }
}

/// Numbers from a seed: `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators").
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.next() % sides.max(1)
    }
}
