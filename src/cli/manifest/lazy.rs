//! The value of an object, made when somebody asks for it.
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::source::Source;
use super::tree::{NodeId, Tree};

/// A [`Value`] that is made at the first look. Jobs are decoded from the nodes of their document; a value of
/// each would take ten times the memory of its text, and few are ever looked at.
#[derive(Debug, Clone)]
pub struct LazyValue {
    made: OnceLock<Value>,
    pub(super) source: Arc<Source>,
    pub(super) tree: Arc<Tree>,
    pub(super) root: NodeId,
}

impl LazyValue {
    /// Of a node of a tree that is plain: its value cannot fail.
    pub(super) fn of_plain(source: Arc<Source>, tree: Arc<Tree>, root: NodeId) -> Self {
        Self {
            made: OnceLock::new(),
            source,
            tree,
            root,
        }
    }

    /// Of a node whose value is there already.
    pub(super) fn made(source: Arc<Source>, tree: Arc<Tree>, root: NodeId, value: Value) -> Self {
        Self {
            made: OnceLock::from(value),
            source,
            tree,
            root,
        }
    }

    /// The value, if it was made before.
    pub(super) fn if_made(&self) -> Option<&Value> {
        self.made.get()
    }

    fn make(&self) -> Value {
        self.tree.value(&self.source, self.root).unwrap_or_default()
    }

    /// The value, taken out.
    pub(super) fn take(&mut self) -> Value {
        let value = self.made.take();
        value.unwrap_or_else(|| self.make())
    }
}

impl Deref for LazyValue {
    type Target = Value;

    fn deref(&self) -> &Value {
        self.made.get_or_init(|| self.make())
    }
}

impl PartialEq for LazyValue {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl PartialEq<Value> for LazyValue {
    fn eq(&self, other: &Value) -> bool {
        **self == *other
    }
}

impl Serialize for LazyValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Value::serialize(self, serializer)
    }
}
