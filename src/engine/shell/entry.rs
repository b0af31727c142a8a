//! From a container's `command` and `args` to the script that runs.

use std::cell::OnceCell;

use super::files::Files;
use super::images;
use super::interp::{Doom, End, Machine, Source};
use super::reading::{EnvValue, Failure, Place, ReadConfidence, Reading, Unread};
use super::syntax;
use super::value::Value;
use crate::engine::downloads::installs;
use crate::engine::job::Container;

/// The most calls whose failure is followed to the end of the script: each takes a run of its own.
const MOST_FOLLOWED: usize = 6;

/// The text behind `-c`, with the options that matter.
pub(super) struct Script {
    pub text: Value,
    /// Which of the arguments the text is.
    pub index: usize,
    pub errexit: bool,
    /// `$1` and what follows.
    pub arguments: Vec<Value>,
}

/// Finds the text of `sh -c TEXT [NAME [ARGUMENT..]]` in the arguments of a shell.
pub(super) fn script_of(arguments: &[Value]) -> Option<Script> {
    let (mut command, mut errexit, mut at) = (false, false, 0);
    loop {
        let argument = arguments.get(at)?;
        let text = argument.get().unwrap_or_default();
        match text.strip_prefix(['-', '+']) {
            Some(flags) if !flags.is_empty() && !flags.starts_with('-') => {
                let on = text.starts_with('-');
                command |= on && flags.contains('c');
                errexit |= on && flags.contains('e');
                at += 1;
                if flags.ends_with('o') {
                    errexit |= on && arguments.get(at).and_then(Value::get) == Some("errexit");
                    at += 1;
                }
            }
            Some(_) if text.starts_with("--") => at += 1,
            _ if command => {
                return Some(Script {
                    text: argument.clone(),
                    index: at,
                    errexit,
                    arguments: arguments.get(at + 2..).unwrap_or_default().to_vec(),
                });
            }
            _ => return None,
        }
    }
}

/// Finds the file of `sh [OPTION..] FILE [ARGUMENT..]`: its index, and whether `-e` is set.
pub(super) fn file_of(arguments: &[Value]) -> Option<(usize, bool)> {
    let (mut errexit, mut at) = (false, 0);
    loop {
        let text = arguments.get(at)?.text.as_str();
        match text.strip_prefix('-').or_else(|| text.strip_prefix('+')) {
            Some("" | "-") | None => break,
            Some(flags) if flags.starts_with('-') => at += 1,
            Some(flags) => {
                let on = text.starts_with('-');
                errexit |= on && flags.contains('e');
                at += 1;
                if flags.ends_with('o') {
                    errexit |= on && arguments.get(at).and_then(Value::get) == Some("errexit");
                    at += 1;
                }
            }
        }
    }
    if arguments.get(at)?.text == "--" {
        at += 1;
    }
    arguments.get(at).map(|_| (at, errexit))
}

/// Reads the waits of `command` and `args` alone.
///
/// `env` tells what the manifest says of a name. Nothing is read but the arguments, nothing runs, and the
/// time is bounded: 128 KiB of script, 200,000 steps.
#[must_use]
pub fn read<'e>(command: &[&str], args: &[&str], env: &'e dyn Fn(&str) -> EnvValue<'e>) -> Reading {
    read_mounted(command, args, "", env, Files::default())
}

/// Reads the waits of a container, with the environment that its `env` states and the scripts that it mounts
/// from `ConfigMap`s.
#[must_use]
pub fn read_container(container: &Container<'_>, files: Files<'_>) -> Reading {
    let command = container.command.iter().map(AsRef::as_ref).collect::<Vec<_>>();
    let args = container.args.iter().map(AsRef::as_ref).collect::<Vec<_>>();
    // Few scripts look at a name that they have not set.
    let env = OnceCell::new();
    let known = |name: &str| env.get_or_init(|| super::environment::of(container)).get(name);
    let files = files.mounted(container);
    let mut reading = read_mounted(&command, &args, &container.image, &known, files);
    reading.installs = installs(container);
    reading
}

fn read_mounted<'e>(
    command: &[&str],
    args: &[&str],
    image: &str,
    env: &'e dyn Fn(&str) -> EnvValue<'e>,
    files: Files<'e>,
) -> Reading {
    let mut words = command
        .iter()
        .chain(args)
        .map(|word| expanded(word, env))
        .collect::<Vec<_>>();
    let elements = words.len();
    if command.is_empty() && !starts_like_a_command(&words) {
        let first = words.first().map(|word| word.text.as_str()).unwrap_or_default();
        let Some(tool) = images::entrypoint(image, first) else {
            let why = if args.is_empty() {
                "the image's own entrypoint runs"
            } else {
                "the image's own entrypoint runs with the arguments"
            };
            return Reading {
                unread: vec![unread(0, why)],
                ..Reading::default()
            };
        };
        words.insert(0, Value::known(tool));
        let mut reading = command_reading(&words, elements, image, env, files);
        for wait in &mut reading.waits {
            // That the image has this entrypoint is not in the manifest.
            wait.confidence = wait.confidence.min(ReadConfidence::Likely);
        }
        return reading;
    }
    let Some((first, rest)) = words.split_first() else {
        return Reading::default();
    };
    let base = first.text.rsplit('/').next().unwrap_or_default();
    if is_shell(base)
        && let Some(script) = script_of(rest)
    {
        let shell = (base, images::sh_expands_braces(image));
        return script_reading(&script, script.index + 1, elements, shell, env, files);
    }
    command_reading(&words, elements, image, env, files)
}

