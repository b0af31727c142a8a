# Everything that a developer does here, by name. `just` alone lists it.

set shell := ["bash", "-euo", "pipefail", "-c"]

# List what there is
default:
    @just --list --unsorted

# Install what the tests need: Debian packages and the tools of the test cluster
setup:
    tests/setup

# Run the tests that need no cluster; arguments go to cargo test
test *arguments:
    cargo test {{ arguments }}

# Run what CI runs, the real cluster included
ci:
    .ci/run

# Check format, lints, and that the engine and the wait helper build alone
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    cargo clippy --test cluster --test observability --test servers -- -D warnings
    cargo check --no-default-features
    cargo check --no-default-features --features wait

# Check licences, sources and banned crates with cargo-deny; add `advisories` where the advisory database can be reached
deny *checks="bans licenses sources":
    tests/release/tools cargo-deny
    PATH="$(tests/release/tools --path):$PATH" cargo deny check {{ checks }}

# Write generated files and golden outputs anew; look at the diff before you commit it
bless:
    BLESS=1 INSTA_UPDATE=always INSTA_FORCE_PASS=1 cargo test

# Write generated files anew: the tests that check them also write them
gen: bless

# Measure the webhook beside a bare server, on loopback: options go to the measuring program (--help)
bench-webhook *options:
    cargo build --release --bin hookbudget --example webhook-bench
    ulimit -n "$(ulimit -H -n)"; taskset -c "$(($(nproc) - 1))" target/release/examples/webhook-bench {{ options }}

# Take the pictures of the status page and of the dashboards for the documentation, in Chromium
pictures:
    SHOTS={{ justfile_directory() }}/docs/images cargo test --test browser -- --ignored
    SHOTS={{ justfile_directory() }}/docs/images tests/observability/run every_panel

# Measure the exporter over an API server with 100,000 Jobs, on loopback: options go to the measuring program (--help)
bench-exporter *options:
    cargo build --release --bin hookbudget --example exporter-bench
    taskset -c "$(($(nproc) - 1))" target/release/examples/exporter-bench {{ options }}

# See the product on this machine, without a cluster
demo *arguments:
    cargo run --release -- demo {{ arguments }}

# Build the static wait helper for images FROM scratch
wait:
    tests/wait-limits --build

# Build both programs static, as the image has them, into target/HOST/release
static:
    RUSTFLAGS=-Ctarget-feature=+crt-static cargo build --release --locked --bins --target "$(rustc -vV | sed -n 's/^host: //p')"

# Make a release out of the last commit into target/dist; --twice builds the programs again elsewhere and compares
release *options:
    tests/release/run {{ options }}

# Start a real Kubernetes of one node for tests
cluster *options:
    tests/cluster/up {{ options }}

# Run a command inside the test cluster's network: just in-cluster kubectl get nodes
in-cluster +command:
    tests/cluster/enter {{ command }}

# Take the test cluster down
cluster-down *options:
    tests/cluster/down {{ options }}

# Bring about every fault under a steady load of Jobs, and write the table of docs/design/faults.md (about 15 minutes)
faults *names:
    tests/cluster/fault-table {{ names }}

# Play the incidents A to D on a real cluster, before and after (about 5 minutes; --full: half an hour, writes docs/incidents)
incidents *which:
    tests/incidents/run {{ which }}

# Check the chart with helm: lint, and render it in each certificate mode
chart:
    helm lint --strict charts/hookbudget
    helm template hookbudget charts/hookbudget --kube-version 1.33.0 > /dev/null
    helm template hookbudget charts/hookbudget --kube-version 1.33.0 --set certs.mode=cert-manager > /dev/null
    helm template hookbudget charts/hookbudget --kube-version 1.33.0 --set certs.mode=provided,certs.secretName=tls,certs.caBundle=LQ== > /dev/null

