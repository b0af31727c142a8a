//! A CEL expression of a signature: compiled once, with a cost that is known before it is evaluated.
//!
//! The interpreter (cel-rust) has neither a step limit nor a clock, so the bound comes first: comprehensions may nest
//! [`NESTED`] deep, each round costs at most the longest list of the object, and what costs more than [`MOST`] on an
//! object is not evaluated on it. Patterns of `matches` are literals, compiled with the expression.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue};
use cel::extractors::This;
use cel::objects::{Key, Map};
use cel::{Context, Env, ExecutionError, Program, Value};
use jiff::Timestamp;

use crate::engine::pattern::Pattern;

/// Longest expression, in bytes.
const LONGEST: usize = 2048;
/// Deepest tree of an expression.
const DEEPEST: usize = 48;
/// Comprehensions within one another.
const NESTED: usize = 2;
/// Most `+`: each can double a list or a text.
const PLUSES: u32 = 6;
/// What one evaluation may cost, in nodes visited per KiB of the object.
pub(super) const MOST: u64 = 2_000_000;
/// Largest object that is looked at, in bytes of JSON. The API server takes 1.5 MiB; what is larger than this is data.
pub(super) const LARGEST: usize = 256 * 1024;

/// What an expression may name.
const VARIABLES: [&str; 2] = ["object", "now"];
/// What it may call besides operators.
const FUNCTIONS: [&str; 11] = [
    "contains",
    "double",
    "dyn",
    "endsWith",
    "epoch",
    "int",
    "matches",
    "size",
    "startsWith",
    "string",
    "type",
];

static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A compiled expression.
pub(super) struct Expression {
    program: Program,
    cost: Cost,
    patterns: Arc<HashMap<String, Pattern>>,
}

/// How often nodes are visited, by the number of comprehensions around them.
#[derive(Debug, Default)]
struct Cost {
    nodes: [u64; NESTED + 1],
    pluses: u32,
    longest: usize,
    patterns: HashMap<String, Pattern>,
}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// Says what is wrong and what to write instead.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err(
                "nothing stands here: write what is true of the object, such as object.spec.paused"
                    .to_owned(),
            );
        }
        if text.len() > LONGEST {
            return Err(format!(
                "the expression has {} bytes: at most {LONGEST} are taken; make two signatures of it",
                text.len()
            ));
        }
        let deepest = nesting(text);
        if deepest > DEEPEST {
            return Err(format!(
                "brackets nest {deepest} deep: at most {DEEPEST} are taken"
            ));
        }
        // The parser is generated code of somebody else's: whatever it does, the policy is refused and not the process.
        let parsed = catch_unwind(|| Program::compile(text));
        let program = match parsed {
            Ok(Ok(program)) => program,
            Ok(Err(errors)) => {
                let said: Vec<String> = errors
                    .errors
                    .iter()
                    .take(3)
                    .map(|error| format!("line {} column {}: {}", error.pos.0, error.pos.1, error.msg))
                    .collect();
                return Err(format!("no CEL expression: {}", said.join("; ")));
            }
            Err(_) => return Err("no CEL expression: the parser gave up on it".to_owned()),
        };
        let mut cost = Cost::default();
        cost.add(program.expression(), &mut Vec::new(), 0, 0)?;
        if cost.pluses > PLUSES {
            return Err(format!(
                "{} times +: at most {PLUSES} are taken, since each can double what it adds to",
                cost.pluses
            ));
        }
        Ok(Self {
            program,
            patterns: Arc::new(std::mem::take(&mut cost.patterns)),
            cost,
        })
    }

    /// What it costs on an object.
    pub(super) fn cost(&self, object: &Size) -> u64 {
        let grown = 1_u64 << self.cost.pluses;
        let rounds = (object.longest.max(self.cost.longest) as u64).max(1) * grown;
        let mut total = 0_u64;
        let mut factor = 1_u64;
        for nodes in self.cost.nodes {
            total = total.saturating_add(nodes.saturating_mul(factor));
            factor = factor.saturating_mul(rounds);
        }
        let kib = (object.bytes as u64 / 1024 + 1).saturating_mul(grown);
        total.saturating_mul(kib)
    }

    /// Whether it is true of an object. A field that is absent makes it false, and so does everything else that
    /// cannot be computed.
    pub(super) fn holds(&self, object: &Value, now: Timestamp) -> Result<bool, ExecutionError> {
        let mut context = Context::with_env(Arc::clone(&STANDARD));
        context.add_variable_from_value("object", object.clone());
        context.add_variable_from_value("now", Value::Int(now.as_second()));
        // Neither name is one of the standard library.
        let _ = context.add_function("epoch", |text: Arc<String>| -> Result<i64, ExecutionError> {
            let time: Result<Timestamp, _> = text.parse();
            time.map(Timestamp::as_second)
                .map_err(|error| ExecutionError::function_error("epoch", error.to_string()))
        });
        let patterns = Arc::clone(&self.patterns);
        let _ = context.add_function(
            "matches",
            move |This(text): This<Arc<String>>, pattern: Arc<String>| {
                patterns
                    .get(pattern.as_str())
                    .is_some_and(|pattern| pattern.is_match(&text))
            },
        );
        let result = catch_unwind(AssertUnwindSafe(|| self.program.execute(&context)));
        match result {
            Ok(Ok(Value::Bool(holds))) => Ok(holds),
            Ok(Ok(_)) => Err(ExecutionError::function_error("cel", "it gives no true or false")),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(ExecutionError::function_error(
                "cel",
                "the interpreter gave up on it",
            )),
        }
    }
}

