//! One copy of the terms of many logs: a namespace may have a million channels.

use std::sync::{Arc, Mutex, PoisonError};

use tidings_log::Terms;

/// The terms that logs hold now: some for each namespace.
#[derive(Default)]
pub(super) struct SharedTerms(Mutex<Vec<Arc<Terms>>>);

impl SharedTerms {
    /// The one copy of these terms.
    pub fn share(&self, terms: Terms) -> Arc<Terms> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = all.iter().find(|shared| ***shared == terms) {
            return shared.clone();
        }
        // Those of rules that hold no more go with the last log that held them.
        all.retain(|shared| Arc::strong_count(shared) > 1);
        let shared = Arc::new(terms);
        all.push(shared.clone());
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_log::{LagRule, Retention};

    #[test]
    fn equal_terms_are_one_and_those_of_nobody_go() {
        let terms = |count| Terms {
            retention: Retention {
                count,
                bytes: 1,
                age: 1,
                ephemeral_count: 1,
                ephemeral_age: 1,
            },
            lag: LagRule::NONE,
        };
        let shared = SharedTerms::default();
        let (first, again) = (shared.share(terms(1)), shared.share(terms(1)));
        assert!(Arc::ptr_eq(&first, &again));
        drop((first, again));
        let held = shared.share(terms(2));
        assert_eq!(shared.0.lock().unwrap().len(), 1);
        assert_eq!(held.retention.count, 2);
    }
}
