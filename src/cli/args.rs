//! The command line's words.

use clap::{Parser, Subcommand};

use super::terminal::Color;

/// Keeps Kubernetes hook Jobs alive through slow cold starts, and says why when they die.
#[derive(Debug, Parser)]
#[command(
    name = "hookbudget",
    version,
    about,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Examples:
  hookbudget demo                       all of it, on this machine
  helm template . | hookbudget lint -   do the clocks of a chart's hooks fit?
  hookbudget simulate job.yaml          what if its dependency never comes up?
  hookbudget diagnose job/zones -n dns  why did it fail, and what to repair first?
  hookbudget explain HB101              what a finding means, and what to do"
)]
pub struct Cli {
    /// When to colour the output.
    #[arg(long, value_enum, default_value_t = Color::Auto, global = true)]
    pub color: Color,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Find hook Jobs whose clocks do not fit into each other, in manifests.
    Lint(super::lint::LintArgs),
    /// Play a Job's timeline: attempts, pauses, who ends it and when.
    Simulate(super::simulate::SimulateArgs),
    /// Check a policy file, show the policy in force, print its JSON Schema.
    Policy(super::policy::PolicyArgs),
    /// Show the page of a rule or of a root cause.
    Explain(super::explain::ExplainArgs),
    /// Say why a Job failed or does not end: root cause, chain, evidence, what to repair first.
    #[cfg(feature = "server")]
    Diagnose(super::diagnose::DiagnoseArgs),
    /// Print the completions of a shell.
    Completions(super::completions::CompletionsArgs),
    /// Print the manual page, or write the pages of all commands.
    Man(super::completions::ManArgs),
    /// See all of it on this machine, without a cluster.
    #[cfg(feature = "server")]
    Demo(super::demo::DemoArgs),
    /// Judge and rewrite hook Jobs when they are created: the admission webhook.
    #[cfg(feature = "server")]
    Webhook(super::webhook::WebhookArgs),
    /// Is the installed webhook right: configuration, authority, certificate, reachability, policy, permissions?
    #[cfg(feature = "server")]
    Check(super::check::CheckArgs),
    /// Make or replace the certificates that the webhook keeps in its Secret.
    #[cfg(feature = "server")]
    Certs(super::certs::CertsArgs),
    /// Remove the webhook configurations and the keys in the Secret, before an uninstall.
    #[cfg(feature = "server")]
    Cleanup(super::cleanup::CleanupArgs),
    /// Watch a cluster: metrics, status page, diagnoses.
    #[cfg(feature = "server")]
    Exporter(super::exporter::ExporterArgs),
}
