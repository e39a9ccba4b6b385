//! One version of a sink: a component, and what it may reach.

use std::sync::Arc;

use super::grant::{self, Grant};
use super::{Blueprint, Digest};

/// A blueprint with a grant that is enough for it. Clones share both.
#[derive(Clone)]
pub struct Version {
    pub(super) name: Arc<str>,
    pub(super) blueprint: Blueprint,
    pub(super) grant: Arc<Grant>,
}

impl Version {
    /// Of the sink with this name.
    ///
    /// # Errors
    /// When the grant is for another component, or does not give variables that the sink requires: all of them at once.
    pub fn new(name: &str, blueprint: Blueprint, grant: Grant) -> Result<Self, grant::Error> {
        grant.check(name, blueprint.digest())?;
        let granted = |wanted: &str| grant.env.iter().any(|variable| variable.name == wanted);
        let required = blueprint.description().env.iter().filter(|var| var.required && !granted(&var.name));
        let names: Vec<String> = required.map(|var| var.name.clone()).collect();
        if !names.is_empty() {
            return Err(grant::Error::NotGranted { sink: name.to_owned(), names, source: grant.source.clone() });
        }
        Ok(Self { name: Arc::from(name), blueprint, grant: Arc::new(grant) })
    }

    /// The sink's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Of the component.
    pub fn digest(&self) -> Digest {
        self.blueprint.digest()
    }

    /// The compiled component.
    pub fn blueprint(&self) -> &Blueprint {
        &self.blueprint
    }

    /// What it may reach.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }
}