/// How deep brackets nest, text in quotes aside or not: a bound for the parser's stack.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

impl Cost {
    fn add(
        &mut self,
        expr: &IdedExpr,
        scope: &mut Vec<String>,
        depth: usize,
        loops: usize,
    ) -> Result<(), String> {
        if depth > DEEPEST {
            return Err(format!(
                "it nests deeper than {DEEPEST}: make two signatures of it"
            ));
        }
        let Some(nodes) = self.nodes.get_mut(loops) else {
            return Err(format!(
                "all, exists, map and filter stand more than {NESTED} within one another: at most {NESTED} are taken"
            ));
        };
        *nodes += 1;
        let below = depth + 1;
        match &expr.expr {
            Expr::Unspecified => return Err("a part of it is empty".to_owned()),
            Expr::Literal(_) => {}
            Expr::Ident(name) => check_name(name, scope)?,
            Expr::Select(select) => self.add(&select.operand, scope, below, loops)?,
            Expr::Call(call) => {
                let name = call.func_name.as_str();
                let operator = name.starts_with(|c: char| !c.is_ascii_alphabetic());
                if !operator && !FUNCTIONS.contains(&name) {
                    return Err(format!(
                        "there is no function {name}: there are {}, has, all, exists, exists_one, map and filter",
                        FUNCTIONS.join(", ")
                    ));
                }
                self.pluses += u32::from(name == "_+_");
                if name == "matches" {
                    self.add_pattern(call.args.last())?;
                }
                for part in call.target.iter().map(|target| &**target).chain(&call.args) {
                    self.add(part, scope, below, loops)?;
                }
            }
            Expr::Comprehension(of) => {
                self.add(&of.iter_range, scope, below, loops)?;
                self.add(&of.accu_init, scope, below, loops)?;
                let known = scope.len();
                scope.extend([of.iter_var.clone(), of.accu_var.clone()]);
                scope.extend(of.iter_var2.clone());
                // `map` and `filter` gather with a + of their own, one element at a time.
                let pluses = self.pluses;
                self.add(&of.loop_cond, scope, below, loops + 1)?;
                self.add(&of.loop_step, scope, below, loops + 1)?;
                self.pluses = self
                    .pluses
                    .min(pluses + written_pluses(&of.loop_step, &of.accu_var));
                self.add(&of.result, scope, below, loops)?;
                scope.truncate(known);
            }
            Expr::List(list) => {
                self.longest = self.longest.max(list.elements.len());
                for element in &list.elements {
                    self.add(element, scope, below, loops)?;
                }
            }
            Expr::Map(map) => {
                self.longest = self.longest.max(map.entries.len());
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.add(&entry.key, scope, below, loops)?;
                        self.add(&entry.value, scope, below, loops)?;
                    }
                }
            }
            Expr::Struct(made) => {
                return Err(format!("nothing of type {} can be made here", made.type_name));
            }
        }
        Ok(())
    }

    fn add_pattern(&mut self, pattern: Option<&IdedExpr>) -> Result<(), String> {
        let Some(Expr::Literal(LiteralValue::String(text))) = pattern.map(|pattern| &pattern.expr) else {
            return Err("the pattern of matches has to stand in the expression, in quotes".to_owned());
        };
        let text = text.inner();
        let pattern = Pattern::new(text)?;
        self.patterns.insert(text.to_owned(), pattern);
        Ok(())
    }
}

