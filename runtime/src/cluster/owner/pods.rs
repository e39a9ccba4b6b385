//! The Pods of a cluster, as far as their controllers go: uid, name and controller of each, and for
//! an hour after its deletion too, since events may follow it. Pure.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::object::{Object, Owner};
use super::step::{Step, controller};
use crate::cluster::{Scope, is_before};

/// How long a deleted Pod's controller is remembered: the API server's default time to live of
/// events, so that none outlives it.
const TOMBSTONE: Duration = Duration::from_secs(3600);

struct Known {
    owner: Option<Arc<Owner>>,
    name: (Box<str>, Box<str>),
    deleted: bool,
}

/// What is known of one scope's Pods.
#[derive(Default)]
struct View {
    /// The list has been read, and the watch goes on.
    whole: bool,
    /// The very first answer was that they may not be listed.
    refused: bool,
    /// Every Pod of up to this resource version is known.
    reached: String,
    /// Uids that the list which is being read has shown.
    listing: Option<HashSet<Box<str>>>,
}

/// What there is of a Pod.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The very Pod.
    Itself(Step),
    /// One of its name.
    Namesake(Step),
    /// Nothing.
    None,
}

/// All of them.
#[derive(Default)]
pub(super) struct Pods {
    by_uid: HashMap<Box<str>, Known>,
    /// The newest of each name.
    by_name: HashMap<(Box<str>, Box<str>), Box<str>>,
    /// The oldest first.
    deleted: VecDeque<(Instant, Box<str>)>,
    views: HashMap<Scope, View>,
}

impl Pods {
    pub(super) fn len(&self) -> usize {
        self.by_uid.len()
    }

    pub(super) fn is_listed(&self, scope: &Scope) -> bool {
        self.views.get(scope).is_some_and(|view| view.whole)
    }

    pub(super) fn refuse(&mut self, scope: &Scope) {
        self.views.entry(scope.clone()).or_default().refused = true;
    }

    pub(super) fn is_refused(&self, scope: &Scope) -> bool {
        self.views.get(scope).is_some_and(|view| view.refused)
    }

    /// The Pods of a scope are followed from here on.
    pub(super) fn follow(&mut self, scope: &Scope) {
        self.views.entry(scope.clone()).or_default();
    }

    /// Whether somebody follows the Pods of a namespace.
    pub(super) fn is_followed(&self, namespace: &str) -> bool {
        self.view(namespace).is_some()
    }

    fn view(&self, namespace: &str) -> Option<&View> {
        self.views
            .get(&Scope::All)
            .or_else(|| self.views.get(&Scope::Namespace(namespace.to_owned())))
    }

    /// The resource version up to which every Pod of a namespace is known; none while that can't be
    /// said.
    pub(super) fn reached(&self, namespace: &str) -> Option<String> {
        let view = self.view(namespace)?;
        view.whole.then(|| view.reached.clone())
    }

    pub(super) fn find(&self, object: &Object) -> Found {
        let step = |known: &Known| known.owner.clone().map_or(Step::Top, Step::Owner);
        if let Some(known) = self.by_uid.get(object.uid.as_str()) {
            return Found::Itself(step(known));
        }
        let name = (
            Box::from(object.namespace.as_str()),
            Box::from(object.name.as_str()),
        );
        self.by_name
            .get(&name)
            .and_then(|uid| self.by_uid.get(uid))
            .map_or(Found::None, |known| Found::Namesake(step(known)))
    }

    /// A list begins, at or after this resource version.
    pub(super) fn begin(&mut self, scope: &Scope, reached: String) {
        self.views.insert(
            scope.clone(),
            View {
                reached,
                listing: Some(HashSet::new()),
                ..View::default()
            },
        );
    }

    /// The list shows a Pod.
    pub(super) fn list(&mut self, scope: &Scope, meta: &ObjectMeta) {
        if let (Some(uid), Some(listing)) = (
            &meta.uid,
            self.views
                .get_mut(scope)
                .and_then(|view| view.listing.as_mut()),
        ) {
            listing.insert(uid.as_str().into());
        }
        self.apply(meta);
    }

    /// The list has been read: Pods that it does not show were deleted unseen.
    pub(super) fn end(&mut self, scope: &Scope, now: Instant) {
        let Some(view) = self.views.get_mut(scope) else {
            return;
        };
        view.whole = true;
        let Some(shown) = view.listing.take() else {
            return;
        };
        let covers = |known: &Known| matches!(scope, Scope::All) || scope.key() == &*known.name.0;
        let gone: Vec<Box<str>> = self
            .by_uid
            .iter()
            .filter(|(uid, known)| !known.deleted && covers(known) && !shown.contains(*uid))
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in gone {
            self.bury(&uid, now);
        }
    }

    /// The list, or the watch, broke off.
    pub(super) fn lose(&mut self, scope: &Scope) {
        if let Some(view) = self.views.get_mut(scope) {
            view.whole = false;
        }
    }

    /// A Pod as it is now.
    pub(super) fn apply(&mut self, meta: &ObjectMeta) {
        let Some(uid) = &meta.uid else { return };
        let uid: Box<str> = uid.as_str().into();
        let name = (
            Box::from(meta.namespace.as_deref().unwrap_or_default()),
            Box::from(meta.name.as_deref().unwrap_or_default()),
        );
        self.by_name.insert(name.clone(), uid.clone());
        self.by_uid.insert(
            uid,
            Known {
                owner: controller(meta),
                name,
                deleted: false,
            },
        );
    }

    /// The watch has come as far as this.
    pub(super) fn advance(&mut self, scope: &Scope, meta: &ObjectMeta) {
        let Some(version) = &meta.resource_version else {
            return;
        };
        if let Some(view) = self.views.get_mut(scope)
            && is_before(&view.reached, version) == Some(true)
        {
            view.reached.clone_from(version);
        }
    }

