//! Answers of look-ups that are remembered, within bounds. Pure but for the clock.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::object::Object;
use super::step::{Step, namesake};

/// Answers in each half: when the newer half is full, the older one is forgotten, and what is still
/// asked for moves on.
const MOST: usize = 20_000;

#[derive(Default)]
pub(super) struct Remembered {
    newer: HashMap<Object, (Step, Option<Instant>)>,
    older: HashMap<Object, (Step, Option<Instant>)>,
    /// What a recording has: by kind, namespace and name, and there is but one.
    recorded: HashMap<(String, String, String), (String, Step)>,
}

impl Remembered {
    pub(super) fn get(&mut self, object: &Object) -> Option<Step> {
        let key = || {
            (
                object.kind.clone(),
                object.namespace.clone(),
                object.name.clone(),
            )
        };
        if !self.recorded.is_empty()
            && let Some((uid, step)) = self.recorded.get(&key())
        {
            let is_itself = *uid == object.uid || !object.has_uid();
            return Some(if is_itself {
                step.clone()
            } else {
                namesake(step.clone())
            });
        }
        let holds = |until: &Option<Instant>| until.is_none_or(|until| Instant::now() < until);
        if let Some((step, until)) = self.newer.get(object) {
            return holds(until).then(|| step.clone());
        }
        let (step, until) = self
            .older
            .remove(object)
            .filter(|(_, until)| holds(until))?;
        self.insert(object, step.clone(), until);
        Some(step)
    }

    /// For ever, or for some time.
    pub(super) fn remember(&mut self, object: &Object, step: &Step, holds_for: Option<Duration>) {
        self.insert(
            object,
            step.clone(),
            holds_for.map(|time| Instant::now() + time),
        );
    }

    fn insert(&mut self, object: &Object, step: Step, until: Option<Instant>) {
        if self.newer.len() >= MOST {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(object.clone(), (step, until));
    }

    /// An object of a recording.
    pub(super) fn learn(&mut self, kind: &str, namespace: &str, name: &str, uid: &str, step: Step) {
        self.recorded.insert(
            (kind.to_owned(), namespace.to_owned(), name.to_owned()),
            (uid.to_owned(), step),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: &str, name: &str) -> Object {
        let uid = "00000000-0000-0000-0000-000000000001".to_owned();
        Object {
            api_version: "v1".to_owned(),
            kind: kind.to_owned(),
            namespace: "n".to_owned(),
            name: name.to_owned(),
            uid,
        }
    }

    #[test]
    fn an_answer_about_one_kind_and_name_says_nothing_about_another_with_its_uid() {
        let mut remembered = Remembered::default();
        remembered.remember(&object("Pod", "nobody"), &Step::Gone, None);
        assert_eq!(remembered.get(&object("Pod", "nobody")), Some(Step::Gone));
        assert_eq!(remembered.get(&object("ReplicaSet", "nobody")), None);
        assert_eq!(remembered.get(&object("Pod", "somebody")), None);
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_bounded() {
        let mut remembered = Remembered::default();
        remembered.remember(&object("Pod", "asked"), &Step::Top, None);
        for n in 0..3 * MOST {
            remembered.remember(&object("Pod", &format!("p{n}")), &Step::Gone, None);
            if n % 1_000 == 0 {
                assert_eq!(remembered.get(&object("Pod", "asked")), Some(Step::Top));
            }
        }
        assert!(remembered.newer.len() + remembered.older.len() <= 2 * MOST);
    }

    #[test]
    fn an_answer_for_some_time_is_asked_for_again_after_it() {
        let mut remembered = Remembered::default();
        remembered.remember(&object("Pod", "p"), &Step::Unknown, Some(Duration::ZERO));
        assert_eq!(remembered.get(&object("Pod", "p")), None);
    }
}
