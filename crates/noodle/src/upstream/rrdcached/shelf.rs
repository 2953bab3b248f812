//! Things that are remembered for a while, and paid for as long.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::budget::Reservation;

/// What an entry takes beside what it holds.
pub(super) const EACH: usize = 256;

/// What is too old is taken out this often.
const TIDIED: Duration = Duration::from_secs(1);

/// The same where nobody asks for anything.
const LOOKED_AFTER: Duration = Duration::from_secs(10);

/// Things that are remembered for a while.
#[derive(Debug)]
pub(super) struct Shelf<K, V>(Arc<Mutex<Entries<K, V>>>);

#[derive(Debug)]
struct Entries<K, V> {
    by_key: HashMap<K, Entry<V>>,
    /// When those were taken out last that are too old.
    tidied: Option<Instant>,
    /// Whether a task takes them out where nobody asks.
    is_looked_after: bool,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    until: Instant,
    /// What it takes.
    _lent: [Reservation; 2],
}

impl<K, V> Default for Shelf<K, V> {
    fn default() -> Self {
        let entries = Entries { by_key: HashMap::new(), tidied: None, is_looked_after: false };
        Self(Arc::new(Mutex::new(entries)))
    }
}

impl<K: Eq + Hash + Send + 'static, V: Clone + Send + 'static> Shelf<K, V> {
    /// What is remembered, if it is not too old.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        let now = Instant::now();
        let mut entries = self.lock();
        entries.tidy(now);
        entries.by_key.get(key).filter(|entry| now < entry.until).map(|entry| entry.value.clone())
    }

    /// Remembers something until then, with what it takes of the part and of the budget.
    pub(super) fn put(&self, key: K, value: V, until: Instant, lent: [Reservation; 2]) {
        let mut entries = self.lock();
        entries.tidy(Instant::now());
        entries.by_key.insert(key, Entry { value, until, _lent: lent });
        if !entries.is_looked_after
            && let Ok(runtime) = Handle::try_current()
        {
            entries.is_looked_after = true;
            runtime.spawn(look_after(Arc::downgrade(&self.0)));
        }
    }

    /// Takes out what is too old, once a second.
    pub(super) fn tidy(&self) {
        self.lock().tidy(Instant::now());
    }

    /// As if all of it had become too old.
    #[cfg(test)]
    pub(super) fn grow_old(&self) {
        let mut entries = self.lock();
        entries.by_key.values_mut().for_each(|entry| entry.until = Instant::now());
        entries.tidied = None;
    }

    fn lock(&self) -> MutexGuard<'_, Entries<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, V> Entries<K, V> {
    /// Takes out what is too old, once a second.
    fn tidy(&mut self, now: Instant) {
        if self.tidied.is_none_or(|tidied| now.duration_since(tidied) >= TIDIED) {
            self.by_key.retain(|_, entry| now < entry.until);
            self.tidied = Some(now);
            if self.by_key.is_empty() {
                self.by_key.shrink_to_fit();
            }
        }
    }
}

async fn look_after<K: Eq + Hash, V>(entries: Weak<Mutex<Entries<K, V>>>) {
    loop {
        tokio::time::sleep(LOOKED_AFTER).await;
        let Some(entries) = entries.upgrade() else { return };
        let mut entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.tidy(Instant::now());
        entries.is_looked_after = !entries.by_key.is_empty();
        if !entries.is_looked_after {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

    #[test]
    fn what_is_too_old_is_not_found_before_it_is_taken_out() {
        let (shelf, now) = (Shelf::default(), Instant::now());
        let nothing = || Budget::new(0).nothing();
        shelf.put(1, 2, now, [nothing(), nothing()]);
        shelf.put(2, 3, now + Duration::from_secs(60), [nothing(), nothing()]);
        shelf.lock().tidied = Some(now + Duration::from_secs(60));
        assert_eq!((shelf.get(&1), shelf.get(&2)), (None, Some(3)));
    }
}