/// The pluses that the author wrote into a step: all but the one that adds to the accumulator.
fn written_pluses(step: &IdedExpr, accumulator: &str) -> u32 {
    let of = |part: &IdedExpr| written_pluses(part, accumulator);
    match &step.expr {
        Expr::Call(call) => {
            let gathers = call.func_name == "_+_"
                && matches!(call.args.first().map(|arg| &arg.expr), Some(Expr::Ident(name)) if name == accumulator);
            let own = u32::from(call.func_name == "_+_" && !gathers);
            own + call.target.iter().map(|target| of(target)).sum::<u32>()
                + call.args.iter().map(of).sum::<u32>()
        }
        Expr::Comprehension(inner) => {
            of(&inner.iter_range) + written_pluses(&inner.loop_step, &inner.accu_var) + of(&inner.result)
        }
        Expr::List(list) => list.elements.iter().map(of).sum(),
        Expr::Map(map) => {
            let entries = map.entries.iter().filter_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => Some(of(&entry.key) + of(&entry.value)),
                EntryExpr::StructField(_) => None,
            });
            entries.sum()
        }
        Expr::Select(select) => of(&select.operand),
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) | Expr::Struct(_) => 0,
    }
}

fn check_name(name: &str, scope: &[String]) -> Result<(), String> {
    const TYPES: [&str; 9] = [
        "bool",
        "bytes",
        "double",
        "int",
        "list",
        "map",
        "null_type",
        "string",
        "uint",
    ];
    let known = scope.iter().any(|own| own == name);
    if known || VARIABLES.contains(&name) || TYPES.contains(&name) || name.starts_with('@') {
        return Ok(());
    }
    Err(format!(
        "there is no {name}: the object is called object, the moment now"
    ))
}

/// What the cost of looking at an object depends on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    /// Bytes of its texts and keys.
    pub(super) bytes: usize,
    /// Entries of its longest list or mapping.
    pub(super) longest: usize,
}

/// An object as the interpreter takes it, with its size. Whole numbers are `int`, as in the API server's CEL.
pub(super) fn convert(value: &serde_json::Value, size: &mut Size) -> Value {
    size.bytes += 8;
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(*truth),
        serde_json::Value::Number(number) => number
            .as_i64()
            .map(Value::Int)
            .or_else(|| number.as_u64().map(Value::UInt))
            .or_else(|| number.as_f64().map(Value::Float))
            .unwrap_or(Value::Null),
        serde_json::Value::String(text) => {
            size.bytes += text.len();
            Value::String(Arc::new(text.clone()))
        }
        serde_json::Value::Array(items) => {
            size.longest = size.longest.max(items.len());
            Value::List(Arc::new(items.iter().map(|item| convert(item, size)).collect()))
        }
        serde_json::Value::Object(fields) => {
            size.longest = size.longest.max(fields.len());
            let fields = fields.iter().map(|(key, value)| {
                size.bytes += key.len();
                (Key::String(Arc::new(key.clone())), convert(value, size))
            });
            let map: HashMap<Key, Value> = fields.collect();
            Value::Map(Map { map: Arc::new(map) })
        }
    }
}
