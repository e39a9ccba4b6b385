//! One version of a sink: a component, and what it may reach.

use std::sync::Arc;

use tracing::warn;

use crate::sink::grant::{self, Grant};
use crate::sink::instance::{Ear, Voice};
use crate::sink::{Blueprint, Conditions, Digest};

/// A blueprint with a grant that is enough for it. Clones share both, and what is heard of them.
#[derive(Clone)]
pub struct Version {
    pub(in crate::sink) name: Arc<str>,
    pub(in crate::sink) blueprint: Blueprint,
    pub(in crate::sink) grant: Arc<Grant>,
    pub(in crate::sink) voice: Arc<Voice>,
    pub(in crate::sink) conditions: Option<Conditions>,
}

impl Version {
    /// Of the sink with this name.
    ///
    /// # Errors
    /// When the grant is for another component, or does not give variables that the sink requires:
    /// all of them at once. When the sink writes to stdout, and has secrets that can't be kept out
    /// of it.
    pub fn new(name: &str, blueprint: Blueprint, grant: Grant) -> Result<Self, grant::Error> {
        grant.check(name, blueprint.digest())?;
        let granted = |wanted: &str| grant.env.iter().any(|variable| variable.name == wanted);
        let required = blueprint
            .description()
            .env
            .iter()
            .filter(|var| var.required && !granted(&var.name));
        let names: Vec<String> = required.map(|var| var.name.clone()).collect();
        if !names.is_empty() {
            return Err(grant::Error::NotGranted {
                sink: name.to_owned(),
                names,
                source: grant.source.clone(),
            });
        }
        let name = Arc::from(name);
        let voice = Voice::new(&name, &grant, std::time::Instant::now);
        let unsearchable = voice.redactor.unsearchable();
        if !unsearchable.is_empty() && grant.stdout {
            return Err(grant::Error::ShortSecret {
                sink: name.to_string(),
                names: unsearchable.to_vec(),
                source: grant.source.clone(),
            });
        }
        if !unsearchable.is_empty() {
            let variables = unsearchable.join(", ");
            warn!(
                sink = &*name,
                variables,
                "Nothing that the sink says is shown: secrets of under 8 bytes could not be found in it. Where one is no secret, write secret: false in the grant."
            );
        }
        Ok(Self {
            name,
            blueprint,
            grant: Arc::new(grant),
            voice,
            conditions: None,
        })
    }

    /// With nothing granted, whatever it requires: to see what it does then.
    pub fn ungranted(name: &str, blueprint: Blueprint) -> Self {
        let (name, grant) = (Arc::from(name), Grant::default());
        let voice = Voice::new(&name, &grant, std::time::Instant::now);
        Self {
            name,
            blueprint,
            grant: Arc::new(grant),
            voice,
            conditions: None,
        }
    }

    /// The same, with a clock and randomness that are the same each time.
    #[must_use]
    pub fn under(self, conditions: Conditions) -> Self {
        Self {
            conditions: Some(conditions),
            ..self
        }
    }

    /// The same, for somebody who listens to what it says in place of the log.
    #[must_use]
    pub fn heard_by(self, ear: Ear) -> Self {
        let voice = Voice::heard_by(&self.name, &self.grant, std::time::Instant::now, ear);
        Self { voice, ..self }
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
