//! The images of the plays: `PowerDNS` as Debian has it, and a chart's own image with the wait helper in it.

use crate::kit::run;

const BACKEND: &str = "/usr/lib/x86_64-linux-gnu/pdns/libgsqlite3backend.so";
const SCHEMA: &str = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql=/schema.sql";

/// Packs them and brings them into the cluster.
pub(super) fn import() {
    let cluster = std::env::var("HOOKBUDGET_CLUSTER").expect("tests/cluster/enter names the cluster");
    let image = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/image");
    let pack = |tag: &str, files: &[&str]| {
        let arguments = [&["--name", cluster.as_str(), tag], files].concat();
        let printed = run(image, &arguments, "");
        assert!(printed.ok, "{tag}: {}{}", printed.stdout, printed.stderr);
    };
    let backend = format!("{BACKEND}={BACKEND}");
    pack(
        "hookbudget-test/powerdns:1",
        &["/usr/sbin/pdns_server", "/usr/bin/sqlite3", &backend, SCHEMA],
    );
    // The static one that the product's image holds, where `tests/cluster/run` has built it.
    let built = std::env::var("HOOKBUDGET_TEST_LOGS").map(|logs| format!("{logs}/bin/hookbudget-wait"));
    let helper = built
        .ok()
        .filter(|path| std::path::Path::new(path).exists())
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_hookbudget-wait").to_owned());
    pack("hookbudget-test/zones:1", &["/usr/bin/curl", &helper]);
}
