//! Whether an expression fits an event, before it runs: names, functions, and what is compared with
//! what. CEL's own rules (github.com/google/cel-spec, doc/langdef.md, "Gradual Type Checking");
//! elements of lists and maps count as of any type.

use std::cell::Cell;
use std::collections::HashMap;

use cel::Program;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators,
};

use super::error::{DEEPEST, Error};
use super::schema::{FIELDS, OBJECT, Type, field};

/// Functions: name, the type that they are called on (`x.f(y)`), types of arguments, result.
const FUNCTIONS: &[(&str, Option<Type>, &[Type], Type)] = {
    use Type::{Any, Bool, Bytes, Double, Duration, Int, List, Map, String, Timestamp, Uint};
    &[
        ("contains", Some(String), &[String], Bool),
        ("startsWith", Some(String), &[String], Bool),
        ("endsWith", Some(String), &[String], Bool),
        ("matches", Some(String), &[String], Bool),
        ("matches", None, &[String, String], Bool),
        ("size", Some(String), &[], Int),
        ("size", Some(List), &[], Int),
        ("size", Some(Map), &[], Int),
        ("size", None, &[String], Int),
        ("size", None, &[Bytes], Int),
        ("size", None, &[List], Int),
        ("size", None, &[Map], Int),
        ("string", None, &[Any], String),
        ("int", None, &[Any], Int),
        ("uint", None, &[Any], Uint),
        ("double", None, &[Any], Double),
        ("bool", None, &[Any], Bool),
        ("bytes", None, &[String], Bytes),
        ("dyn", None, &[Any], Any),
        ("timestamp", None, &[String], Timestamp),
        ("timestamp", None, &[Int], Timestamp),
        ("timestamp", None, &[Timestamp], Timestamp),
        ("duration", None, &[String], Duration),
        ("duration", None, &[Duration], Duration),
        ("getFullYear", Some(Timestamp), &[], Int),
        ("getFullYear", Some(Timestamp), &[String], Int),
        ("getMonth", Some(Timestamp), &[], Int),
        ("getMonth", Some(Timestamp), &[String], Int),
        ("getDate", Some(Timestamp), &[], Int),
        ("getDate", Some(Timestamp), &[String], Int),
        ("getDayOfMonth", Some(Timestamp), &[], Int),
        ("getDayOfMonth", Some(Timestamp), &[String], Int),
        ("getDayOfWeek", Some(Timestamp), &[], Int),
        ("getDayOfWeek", Some(Timestamp), &[String], Int),
        ("getDayOfYear", Some(Timestamp), &[], Int),
        ("getDayOfYear", Some(Timestamp), &[String], Int),
        ("getHours", Some(Timestamp), &[], Int),
        ("getHours", Some(Timestamp), &[String], Int),
        ("getMinutes", Some(Timestamp), &[], Int),
        ("getMinutes", Some(Timestamp), &[String], Int),
        ("getSeconds", Some(Timestamp), &[], Int),
        ("getSeconds", Some(Timestamp), &[String], Int),
        ("getHours", Some(Duration), &[], Int),
        ("getMinutes", Some(Duration), &[], Int),
        ("getSeconds", Some(Duration), &[], Int),
        ("getMilliseconds", Some(Duration), &[], Int),
    ]
};

/// Checks a whole expression.
pub(super) fn check(program: &Program, text: &str) -> Result<(), Error> {
    let checker = Checker {
        program,
        text,
        depth: Cell::new(0),
    };
    let root = program.expression();
    match checker.type_of(root, &Scope::new())? {
        Type::Bool | Type::Any => Ok(()),
        other => Err(checker.error(
            root,
            format!(
                "the expression gives a {} where true or false is asked for",
                word(other)
            ),
        )),
    }
}

/// Variables of comprehensions.
type Scope = HashMap<String, Type>;

struct Checker<'a> {
    program: &'a Program,
    text: &'a str,
    depth: Cell<usize>,
}

