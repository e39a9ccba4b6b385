//! A component that was compiled once, and fits the contract.

use std::sync::Arc;

use wasmtime::Engine as Wasmtime;

use crate::sink::Error;
use crate::sink::instance::Host;

use super::bindings::v0_1::WorldPre;
use super::compile::{Compiled, Refusal, Report};
use super::link::link;
use super::{Artifact, Description, Digest, Engine, Outline};

/// A component, ready to make instances of.
#[derive(Clone)]
pub struct Blueprint {
    pub(in crate::sink) engine: Wasmtime,
    pub(in crate::sink) world: WorldPre<Host>,
    description: Arc<Description>,
    outline: Arc<Outline>,
    digest: Digest,
}

impl Blueprint {
    /// Compiles a component, and lets it describe itself: with nothing granted.
    pub async fn load(engine: &Engine, artifact: &Artifact) -> Result<Self, Error> {
        let refuse = |refusal: Refusal| refusal.at(&artifact.path);
        let Compiled {
            component,
            report: Report {
                outline,
                description,
            },
        } = engine.compile(artifact).await.map_err(refuse)?;
        let world = link(&engine.wasmtime, &component).map_err(refuse)?;
        Ok(Self {
            engine: engine.wasmtime.clone(),
            world,
            description: Arc::new(description),
            outline: Arc::new(outline),
            digest: artifact.digest,
        })
    }

    /// Whether it is a sink, as far as can be seen before it is compiled.
    ///
    /// # Errors
    /// With what it is instead.
    pub fn check(artifact: &Artifact) -> Result<(), Error> {
        Outline::read(&artifact.bytes)
            .map(drop)
            .map_err(|refusal| refusal.at(&artifact.path))
    }

    /// What the component said of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// What it imports and exports.
    pub fn outline(&self) -> &Outline {
        &self.outline
    }

    /// Digest of the component.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}
