//! Redirections: where output goes, and probes of the form `>/dev/tcp/HOST/PORT`.

use super::super::syntax::{Command, RedirectKind};
use super::super::tools::{Call, target};
use super::super::value::Value;
use super::{Flow, Machine};

impl Machine<'_> {
    /// True when what the command prints does not reach the enclosing substitution.
    pub(super) fn silenced(&self, command: &Command) -> bool {
        self.output.is_some()
            && command.redirects.iter().any(|redirect| {
                let standard = matches!(redirect.fd, None | Some(1));
                standard && matches!(redirect.kind, RedirectKind::Write | RedirectKind::Duplicate)
            })
    }

    /// Prints into the enclosing substitution.
    pub(super) fn print(&mut self, value: &Value) {
        if let Some(mut output) = self.output.take() {
            self.append(&mut output, value);
            self.output = Some(output);
        }
    }

    /// bash opens a connection for a redirection to `/dev/tcp/HOST/PORT`.
    /// `None` where there is no such redirection.
    pub(super) fn redirected_probe(&mut self, command: &Command) -> Option<Flow> {
        for redirect in &command.redirects {
            if redirect.kind == RedirectKind::HereDocument || redirect.target.parts.is_empty() {
                continue;
            }
            let file = self.word(&redirect.target);
            let Some(address) = file
                .text
                .strip_prefix("/dev/tcp/")
                .or_else(|| file.text.strip_prefix("/dev/udp/"))
            else {
                continue;
            };
            let mut parts = address.splitn(2, '/');
            let host = parts.next().unwrap_or_default();
            let port = parts.next().unwrap_or_default();
            let call = Call::of("/dev/tcp", Some(target::of_host(host, Some(port))));
            return Some(self.call(command.at, call));
        }
        None
    }
}