# Check the alert rules and run their tests with promtool
alerts:
    promtool check rules dashboards/alerts/*.yaml
    promtool test rules dashboards/alerts/tests/*.yaml
    amtool check-config dashboards/alertmanager/alertmanager.yaml

# Let the incidents happen before a live Prometheus and Alertmanager, and draw the dashboards on them
observability *arguments:
    tests/observability/run {{ arguments }}

# Measure what watching costs a Prometheus, for docs/cost-of-watching.md (about 5 minutes)
cost-of-watching:
    tests/observability/run what_hook_jobs_cost --ignored

# Start a rule: just new-rule HB999 name-of-the-rule
new-rule code name:
    #!/usr/bin/env bash
    set -euo pipefail
    [[ {{ code }} =~ ^HB[1-9][0-9]{2}$ ]] || { echo "a code is HB and three digits, not {{ code }}" >&2; exit 1; }
    [[ {{ name }} =~ ^[a-z]+(-[a-z]+)+$ ]] || { echo "a name is words-in-lower-case, not {{ name }}" >&2; exit 1; }
    ! grep -rqs '"{{ code }}"' src/engine/rules || { echo "{{ code }} is taken; a code is never reused" >&2; exit 1; }
    module=$(tr - _ <<< {{ name }})
    file=src/engine/rules/$module.rs
    fixtures=tests/fixtures/rules/{{ code }}
    [ ! -e "$file" ] || { echo "$file exists" >&2; exit 1; }
    cat > "$file" <<RULE
    //! {{ code }}.

    use crate::engine::finding::{At, Confidence, Finding, Severity};
    use crate::engine::rule::{Context, rule};

    rule! {
        /// One sentence: what is wrong with such a Job.
        ///
        /// ## What it does
        ///
        /// ## Why is this bad?
        ///
        /// ## How to fix
        ///
        /// ## When to ignore
        ///
        "{{ code }}" "{{ name }}" Warning check
    }

    fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
        let wrong = false;
        if !wrong {
            return;
        }
        found.push(Finding {
            at: cx.at(|| At::field(cx.field("backoffLimit"))),
            brief: cx.brief(|_| "the numbers in a few words"),
            message: cx.message(|_| "the object and the field, the arithmetic, the consequence"),
            help: cx.help(|_| "the value to write"),
            ..RULE.finding(Severity::Warning, Confidence::Certain)
        });
    }
    RULE
    sed -i "0,/^pub mod /s//pub mod $module;\npub mod /; s/^];/    \&$module::RULE,\n];/" src/engine/rules/mod.rs
    cargo fmt
    mkdir -p "$fixtures"
    for case in passes fails; do
        printf '%s\n' 'apiVersion: batch/v1' 'kind: Job' 'metadata:' "  name: {{ name }}-$case" 'spec:' \
            '  template:' '    spec:' '      restartPolicy: Never' '      containers:' \
            '        - {name: main, image: "busybox:1.36", command: [sh, -c, "exit 0"]}' > "$fixtures/$case-first.yaml"
    done
    echo "made $file, $fixtures/{passes,fails}-first.yaml and the entry in src/engine/rules/mod.rs (move it into the order of the codes)"
    echo "next: write the page and the check, make fails-first.yaml fail, then: just test && just bless"

# Start a root cause: just new-cause name_of_the_cause (a value of the closed set in src/engine/root_cause.rs)
new-cause name:
    #!/usr/bin/env bash
    set -euo pipefail
    [[ {{ name }} =~ ^[a-z]+(_[a-z]+)*$ ]] || { echo "a cause is words_in_lower_case, not {{ name }}" >&2; exit 1; }
    kind=$(sed -E 's/(^|_)([a-z])/\U\2/g' <<< {{ name }})
    file=src/engine/causes/{{ name }}.rs
    [ ! -e "$file" ] || { echo "$file exists" >&2; exit 1; }
    grep -q "\b$kind\b" src/engine/root_cause.rs \
        || { echo "add $kind to the closed set in src/engine/root_cause.rs first: it is a label value" >&2; exit 1; }
    cat > "$file" <<CAUSE
    //! \`{{ name }}\`.

    use crate::engine::case::Case;
    use crate::engine::cause::{Match, cause};

    cause! {
        /// # What it is
        ///
        /// # Evidence
        ///
        /// # Not to be confused with
        ///
        /// # Repair
        ///
        /// # Do not
        ///
        $kind, find
    }

    fn find(_case: &Case<'_>) -> Option<Match> {
        None
    }

    #[cfg(test)]
    mod tests {
        use serde_json::json;

        use super::*;
        use crate::engine::testkit::{exited, failed, find};

        #[test]
        fn its_evidence_is_found() {
            let evidence = failed("BackoffLimitExceeded", 330, json!({"pods": exited(1, "Error")}));
            assert!(find(&$kind, &evidence).is_some());
        }

        #[test]
        fn its_neighbour_is_not() {
            let evidence = failed("BackoffLimitExceeded", 330, json!({"pods": exited(2, "Error")}));
            assert!(find(&$kind, &evidence).is_none());
        }
    }
    CAUSE
    sed -i "0,/^pub mod /s//pub mod {{ name }};\npub mod /; s/^ *&app_error::AppError,/\&{{ name }}::$kind,\n&/" src/engine/causes/mod.rs
    cargo fmt
    echo "made $file and its entry in src/engine/causes/mod.rs"
    echo "next: write the page, find the evidence, and a test with the nearest neighbour that must not match"