/// Any other command line runs as a script of one command would.
fn command_reading<'e>(
    words: &[Value],
    elements: usize,
    image: &str,
    env: &'e dyn Fn(&str) -> EnvValue<'e>,
    files: Files<'e>,
) -> Reading {
    let Some(first) = words.first() else {
        return Reading::default();
    };
    let base = first.text.rsplit('/').next().unwrap_or_default();
    let run = |doom: Option<Doom>| {
        let mut machine = Machine::new(env, Source::fixed(Place::default()));
        machine.set_files(files, elements);
        machine.set_shell("sh", images::sh_expands_braces(image));
        if let Some(doom) = doom {
            machine.fail(doom);
        }
        machine.run_command(words);
        machine
    };
    let mut reading = run(None).into_reading();
    tell_failures(&mut reading, &|doom| run(Some(doom)).end());
    let read = !reading.waits.is_empty() || !reading.calls.is_empty() || !reading.files.is_empty();
    if !read && !is_readable(base) {
        reading.visible = false;
        if reading.unread.is_empty() {
            let why = format!("the manifest does not show what `{}` does", first.text);
            reading.unread.push(unread(0, &why));
        }
    }
    reading
}

fn script_reading<'e>(
    script: &Script,
    element: usize,
    elements: usize,
    (shell, sh_braces): (&str, Option<bool>),
    env: &'e dyn Fn(&str) -> EnvValue<'e>,
    files: Files<'e>,
) -> Reading {
    let Some(text) = script.text.get() else {
        let why = script.text.unknown.as_deref().unwrap_or_default();
        let why = format!("the script is not wholly known: {why}");
        return Reading {
            unread: vec![unread(element, &why)],
            ..Reading::default()
        };
    };
    let (list, error) = syntax::parse(text);
    let source = Source::element(element, text);
    let run = |doom: Option<Doom>| {
        let mut machine = Machine::new(env, source.clone());
        machine.set_shell(shell, sh_braces);
        machine.set_options(script.errexit, script.arguments.clone());
        machine.set_files(files, elements);
        machine.note_line_ends(text, &source);
        if let Some(doom) = doom {
            machine.fail(doom);
        }
        machine.run(&list);
        machine
    };
    let mut reading = run(None).into_reading();
    if error.is_none() {
        tell_failures(&mut reading, &|doom| run(Some(doom)).end());
    }
    if let Some(error) = error {
        reading.unread.push(Unread {
            place: source.place(error.at),
            why: error.why,
        });
        reading.visible = false;
    }
    reading
}

/// Follows each call's failure to the end of the script.
fn tell_failures(reading: &mut Reading, end: &dyn Fn(Doom) -> End) {
    if reading.calls.is_empty() && reading.waits.is_empty() {
        return;
    }
    let mut all = None;
    for call in reading
        .calls
        .iter_mut()
        .filter(|call| call.is_service_call())
        .take(MOST_FOLLOWED)
    {
        let end = end(Doom::At(call.place));
        call.failure = end.outcome;
        // Where no call has worked, all have failed.
        all = all.or((!end.spared).then_some(end.outcome));
    }
    reading.never_fails = reading.visible
        && reading.calls.iter().all(|call| call.failure != Failure::Ends)
        && all.unwrap_or_else(|| end(Doom::All).outcome) == Failure::Swallowed;
}

/// `args` alone often start with a shell or a tool, and many images run what they are given.
fn starts_like_a_command(words: &[Value]) -> bool {
    let first = words.first().map(|word| word.text.as_str()).unwrap_or_default();
    let base = first.rsplit('/').next().unwrap_or_default();
    is_shell(base) || matches!(base, "wait-for-it.sh" | "dockerize" | "timeout" | "sleep")
}

/// Programs whose command line says all.
fn is_readable(base: &str) -> bool {
    matches!(base, "true" | "false" | "echo" | "env" | "timeout")
}

fn is_shell(base: &str) -> bool {
    super::interp::is_shell(base)
}

fn unread(element: usize, why: &str) -> Unread {
    Unread {
        place: Place {
            element,
            ..Place::default()
        },
        why: why.to_owned(),
    }
}

/// Replaces `$(NAME)` as the kubelet does in `command` and `args`: `$$` stands for one `$`, and a name that is
/// not set stays as it is (kubernetes/kubernetes, `third_party/forked/golang/expansion`).
fn expanded<'e>(text: &str, env: &'e dyn Fn(&str) -> EnvValue<'e>) -> Value {
    let mut value = Value::default();
    super::environment::expand(text, &mut |piece| match piece {
        super::environment::Piece::Text(text) => value.text.push_str(text),
        super::environment::Piece::Name(name) => match env(name) {
            EnvValue::Known(text) => value.text.push_str(text),
            EnvValue::Unset => {
                value.text.push_str("$(");
                value.text.push_str(name);
                value.text.push(')');
            }
            EnvValue::Hidden => {
                let why = format!("the manifest does not show the value of `$({name})`");
                value.push(&Value::unknown(format!("${name}"), why));
            }
        },
    });
    value
}
