//! Memory for forms: lent from the budget of the answers, and no more than a part of it, so that who sends forms slowly
//! leaves others theirs.

use coco_core::config::Fetch;
use coco_daemon::http::{FormTerms, Loan};

use super::{Budget, Reservation};

/// All forms under way take one part in so many of the memory, if that is enough for one.
const PART: usize = 8;

/// What forms may take.
#[derive(Debug)]
pub struct Forms {
    largest: usize,
    part: Budget,
    all: Budget,
}

impl Forms {
    /// Within this.
    pub fn new(all: &Budget, config: &Fetch) -> Self {
        let largest = config.max_form;
        Self { largest, part: Budget::new(limit(all, config)), all: all.clone() }
    }

    /// As configured anew: what is lent stays lent.
    #[must_use]
    pub fn renewed(&self, all: &Budget, config: &Fetch) -> Self {
        let part = self.part.with_limit(limit(all, config));
        Self { largest: config.max_form, part, all: all.clone() }
    }

    /// For one form.
    pub fn terms(&self) -> FormTerms {
        let lent = [&self.part, &self.all].map(Budget::nothing);
        FormTerms { largest: self.largest, key: "fetch.max_form", loan: Box::new(Lent(lent)) }
    }
}

fn limit(all: &Budget, config: &Fetch) -> usize {
    (all.limit() / PART).max(config.max_form)
}

struct Lent([Reservation; 2]);

impl Loan for Lent {
    fn grow(&mut self, bytes: usize) -> bool {
        let [part, all] = &mut self.0;
        if part.grow(bytes).is_err() {
            return false;
        }
        let is_lent = all.grow(bytes).is_ok();
        if !is_lent {
            part.give_back(bytes);
        }
        is_lent
    }
}

#[cfg(test)]
mod tests {
    use coco_core::config::NoodleConfig;

    use super::*;

    #[test]
    fn forms_take_a_part_of_the_memory_and_give_it_back() {
        let text = "[tiers.t]\ntargets = [\"10.1.1.1:1\"]\n[fetch]\nbind = \":0\"\nmax_form = 5000\nmax_memory = 1048576\n";
        let config = NoodleConfig::parse(text).unwrap().fetch;
        let budget = Budget::new(config.max_memory);
        let forms = Forms::new(&budget, &config);
        let (mut one, mut other) = (forms.terms(), forms.terms());
        assert_eq!(one.largest, 5000);
        assert!(one.loan.grow(100_000) && !other.loan.grow(40_000) && other.loan.grow(31_000));
        assert_eq!(budget.lent(), 131_000);
        let held = budget.reserve((1 << 20) - 131_000).unwrap();
        assert!(!other.loan.grow(1));
        drop((one, held));
        assert!(other.loan.grow(1));
        drop(other);
        assert_eq!((budget.lent(), forms.part.lent()), (0, 0));
        assert_eq!(limit(&Budget::new(100), &config), 5000, "one form has room");
    }
}