    /// A Pod was deleted.
    pub(super) fn delete(&mut self, meta: &ObjectMeta, now: Instant) {
        let Some(uid) = &meta.uid else { return };
        if !self.by_uid.contains_key(uid.as_str()) {
            self.apply(meta);
        }
        self.bury(uid, now);
    }

    fn bury(&mut self, uid: &str, now: Instant) {
        let Some(known) = self.by_uid.get_mut(uid) else {
            return;
        };
        if !std::mem::replace(&mut known.deleted, true) {
            self.deleted.push_back((now, uid.into()));
        }
        while let Some((at, _)) = self.deleted.front()
            && now.duration_since(*at) >= TOMBSTONE
            && let Some((_, uid)) = self.deleted.pop_front()
        {
            self.forget(&uid);
        }
    }

    fn forget(&mut self, uid: &str) {
        // One that came back since, as after a storage that was set back, stays.
        if self.by_uid.get(uid).is_some_and(|known| !known.deleted) {
            return;
        }
        if let Some(known) = self.by_uid.remove(uid)
            && self
                .by_name
                .get(&known.name)
                .is_some_and(|newest| &**newest == uid)
        {
            self.by_name.remove(&known.name);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by a panic")]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

    fn pod(name: &str, uid: &str, owner: Option<&str>, version: u64) -> ObjectMeta {
        let owner = owner.map(|name| OwnerReference {
            controller: Some(true),
            name: name.to_owned(),
            ..Default::default()
        });
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some("n".to_owned()),
            uid: Some(uid.to_owned()),
            resource_version: Some(version.to_string()),
            owner_references: owner.map(|owner| vec![owner]),
            ..Default::default()
        }
    }

    fn object(name: &str, uid: &str) -> Object {
        Object {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            namespace: "n".to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
        }
    }

    fn owner_of(found: &Found) -> Option<&str> {
        match found {
            Found::Itself(Step::Owner(owner)) | Found::Namesake(Step::Owner(owner)) => {
                Some(&owner.name)
            }
            _ => None,
        }
    }

    #[test]
    fn a_pod_is_found_by_its_uid_and_else_by_its_name() {
        let mut pods = Pods::default();
        pods.apply(&pod("a", "1", Some("job"), 5));
        assert_eq!(
            pods.find(&object("other", "1")),
            Found::Itself(Step::Owner(
                controller(&pod("a", "1", Some("job"), 5)).unwrap()
            ))
        );
        assert!(matches!(
            pods.find(&object("a", "")),
            Found::Namesake(Step::Owner(_))
        ));
        assert_eq!(pods.find(&object("b", "")), Found::None);
        pods.apply(&pod("a", "2", Some("next"), 6));
        assert_eq!(owner_of(&pods.find(&object("a", ""))), Some("next"));
        assert_eq!(owner_of(&pods.find(&object("a", "1"))), Some("job"));
    }

    #[test]
    fn a_deleted_pod_is_known_for_an_hour_and_then_forgotten_with_its_name() {
        let mut pods = Pods::default();
        let began = Instant::now();
        pods.apply(&pod("a", "1", Some("job"), 5));
        pods.delete(&pod("a", "1", Some("job"), 6), began);
        pods.delete(
            &pod("b", "2", None, 7),
            began + TOMBSTONE - Duration::from_secs(1),
        );
        assert_eq!(owner_of(&pods.find(&object("a", "1"))), Some("job"));
        pods.delete(&pod("c", "3", None, 8), began + TOMBSTONE);
        assert_eq!((pods.find(&object("a", "1")), pods.len()), (Found::None, 2));
        assert_eq!(pods.by_name.len(), 2);
    }

    #[test]
    fn what_a_second_list_does_not_show_was_deleted() {
        let mut pods = Pods::default();
        let (scope, began) = (Scope::All, Instant::now());
        pods.begin(&scope, "4".to_owned());
        pods.list(&scope, &pod("a", "1", None, 3));
        pods.list(&scope, &pod("b", "2", None, 3));
        assert_eq!(pods.reached("n"), None);
        pods.end(&scope, began);
        assert_eq!(pods.reached("n").as_deref(), Some("4"));
        pods.advance(&scope, &pod("b", "2", None, 9));
        assert_eq!(pods.reached("n").as_deref(), Some("9"));
        pods.lose(&scope);
        assert_eq!(pods.reached("n"), None);
        pods.begin(&scope, "20".to_owned());
        pods.list(&scope, &pod("b", "2", None, 9));
        pods.end(&scope, began);
        assert_eq!(pods.deleted.len(), 1);
        pods.delete(&pod("d", "4", None, 21), began + TOMBSTONE);
        assert_eq!(pods.find(&object("a", "1")), Found::None);
        assert!(matches!(pods.find(&object("b", "2")), Found::Itself(_)));
    }

    #[test]
    fn deleting_many_costs_about_as_much_for_each_as_deleting_few() {
        let delete = |count: usize| {
            let mut pods = Pods::default();
            let metas: Vec<ObjectMeta> = (0..count)
                .map(|n| pod(&format!("p{n}"), &format!("u{n}"), None, 1))
                .collect();
            metas.iter().for_each(|meta| pods.apply(meta));
            let began = Instant::now();
            metas.iter().for_each(|meta| pods.delete(meta, began));
            began.elapsed().as_secs_f64() / count as f64
        };
        let (few, many) = (delete(2_000), delete(50_000));
        assert!(
            many < few * 20.0,
            "{few} s for each of a few, {many} s for each of many"
        );
    }
}
