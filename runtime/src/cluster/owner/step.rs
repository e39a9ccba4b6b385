//! One step of a chain: an object's controller.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::object::Owner;

/// One step of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It has no controller.
    Top,
    /// Its controller.
    Owner(Arc<Owner>),
    /// There is no such object.
    Gone,
    /// Nobody says.
    Unknown,
}

/// An object's namesake may have been made by another: it proves nothing but a controller that is
/// there.
pub(super) fn namesake(step: Step) -> Step {
    if let Step::Owner(_) = step {
        step
    } else {
        Step::Gone
    }
}

/// What an object's metadata say about its controller.
pub(super) fn step_of(meta: &ObjectMeta) -> Step {
    controller(meta).map_or(Step::Top, Step::Owner)
}

/// The controller among the owner references.
pub(super) fn controller(meta: &ObjectMeta) -> Option<Arc<Owner>> {
    let owner = meta
        .owner_references
        .iter()
        .flatten()
        .find(|owner| owner.controller == Some(true))?;
    Some(Arc::new(Owner {
        api_version: owner.api_version.clone(),
        kind: owner.kind.clone(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
    }))
}
