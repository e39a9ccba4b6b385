//! Which events a sink gets: an expression in CEL over the normalized event, that the operator
//! writes.
//!
//! The language is CEL (cel.dev) with its standard functions. What an expression can read is in
//! [`schema`]; that it reads nothing else, and gives true or false, is found before it runs, and it
//! is run on sample events once. What fails later keeps the event: nothing is lost by an
//! expression.

mod check;
mod error;
mod sample;
pub mod schema;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cel::{Context, Env, Program, Value};

use crate::event::Event;

pub use error::{DEEPEST, Error, LONGEST};

/// Enough to compile the worst of [`LONGEST`] bytes, some 10 KiB for each of their brackets; only
/// what is used of it takes memory.
const STACK: usize = 256 << 20;

/// A compiled expression.
#[derive(Clone)]
pub struct Select {
    text: Arc<str>,
    program: Arc<Program>,
    environment: Arc<Env>,
}

impl fmt::Debug for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Select").field(&self.text).finish()
    }
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Select {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Select {
    /// Compiles and checks an expression.
    ///
    /// # Errors
    /// What is wrong with it, for its author.
    pub fn compile(text: &str) -> Result<Self, Error> {
        if text.len() > LONGEST {
            return Err(Error::TooLong { bytes: text.len() });
        }
        let environment = Env::stdlib().with_optional_support(false);
        let program = std::thread::scope(|scope| {
            let compile = || {
                let program = environment.compile(text).map_err(|why| Error::Syntax {
                    why: why.to_string().replace('\n', " "),
                })?;
                check::check(&program, text)?;
                Ok(program)
            };
            let broken = || Error::Syntax {
                why: "the compiler broke off".to_owned(),
            };
            let thread = std::thread::Builder::new()
                .name("compile select".to_owned())
                .stack_size(STACK)
                .spawn_scoped(scope, compile);
            thread.map_err(|_| broken())?.join().map_err(|_| broken())?
        })?;
        let select = Self {
            text: text.into(),
            program: Arc::new(program),
            environment: Arc::new(environment),
        };
        for event in sample::events() {
            select.admits(&event).map_err(|why| Error::Sample { why })?;
        }
        Ok(select)
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the sink gets this event.
    ///
    /// # Errors
    /// Why it can't be decided; the event is then the sink's.
    pub fn admits(&self, event: &Event) -> Result<bool, String> {
        let fields = schema::Fields(event);
        // A foreign interpreter: its panic must not end a relay.
        let run = || {
            let mut context = Context::with_env(self.environment.clone());
            context.set_variable_resolver(&fields);
            self.program.execute(&context)
        };
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(Value::Bool(admitted))) => Ok(admitted),
            Ok(Ok(other)) => Err(format!(
                "it gives a {} where true or false is asked for",
                other.type_of()
            )),
            Ok(Err(why)) => Err(why.to_string()),
            Err(_) => Err("the interpreter broke off".to_owned()),
        }
    }
}
