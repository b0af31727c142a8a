//! `--stack`: the Prometheus and the Alertmanager of this machine on what the demo shows, with the shipped rules and
//! routes.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

/// The shipped rules.
const RULES: &str = include_str!("../../../dashboards/alerts/hookbudget.yaml");
/// The shipped routes and their template.
const ROUTES: &str = include_str!("../../../dashboards/alertmanager/alertmanager.yaml");
const TEMPLATE: &str = include_str!("../../../dashboards/alertmanager/hookbudget.tmpl");
/// What each of the two is called: Debian's package first, then what others call it.
const PROMETHEUS: &[&str] = &["prometheus"];
const ALERTMANAGER: &[&str] = &["prometheus-alertmanager", "alertmanager"];

/// What to do where they are not installed.
pub(super) const MISSING: &str = "Prometheus and Alertmanager are not both on the PATH. On Debian: \
     apt-get install --no-install-recommends prometheus prometheus-alertmanager";

/// Both programs; they end with this value.
pub(super) struct Stack {
    pub(super) prometheus: SocketAddr,
    pub(super) alertmanager: SocketAddr,
    folder: PathBuf,
    children: Vec<Child>,
}

impl Drop for Stack {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may have heard Ctrl-C too.
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Starts both on the metrics at an address; `None` where one is not installed.
pub(super) fn start(target: SocketAddr) -> anyhow::Result<Option<Stack>> {
    let (Some(prometheus), Some(alertmanager)) = (found(PROMETHEUS), found(ALERTMANAGER)) else {
        return Ok(None);
    };
    let folder = std::env::temp_dir().join(format!("hookbudget-demo-{}", std::process::id()));
    DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let mut stack = Stack {
        prometheus: free(target, 9090)?,
        alertmanager: free(target, 9093)?,
        folder,
        children: Vec::new(),
    };
    stack.write("rules.yml", RULES)?;
    stack.write("alertmanager.yml", &routes())?;
    stack.write("hookbudget.tmpl", TEMPLATE)?;
    stack.write("prometheus.yml", &scrapes(target, stack.alertmanager))?;
    let folder = stack.folder.display().to_string();
    stack.run(
        &alertmanager,
        &[
            &format!("--config.file={folder}/alertmanager.yml"),
            &format!("--storage.path={folder}/alertmanager"),
            &format!("--web.listen-address={}", stack.alertmanager),
            "--cluster.listen-address=",
        ],
    )?;
    stack.run(
        &prometheus,
        &[
            &format!("--config.file={folder}/prometheus.yml"),
            &format!("--storage.tsdb.path={folder}/prometheus"),
            &format!("--web.listen-address={}", stack.prometheus),
        ],
    )?;
    Ok(Some(stack))
}

impl Stack {
    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    fn run(&mut self, program: &Path, arguments: &[&str]) -> anyhow::Result<()> {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let log = File::create(self.folder.join(format!("{name}.log")))?;
        let child = Command::new(program)
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        self.children.push(child);
        Ok(())
    }
}

/// The first of these programs that is on the PATH.
fn found(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|program| program.is_file())
}

/// The usual port of the host that the demo serves at, or any when it is taken.
fn free(beside: SocketAddr, usual: u16) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(SocketAddr::new(beside.ip(), usual))
        .or_else(|_| TcpListener::bind(SocketAddr::new(beside.ip(), 0)))
        .with_context(|| format!("no port is free at {}", beside.ip()))?;
    Ok(listener.local_addr()?)
}

/// The shipped routes with receivers that tell nobody: the demo sends nothing anywhere.
fn routes() -> String {
    let (routes, receivers) = ROUTES.split_once("\nreceivers:\n").unwrap_or((ROUTES, ""));
    let mut text = format!("{routes}\nreceivers:\n");
    for line in receivers.lines().filter(|line| line.starts_with("  - name: ")) {
        let _ = writeln!(text, "{line}");
    }
    text
}

fn scrapes(target: SocketAddr, alertmanager: SocketAddr) -> String {
    format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 5s}}
rule_files: [rules.yml]
alerting:
  alertmanagers:
    - static_configs: [{{targets: [\"{alertmanager}\"]}}]
scrape_configs:
  - job_name: hookbudget
    honor_labels: true
    static_configs: [{{targets: [\"{target}\"]}}]
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_by_the_demo_and_every_receiver_is_there() {
        let text = routes();
        assert!(
            !text.contains("chat.example") && !text.contains("slack"),
            "{text}"
        );
        for receiver in ["nobody", "default", "platform", "app", "network"] {
            assert!(text.contains(&format!("\n  - name: {receiver}\n")), "{receiver}");
        }
    }
}
