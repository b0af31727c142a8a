//! What can be told of a piece of script without running it.

use std::collections::BTreeSet;

use super::super::syntax::{Item, Kind, List, Part, Pipeline, Word};
use super::Machine;

/// What a piece of script holds.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // marks that do not exclude each other
pub(super) struct Looks {
    /// `break`, `exit` or `return`.
    pub leaves: bool,
    /// `exit` or `return` with a status other than 0.
    pub fails: bool,
    /// `break`, or `exit` or `return` with a status that may be 0.
    pub leaves_well: bool,
    pub sleeps: bool,
    pub loops: bool,
    /// Number of commands.
    pub size: usize,
}

pub(super) fn list(list: &List) -> Looks {
    let mut looks = Looks::default();
    walk_list(list, &mut |name, words| note(&mut looks, name, words));
    looks
}

/// Calls `see` with the name and the words of each simple command.
pub(super) fn item(item: &Item, see: &mut dyn FnMut(&str, &[Word])) {
    walk_item(item, see);
}

/// What a function's body holds, and whether it calls the function.
pub(super) fn function(body: &List, own: &str) -> (Looks, bool) {
    let (mut looks, mut recurs) = (Looks::default(), false);
    walk_list(body, &mut |name, words| {
        note(&mut looks, name, words);
        recurs |= name == own;
    });
    (looks, recurs)
}

pub(super) fn pipeline(pipeline: &Pipeline) -> Looks {
    let mut looks = Looks::default();
    walk_pipeline(pipeline, &mut |name, words| note(&mut looks, name, words));
    looks
}

fn note(looks: &mut Looks, name: &str, words: &[Word]) {
    looks.size += 1;
    let base = name.rsplit('/').next().unwrap_or(name);
    match base {
        "break" => {
            looks.leaves = true;
            looks.leaves_well = true;
        }
        "exit" | "return" => {
            looks.leaves = true;
            looks.fails |= words.get(1).is_some_and(|word| word.bare() != Some("0"));
            let code = words
                .get(1)
                .and_then(Word::bare)
                .and_then(|code| code.parse::<u8>().ok());
            looks.leaves_well |= code.is_none_or(|code| code == 0);
        }
        "sleep" | "usleep" => looks.sleeps = true,
        "busybox" | "command" | "exec" | "env" => {
            looks.sleeps |= words.get(1).and_then(Word::bare) == Some("sleep");
        }
        "\0loop" => looks.loops = true,
        _ => {}
    }
}

/// Calls `see` with the name and the words of each simple command; loops have the name `"\0loop"`.
fn walk_list(list: &List, see: &mut dyn FnMut(&str, &[Word])) {
    for item in &list.0 {
        walk_item(item, see);
    }
}

fn walk_item(item: &Item, see: &mut dyn FnMut(&str, &[Word])) {
    walk_pipeline(&item.first, see);
    for (_, pipeline) in &item.rest {
        walk_pipeline(pipeline, see);
    }
}

fn walk_pipeline(pipeline: &Pipeline, see: &mut dyn FnMut(&str, &[Word])) {
    for command in &pipeline.stages {
        match &command.kind {
            Kind::Simple { words, .. } => {
                let name = words.first().and_then(Word::bare).unwrap_or_default();
                see(name, words);
            }
            Kind::Group(list) | Kind::Subshell(list) => walk_list(list, see),
            Kind::If { arms, otherwise } => {
                for (condition, body) in arms {
                    walk_list(condition, see);
                    walk_list(body, see);
                }
                if let Some(list) = otherwise {
                    walk_list(list, see);
                }
            }
            Kind::Loop { condition, body, .. } => {
                see("\0loop", &[]);
                walk_list(condition, see);
                walk_list(body, see);
            }
            Kind::For { body, .. } | Kind::ForArith { body, .. } => {
                see("\0loop", &[]);
                walk_list(body, see);
            }
            Kind::Case { arms, .. } => {
                for arm in arms {
                    walk_list(&arm.body, see);
                }
            }
            Kind::Function { .. } | Kind::Test(_) | Kind::Arith(_) => {}
        }
    }
}