impl Checker<'_> {
    fn error(&self, at: &IdedExpr, why: String) -> Error {
        let offset = self
            .program
            .source_info()
            .offset_for(at.id)
            .map_or(0, |(start, _)| start as usize);
        // Nodes that a macro made have no place.
        Error::Type {
            column: offset.min(self.text.chars().count()) + 1,
            why,
        }
    }

    fn type_of(&self, node: &IdedExpr, scope: &Scope) -> Result<Type, Error> {
        let depth = self.depth.get() + 1;
        if depth > DEEPEST {
            return Err(Error::TooDeep);
        }
        self.depth.set(depth);
        let found = self.part(node, scope);
        self.depth.set(depth - 1);
        found
    }

    fn part(&self, node: &IdedExpr, scope: &Scope) -> Result<Type, Error> {
        match &node.expr {
            Expr::Unspecified | Expr::Struct(_) => {
                Err(self.error(node, "messages can't be made here".to_owned()))
            }
            Expr::Literal(value) => Ok(literal(value)),
            Expr::Ident(name) => self.variable(node, name, scope),
            Expr::Select(select) => {
                let operand = self.type_of(&select.operand, scope)?;
                let found = match operand {
                    Type::Object if OBJECT.contains(&select.field.as_str()) => Type::String,
                    Type::Object => {
                        let why = format!(
                            "an object has no field {:?}; it has {}",
                            select.field,
                            OBJECT.join(", ")
                        );
                        return Err(self.error(node, why));
                    }
                    Type::Map | Type::Any => Type::Any,
                    other => {
                        return Err(self.error(
                            node,
                            format!("a {} has no field {:?}", word(other), select.field),
                        ));
                    }
                };
                Ok(if select.test { Type::Bool } else { found })
            }
            Expr::List(list) => {
                list.elements
                    .iter()
                    .try_for_each(|element| self.type_of(element, scope).map(drop))?;
                Ok(Type::List)
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.type_of(&entry.key, scope)?;
                        self.type_of(&entry.value, scope)?;
                    }
                }
                Ok(Type::Map)
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, scope),
            Expr::Call(call) => self.call(node, call, scope),
        }
    }

    fn variable(&self, node: &IdedExpr, name: &str, scope: &Scope) -> Result<Type, Error> {
        if let Some(found) = scope.get(name).copied().or_else(|| field(name)) {
            return Ok(found);
        }
        let fields: Vec<&str> = FIELDS.iter().map(|(field, ..)| *field).collect();
        Err(self.error(
            node,
            format!(
                "an event has no field {name:?}; it has {}",
                fields.join(", ")
            ),
        ))
    }

    /// `all`, `exists`, `exists_one`, `map`, `filter`, as the parser writes them out.
    fn comprehension(&self, it: &ComprehensionExpr, scope: &Scope) -> Result<Type, Error> {
        let range = self.type_of(&it.iter_range, scope)?;
        if !matches!(range, Type::List | Type::Map | Type::Any) {
            return Err(self.error(
                &it.iter_range,
                format!(
                    "a {} can't be gone through: a list or a map can",
                    word(range)
                ),
            ));
        }
        let start = self.type_of(&it.accu_init, scope)?;
        let mut inner = scope.clone();
        inner.insert(it.iter_var.clone(), Type::Any);
        inner.extend(it.iter_var2.iter().map(|name| (name.clone(), Type::Any)));
        inner.insert(it.accu_var.clone(), start);
        self.type_of(&it.loop_cond, &inner)?;
        self.type_of(&it.loop_step, &inner)?;
        self.type_of(&it.result, &inner)
    }

    fn call(&self, node: &IdedExpr, call: &CallExpr, scope: &Scope) -> Result<Type, Error> {
        let arguments = call
            .args
            .iter()
            .map(|argument| self.type_of(argument, scope))
            .collect::<Result<Vec<_>, _>>()?;
        let name = call.func_name.as_str();
        let Some(target) = &call.target else {
            let found =
                operator(name, &arguments).unwrap_or_else(|| function(name, None, &arguments));
            return found.map_err(|why| self.error(node, why));
        };
        let on = self.type_of(target, scope)?;
        function(name, Some(on), &arguments).map_err(|why| self.error(node, why))
    }
}

fn literal(value: &LiteralValue) -> Type {
    match value {
        LiteralValue::Boolean(_) => Type::Bool,
        LiteralValue::Bytes(_) => Type::Bytes,
        LiteralValue::Double(_) => Type::Double,
        LiteralValue::Int(_) => Type::Int,
        LiteralValue::Null => Type::Null,
        LiteralValue::String(_) => Type::String,
        LiteralValue::UInt(_) => Type::Uint,
    }
}

