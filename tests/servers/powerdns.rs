//! `PowerDNS`: the API that incident A's hook waits for, by its key, and names that come up late.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;

use super::kit::{Running, Wait, free, listening, run, wait};

const SCHEMA: &str = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql";
const KEY: &str = "X-API-Key=secret-of-the-test";

/// A server without a database yet.
struct PowerDns {
    folder: TempDir,
    api: SocketAddr,
    dns: SocketAddr,
}

impl PowerDns {
    fn new(address: &str) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            api: free(address),
            dns: free(address),
        }
    }

    fn database(&self) -> String {
        self.folder.path().join("zones.db").display().to_string()
    }

    fn fill(&self) {
        run("sqlite3", &[&self.database(), &format!(".read {SCHEMA}")]);
    }

    fn start(&self) -> Running {
        let (api, dns, folder) = (self.api, self.dns, self.folder.path().display());
        let arguments = [
            "--config-dir=/nonexistent".to_owned(),
            "--launch=gsqlite3".to_owned(),
            format!("--gsqlite3-database={}", self.database()),
            format!("--local-address={dns}"),
            "--api=yes".to_owned(),
            "--api-key=secret-of-the-test".to_owned(),
            "--webserver=yes".to_owned(),
            format!("--webserver-address={}", api.ip()),
            format!("--webserver-port={}", api.port()),
            "--webserver-allow-from=127.0.0.0/8".to_owned(),
            format!("--socket-dir={folder}"),
            "--guardian=no".to_owned(),
            "--daemon=no".to_owned(),
            "--disable-syslog=yes".to_owned(),
            "--zone-cache-refresh-interval=0".to_owned(),
            "--negquery-cache-ttl=0".to_owned(),
            "--query-cache-ttl=0".to_owned(),
            "--cache-ttl=0".to_owned(),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Running::start("/usr/sbin/pdns_server", &arguments)
    }

    fn servers(&self) -> String {
        format!("http://{}/api/v1/servers", self.api)
    }
}

#[test]
fn its_api_is_waited_for_until_it_answers() {
    let server = PowerDns::new("127.88.1.1");
    server.fill();
    let url = server.servers();
    let mut waiting = Wait::start(&["--header", KEY, "--expect-body", r#""id": ?"localhost""#, &url]);
    waiting.says("000 connection refused");
    let _running = server.start();
    let last = waiting.ends(0);
    assert!(
        last.starts_with("ready: ") && last.contains("(200 OK, "),
        "{last}"
    );
}

#[test]
fn a_wrong_key_ends_the_wait_at_once() {
    let server = PowerDns::new("127.88.1.2");
    server.fill();
    let _running = server.start();
    listening(server.api);
    let last = wait(&["--header=X-API-Key=wrong", &server.servers()], 77);
    assert!(last.contains("answered 401 Unauthorized"), "{last}");
}

#[test]
fn its_zones_are_waited_for_while_its_database_is_not_there() {
    let server = PowerDns::new("127.88.1.3");
    fs::write(server.database(), "").expect("an empty database");
    let _running = server.start();
    listening(server.api);
    let zones = format!("{}/localhost/zones", server.servers());
    let mut waiting = Wait::start(&["--header", KEY, &zones]);
    waiting.says("500 Internal Server Error");
    server.fill();
    waiting.ends(0);
}

/// A network of its own, where this server is the only one that is asked for names.
#[test]
fn a_name_that_appears_is_found() {
    let server = PowerDns::new("127.88.1.4");
    server.fill();
    let resolver = server.folder.path().join("resolv.conf");
    fs::write(&resolver, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n").expect("a file");
    // The name comes once it has been asked for in vain.
    let asked = server.folder.path().join("asked");
    let script = format!(
        "ip link set lo up && mount --bind {} /etc/resolv.conf && \
         sqlite3 {db} \"INSERT INTO domains(name, type) VALUES ('late.test', 'NATIVE'); \
           INSERT INTO records(domain_id, name, type, content, ttl, auth) VALUES \
           (1, 'late.test', 'SOA', 'a.late.test b.late.test 1 1 1 1 1', 1, 1)\" && \
         {{ /usr/sbin/pdns_server --config-dir=/nonexistent --launch=gsqlite3 --gsqlite3-database={db} \
           --local-address=127.0.0.1:53 --socket-dir={} --guardian=no --daemon=no --disable-syslog=yes \
           --zone-cache-refresh-interval=0 --negquery-cache-ttl=0 --query-cache-ttl=0 --cache-ttl=0 \
           >/dev/null 2>&1 & \
         }}; \
         {{ timeout 60 sh -c 'until [ -e {asked} ]; do sleep 0.1; done'; \
           sqlite3 {db} \"INSERT INTO records(domain_id, name, type, content, ttl, auth) VALUES \
           (1, 'powerdns.late.test', 'A', '127.0.0.9', 1, 1)\"; }} & \
         {} --timeout 60s --interval 300ms dns://powerdns.late.test",
        resolver.display(),
        server.folder.path().display(),
        env!("CARGO_BIN_EXE_hookbudget-wait"),
        asked = asked.display(),
        db = server.database(),
    );
    let mut command = Command::new("unshare");
    // All of it ends with the first process, also where the test fails.
    command.args([
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "bash",
        "-c",
        &script,
    ]);
    let mut waiting = Wait::of(&mut command);
    waiting.says("000 name not found");
    fs::write(&asked, "").expect("a file");
    let last = waiting.ends(0);
    assert!(last.contains("(127.0.0.9, "), "{last}");
}
