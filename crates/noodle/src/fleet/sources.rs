//! The names of data sources by types, which no list of files tells. They are learnt once per node and type, from the
//! first rows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use coco_core::tier::TargetId;

/// More kinds of files are not remembered: types.db has some three hundred types.
const MOST: usize = 20_000;

/// Files that have the same data sources: those of a type on a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Kind {
    owner: TargetId,
    type_name: Box<[u8]>,
}

/// Names in the order of the file.
pub type Names = Arc<[Box<[u8]>]>;

impl Kind {
    /// The kind of a file of a node.
    pub fn new(owner: TargetId, instance: &[u8]) -> Self {
        let end = instance.iter().position(|byte| *byte == b'-').unwrap_or(instance.len());
        Self { owner, type_name: instance[..end].into() }
    }
}

/// What has been learnt.
#[derive(Debug, Default)]
pub struct Sources(Mutex<HashMap<Kind, Names>>);

impl Sources {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The names of a kind, if they are known.
    pub fn get(&self, kind: &Kind) -> Option<Names> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(kind).cloned()
    }

    /// From now on a kind has these.
    pub fn learn(&self, kind: Kind, names: Names) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(kind, names);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_type_have_the_same_and_not_too_many_are_remembered() {
        let sources = Sources::new();
        let names: Names = [Box::from(*b"value")].into();
        sources.learn(Kind::new(TargetId::new(1), b"df_complex-free"), Arc::clone(&names));
        assert_eq!(sources.get(&Kind::new(TargetId::new(1), b"df_complex-used")), Some(Arc::clone(&names)));
        assert_eq!(sources.get(&Kind::new(TargetId::new(2), b"df_complex-used")), None);
        for number in 0..2 * MOST {
            sources.learn(Kind::new(TargetId::new(1), number.to_string().as_bytes()), Arc::clone(&names));
        }
        assert!(sources.0.lock().unwrap().len() <= MOST);
    }
}