fn function(name: &str, on: Option<Type>, arguments: &[Type]) -> Result<Type, String> {
    let mut known = FUNCTIONS
        .iter()
        .filter(|(found, ..)| *found == name)
        .peekable();
    if known.peek().is_none() {
        let mut names: Vec<&str> = FUNCTIONS.iter().map(|(name, ..)| *name).collect();
        names.dedup();
        return Err(format!(
            "there is no function {name:?}; there are has, all, exists, exists_one, map, filter, {}",
            names.join(", ")
        ));
    }
    let fits = |wanted: &Type, given: &Type| {
        *wanted == Type::Any || *given == Type::Any || wanted == given
    };
    let found = known.find(|(_, target, wanted, _)| {
        let target_fits = match (target, &on) {
            (Some(wanted), Some(given)) => fits(wanted, given),
            (None, None) => true,
            _ => false,
        };
        target_fits
            && wanted.len() == arguments.len()
            && wanted
                .iter()
                .zip(arguments)
                .all(|(wanted, given)| fits(wanted, given))
    });
    let given: Vec<&str> = arguments.iter().map(|given| word(*given)).collect();
    let on = on.map_or_else(String::new, |on| format!(" of a {}", word(on)));
    found.map(|(.., result)| *result).ok_or_else(|| {
        format!(
            "the function {name:?}{on} can't be called with ({})",
            given.join(", ")
        )
    })
}

/// None: no operator has this name.
fn operator(name: &str, arguments: &[Type]) -> Option<Result<Type, String>> {
    let symbol = name.trim_matches('_').trim_start_matches('@');
    let cannot = || {
        let given: Vec<&str> = arguments.iter().map(|given| word(*given)).collect();
        Err(format!("{symbol} does not go with {}", given.join(" and ")))
    };
    let condition = |given: &[Type]| {
        given
            .iter()
            .all(|given| matches!(given, Type::Bool | Type::Any))
    };
    let found = match (name, arguments) {
        (
            operators::LOGICAL_AND
            | operators::LOGICAL_OR
            | operators::LOGICAL_NOT
            | operators::NOT_STRICTLY_FALSE,
            given,
        ) => condition(given).then_some(Type::Bool),
        (operators::EQUALS | operators::NOT_EQUALS, [left, right]) => {
            alike(*left, *right).then_some(Type::Bool)
        }
        (
            operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS,
            [left, right],
        ) => {
            let ordered =
                |kind: &Type| !matches!(kind, Type::Object | Type::List | Type::Map | Type::Null);
            (ordered(left) && ordered(right) && alike(*left, *right)).then_some(Type::Bool)
        }
        (
            operators::ADD
            | operators::SUBSTRACT
            | operators::MULTIPLY
            | operators::DIVIDE
            | operators::MODULO,
            [left, right],
        ) => sum(name, *left, *right),
        (operators::NEGATE, [given]) => {
            matches!(given, Type::Int | Type::Double | Type::Any).then_some(*given)
        }
        (operators::IN, [_, within]) => {
            matches!(within, Type::List | Type::Map | Type::Any).then_some(Type::Bool)
        }
        (operators::INDEX, [of, _]) => {
            matches!(of, Type::List | Type::Map | Type::Any).then_some(Type::Any)
        }
        (operators::CONDITIONAL, [given, left, right]) => {
            let both = if left == right { *left } else { Type::Any };
            condition(&[*given]).then_some(both)
        }
        _ => return None,
    };
    Some(found.map_or_else(cannot, Ok))
}

fn is_number(kind: Type) -> bool {
    matches!(kind, Type::Int | Type::Uint | Type::Double)
}

/// Whether two can be equal.
fn alike(left: Type, right: Type) -> bool {
    left == right
        || left == Type::Any
        || right == Type::Any
        || (is_number(left) && is_number(right))
}

fn sum(name: &str, left: Type, right: Type) -> Option<Type> {
    use Type::{Any, Bytes, Duration, List, String, Timestamp};
    match (name, left, right) {
        (_, Any, _) | (_, _, Any) => Some(Any),
        (_, left, right) if is_number(left) && left == right => Some(left),
        (operators::ADD, String, String) => Some(String),
        (operators::ADD, Bytes, Bytes) => Some(Bytes),
        (operators::ADD, List, List) => Some(List),
        (operators::ADD, Timestamp, Duration)
        | (operators::ADD, Duration, Timestamp)
        | (operators::SUBSTRACT, Timestamp, Duration) => Some(Timestamp),
        (operators::ADD | operators::SUBSTRACT, Duration, Duration)
        | (operators::SUBSTRACT, Timestamp, Timestamp) => Some(Duration),
        _ => None,
    }
}

fn word(kind: Type) -> &'static str {
    match kind {
        Type::Bool => "bool",
        Type::Int => "int",
        Type::Uint => "uint",
        Type::Double => "double",
        Type::String => "string",
        Type::Bytes => "bytes",
        Type::Timestamp => "timestamp",
        Type::Duration => "duration",
        Type::Object => "object",
        Type::List => "list",
        Type::Map => "map",
        Type::Null => "null",
        Type::Any => "value of any type",
    }
}
