//! From files to a version of a sink.

use std::path::{Path, PathBuf};

use super::{Directories, Fingerprint, Found, Version, find};
use crate::sink::grant::{Document, Grant};
use crate::sink::{Artifact, Blueprint, Engine, Error};

/// Reads sinks and their grants, as often as it is asked to.
#[derive(Clone)]
pub struct Loader {
    /// Compiles them.
    pub engine: Engine,
    /// Where they may lie.
    pub directories: Directories,
    /// Looks a variable of this process up.
    pub environment: fn(&str) -> Option<String>,
}

/// What was read.
#[derive(Clone)]
pub struct Loaded {
    /// Ready to be opened.
    pub version: Version,
    /// The component that it was made of.
    pub artifact: Artifact,
}

impl Loader {
    /// Reads a sink's files, and compiles the component.
    ///
    /// # Errors
    /// When something of it can't be used, with the file.
    pub async fn load(&self, found: &Found) -> Result<Loaded, Error> {
        self.make(found, self.engine.read(&found.component)?).await
    }

    /// The same with a component that was read elsewhere.
    ///
    /// # Errors
    /// As [`Loader::load`].
    pub async fn make(&self, found: &Found, artifact: Artifact) -> Result<Loaded, Error> {
        let grant = self.grant(found)?;
        // Before anything is compiled.
        grant.check(&found.name, artifact.digest)?;
        let blueprint = Blueprint::load(&self.engine, &artifact).await?;
        Ok(Loaded {
            version: Version::new(&found.name, blueprint, grant)?,
            artifact,
        })
    }

    /// Reads a sink's files again: none when nothing differs from the version that serves. Its code
    /// is not made anew when only the grant differs.
    ///
    /// # Errors
    /// As [`Loader::load`].
    pub async fn reload(&self, found: &Found, serving: &Version) -> Result<Option<Loaded>, Error> {
        let artifact = self.engine.read(&found.component)?;
        if artifact.digest != serving.digest() {
            return self.make(found, artifact).await.map(Some);
        }
        Ok(self
            .renew(found, serving)?
            .map(|version| Loaded { version, artifact }))
    }

    /// Reads the grant alone again, and the values that it grants: none when they are as before.
    ///
    /// # Errors
    /// When the grant can't be used.
    pub fn renew(&self, found: &Found, serving: &Version) -> Result<Option<Version>, Error> {
        let grant = self.grant(found)?;
        if grant == *serving.grant() {
            return Ok(None);
        }
        Ok(Some(Version::new(
            &found.name,
            serving.blueprint().clone(),
            grant,
        )?))
    }

    fn grant(&self, found: &Found) -> Result<Grant, Error> {
        let Some(path) = &found.grant else {
            return Ok(Grant::default());
        };
        Ok(Document::read(path)?.resolve(&found.name, Some(path), &self.environment)?)
    }

    /// What the file system says of everything that a sink is made of: component, grant, and files
    /// of variables.
    ///
    /// # Errors
    /// When no component is found, or two.
    pub fn look(&self, value: &str) -> Result<(Found, Fingerprint), Error> {
        let found = find(value, &self.directories)?;
        let fingerprint = Fingerprint::of(files(&found));
        Ok((found, fingerprint))
    }
}

/// Every file that a sink is made of: its component's, its grant, and those that variables come
/// from.
pub fn files(found: &Found) -> Vec<PathBuf> {
    let document = found
        .grant
        .as_deref()
        .and_then(|path| Document::read(path).ok())
        .unwrap_or_default();
    let grant = found
        .grant
        .as_deref()
        .into_iter()
        .chain(document.files())
        .map(Path::to_owned);
    let mut files = found.files();
    files.extend(grant);
    files
}
