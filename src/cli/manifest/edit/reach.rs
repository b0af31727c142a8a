//! How far an edit's pointer leads in the text, and what the text looks like there.
use std::ops::Range;

use super::super::tree::{Entry, NodeId, Shape};
use super::write::Layout;
use super::{Edit, Editor};

/// Nodes that are looked at to learn a file's layout.
const MOST_NODES: usize = 4_096;

/// As far down as a pointer leads.
#[derive(Debug)]
pub(super) struct Reach {
    /// The last node that is there.
    pub(super) node: NodeId,
    /// The key that it stands behind; `None` for an item of a list and for the object itself.
    pub(super) key: Option<Range<usize>>,
    /// The keys that are not there yet.
    pub(super) missing: Vec<String>,
    /// Whether the node stands inside of a flow collection: `{...}` or `[...]`.
    pub(super) flow: bool,
}

impl Editor<'_> {
    /// Follows the pointer of an edit through the text that belongs to this object alone.
    pub(super) fn reach(&self, root: NodeId, edit: &Edit) -> Result<Reach, String> {
        let mut reach = Reach {
            node: root,
            key: None,
            missing: Vec::new(),
            flow: false,
        };
        let mut steps = edit
            .pointer()
            .split('/')
            .skip(1)
            .map(|step| step.replace("~1", "/").replace("~0", "~"))
            .peekable();
        while let Some(step) = steps.next() {
            self.own(reach.node)?;
            let is_last = steps.peek().is_none();
            let Some(node) = self.tree.get(reach.node) else {
                return Err("it has no place in the text".to_owned());
            };
            match &node.shape {
                Shape::Mapping(entries) => match self.entry(entries, &step, is_last, edit)? {
                    Some(entry) => {
                        reach.node = entry.value;
                        reach.key = Some(entry.key_span.clone());
                    }
                    None => reach.missing.push(step),
                },
                Shape::Sequence(items) => {
                    let item = step.parse().ok().and_then(|at: usize| items.get(at));
                    reach.node = *item.ok_or_else(|| format!("the list has no item {step}"))?;
                    reach.key = None;
                }
                Shape::Scalar { .. } => reach.missing.push(step),
                Shape::Alias(_) => return Err(self.shared(reach.node)),
            }
            if !reach.missing.is_empty() {
                reach.missing.extend(steps);
                break;
            }
            reach.flow |= self.is_flow(&node.span);
        }
        let written_whole = reach.missing.is_empty() && matches!(edit, Edit::Set { .. });
        match self.tree.get(reach.node).map(|node| &node.shape) {
            // An alias that is replaced as a whole changes this place alone.
            Some(Shape::Alias(_)) if !written_whole => Err(self.shared(reach.node)),
            Some(Shape::Alias(_)) => Ok(reach),
            _ => self.own(reach.node).map(|()| reach),
        }
    }

    /// The entry that holds a key in this mapping's own text.
    fn entry<'e>(
        &self,
        entries: &'e [Entry],
        name: &str,
        is_last: bool,
        edit: &Edit,
    ) -> Result<Option<&'e Entry>, String> {
        let own = entries
            .iter()
            .position(|entry| entry.key.as_ref().is_some_and(|key| key.get(self.source) == name));
        let merge = entries.iter().rposition(|entry| {
            entry.key.is_none() && self.tree.child(self.source, entry.value, name).is_some()
        });
        match (own, merge) {
            (Some(own), None) => Ok(entries.get(own)),
            (Some(own), Some(merge)) if own > merge => Ok(entries.get(own)),
            // A key of its own below the merge key overrides what is merged in.
            (None, Some(_)) if is_last && matches!(edit, Edit::Set { .. }) => Ok(None),
            (_, Some(merge)) => {
                let at = entries.get(merge).map_or(0, |entry| entry.key_span.start);
                let (line, _) = self.source.line_column(at);
                Err(format!(
                    "`{name}` comes from the merge key in line {line}, which other places may share"
                ))
            }
            (None, None) => Ok(None),
        }
    }

    /// Refuses a node that an alias repeats: an edit would change the other place too.
    fn own(&self, node: NodeId) -> Result<(), String> {
        if !self.tree.is_aliased(node) {
            return Ok(());
        }
        let (line, _) = self.source.line_column(self.span(node).start);
        Err(format!(
            "the anchor in line {line} is repeated by an alias, so that the edit would change other places too"
        ))
    }

    fn shared(&self, node: NodeId) -> String {
        let span = self.span(node);
        let (line, _) = self.source.line_column(span.start);
        format!(
            "it stands behind the alias `{}` in line {line}, which other places share",
            self.source.slice(&span)
        )
    }

    pub(super) fn span(&self, node: NodeId) -> Range<usize> {
        self.tree
            .get(node)
            .map(|node| node.span.clone())
            .unwrap_or_default()
    }

    /// The byte behind the last character of a node. The span of a block collection goes on over the comments
    /// that follow it, which belong to what comes next.
    pub(super) fn end(&self, node: NodeId) -> usize {
        let span = self.span(node);
        let last = match self.tree.get(node).map(|node| &node.shape) {
            _ if self.is_flow(&span) => None,
            Some(Shape::Mapping(entries)) => entries.last().map(|entry| {
                // A value that is left out has no place of its own.
                let colon = self.colon(&entry.key_span).unwrap_or(entry.key_span.end);
                (entry.value, colon)
            }),
            Some(Shape::Sequence(items)) => items.last().map(|item| (*item, span.start)),
            _ => None,
        };
        last.map_or(span.end, |(last, least)| {
            if self.span(last).is_empty() {
                least
            } else {
                self.end(last)
            }
        })
    }

    /// The comment behind a byte in its line, with the blanks before it.
    pub(super) fn comment(&self, byte: usize) -> Option<Range<usize>> {
        let line = self.text.get(byte..)?.lines().next()?;
        let is_comment = line.starts_with([' ', '\t']) && line.trim_start().starts_with('#');
        is_comment.then(|| byte..byte + line.trim_end().len())
    }

    pub(super) fn is_flow(&self, span: &Range<usize>) -> bool {
        self.source.slice(span).starts_with(['{', '['])
    }

    pub(super) fn line_start(&self, byte: usize) -> usize {
        self.text
            .get(..byte)
            .and_then(|before| before.rfind('\n'))
            .map_or(0, |at| at + 1)
    }

    /// Characters from the start of the line to a byte.
    pub(super) fn column(&self, byte: usize) -> usize {
        let before = self.text.get(self.line_start(byte)..byte);
        before.map_or(0, |before| before.chars().count())
    }

    /// Whether nothing but blanks stands before a byte in its line.
    pub(super) fn starts_line(&self, byte: usize) -> bool {
        let before = self.text.get(self.line_start(byte)..byte);
        before.is_some_and(|before| before.bytes().all(|byte| byte == b' '))
    }

    /// Whether nothing but blanks stands behind a byte in its line.
    pub(super) fn ends_line(&self, byte: usize) -> bool {
        let rest = self.text.get(byte..).unwrap_or_default();
        rest.lines().next().is_none_or(|line| line.trim().is_empty())
    }

    /// The byte behind the colon of a key.
    pub(super) fn colon(&self, key: &Range<usize>) -> Result<usize, String> {
        let rest = self.text.get(key.end..).unwrap_or_default();
        let blanks = rest.len() - rest.trim_start().len();
        match rest.get(blanks..).and_then(|rest| rest.strip_prefix(':')) {
            Some(_) => Ok(key.end + blanks + 1),
            None => Err("no colon stands behind its key".to_owned()),
        }
    }

    /// How the file lays out its blocks, read off the first ones; two columns where it has none.
    pub(super) fn layout(&self, near: usize) -> Layout {
        let below = |wanted: fn(&Shape) -> bool| {
            if self.tree.json {
                return None;
            }
            // A file is laid out alike: what its first thousands of nodes do not show, the rest will not.
            self.tree.nodes().take(MOST_NODES).find_map(|node| {
                let Shape::Mapping(entries) = &node.shape else {
                    return None;
                };
                entries.iter().find_map(|entry| {
                    let value = self.tree.get(entry.value)?;
                    let block = wanted(&value.shape)
                        && !self.is_flow(&value.span)
                        && self.starts_line(value.span.start);
                    let offset = self
                        .column(value.span.start)
                        .checked_sub(self.column(entry.key_span.start));
                    offset.filter(|_| block)
                })
            })
        };
        let line = self
            .text
            .get(near..)
            .and_then(|rest| rest.find('\n').map(|at| near + at));
        let end = line.or_else(|| self.text.find('\n'));
        let carriage = end
            .and_then(|at| at.checked_sub(1))
            .and_then(|at| self.text.as_bytes().get(at));
        Layout {
            step: below(|shape| matches!(shape, Shape::Mapping(_))).unwrap_or(2),
            dash: below(|shape| matches!(shape, Shape::Sequence(_))).unwrap_or(2),
            newline: if carriage == Some(&b'\r') { "\r\n" } else { "\n" },
        }
    }
}
