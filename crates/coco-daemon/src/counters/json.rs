//! The view of `/debug/vars`.

use serde_json::map::Entry;
use serde_json::{Map, Number, Value as Json};

use super::definition::View;
use super::snapshot::{Sample, Snapshot, Value};

impl Snapshot {
    /// One object, nested by path, keys in the order in which they were added first.
    pub fn json(&self) -> Map<String, Json> {
        let mut root = Map::new();
        for sample in self.shown_in(View::Json) {
            add_at_path(&mut root, sample);
        }
        for sample in &self.distributions {
            if let Some(Entry::Vacant(vacant)) = entry(&mut root, sample) {
                vacant.insert(sample.value.json());
            }
        }
        root
    }
}

/// The place of a sample below `root`; none where its path goes through a value.
fn entry<'a, V>(root: &'a mut Map<String, Json>, sample: &'a Sample<V>) -> Option<Entry<'a>> {
    let (leaf, parents) = sample.definition.path.split_last()?;
    let mut object = root;
    for element in parents {
        let child = object.entry(sample.label(element)).or_insert_with(|| Json::Object(Map::new()));
        let Json::Object(child) = child else {
            debug_assert!(false, "{:?} goes through a value", sample.definition);
            return None;
        };
        object = child;
    }
    Some(object.entry(sample.label(leaf)))
}

/// Puts a sample at its path below `root`, on top of what is there.
fn add_at_path(root: &mut Map<String, Json>, sample: &Sample) {
    match entry(root, sample) {
        None => {}
        Some(Entry::Vacant(vacant)) => {
            vacant.insert(sample.value.into());
        }
        Some(Entry::Occupied(mut occupied)) => {
            debug_assert!(!occupied.get().is_object(), "{:?} hides others", sample.definition);
            let sum = shown(occupied.get()).plus(sample.value);
            occupied.insert(sum.into());
        }
    }
}

/// The value that is shown already.
fn shown(json: &Json) -> Value {
    json.as_u64().map_or_else(|| Value::Real(json.as_f64().unwrap_or(f64::NAN)), Value::Integer)
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        match value {
            Value::Integer(value) => value.into(),
            Value::Real(value) => Number::from_f64(value).map_or(Self::Null, Self::Number),
        }
    }
}