/// The names that a list assigns.
pub(super) fn assigned(list: &List) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    assigned_in(list, &mut names);
    names
}

fn assigned_in(list: &List, names: &mut BTreeSet<String>) {
    let pipelines = list
        .0
        .iter()
        .flat_map(|item| std::iter::once(&item.first).chain(item.rest.iter().map(|(_, p)| p)));
    for command in pipelines.flat_map(|pipeline| &pipeline.stages) {
        match &command.kind {
            Kind::Simple { assigns, words } if words.is_empty() => {
                names.extend(assigns.iter().map(|assign| assign.name.clone()));
            }
            Kind::Simple { words, .. } => {
                if matches!(
                    words.first().and_then(Word::bare),
                    Some("export" | "local" | "readonly" | "declare")
                ) {
                    names.extend(words.iter().skip(1).filter_map(assigned_name));
                }
            }
            Kind::Group(list) => assigned_in(list, names),
            Kind::If { arms, otherwise } => {
                for (condition, body) in arms {
                    assigned_in(condition, names);
                    assigned_in(body, names);
                }
                if let Some(list) = otherwise {
                    assigned_in(list, names);
                }
            }
            Kind::Loop { body, .. } | Kind::ForArith { body, .. } => assigned_in(body, names),
            Kind::For { name, body, .. } => {
                names.insert(name.clone());
                assigned_in(body, names);
            }
            Kind::Case { arms, .. } => {
                for arm in arms {
                    assigned_in(&arm.body, names);
                }
            }
            Kind::Subshell(_) | Kind::Function { .. } | Kind::Test(_) | Kind::Arith(_) => {}
        }
    }
}

fn assigned_name(word: &Word) -> Option<String> {
    match word.parts.first() {
        Some(Part::Literal(text)) => text.split_once('=').map(|(name, _)| name.to_owned()),
        _ => None,
    }
}

impl Machine<'_> {
    /// How much a list has to do with waiting; below zero when it only gives up.
    pub(super) fn weight(&mut self, list: &List) -> i64 {
        self.weigh(list, 3)
    }

    /// True when something in a list may leave a loop or the script without a failure.
    pub(super) fn leaves_well(&mut self, body: &List) -> bool {
        let mut looks = Looks::default();
        let mut called = Vec::new();
        walk_list(body, &mut |name, words| {
            note(&mut looks, name, words);
            called.push(name.to_owned());
        });
        self.charge(looks.size);
        let exits = |name: &String| {
            let function = self.functions.get(name)?.0.clone();
            let Kind::Group(inner) = &function.kind else {
                return None;
            };
            let mut exits = false;
            walk_list(inner, &mut |name, _| exits |= name == "exit");
            Some(exits)
        };
        looks.leaves_well || called.iter().filter_map(exits).any(|exits| exits)
    }

    fn weigh(&mut self, list: &List, calls: u32) -> i64 {
        let mut looks = Looks::default();
        let mut called = Vec::new();
        walk_list(list, &mut |name, words| {
            note(&mut looks, name, words);
            if !name.is_empty() && called.len() < 16 {
                called.push(name.to_owned());
            }
        });
        self.charge(looks.size);
        let mut weight = i64::from(looks.sleeps) * 20 + i64::from(looks.loops && looks.sleeps) * 100;
        let mut probes = false;
        for name in called {
            let body = self.functions.get(&name).cloned();
            if let Some((body, _)) = body.filter(|_| calls > 0)
                && let Kind::Group(list) = &body.kind
            {
                weight += self.weigh(list, calls - 1).max(0);
            } else {
                probes |= super::super::tools::is_tool(&name);
            }
        }
        weight += i64::from(probes) * 10;
        if weight == 0 && looks.leaves { -1 } else { weight }
    }
}
