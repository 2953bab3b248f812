//! Reasons why targets are no placement.

use thiserror::Error;

/// Most owners that a host can have in one tier.
pub const MAX_REPLICAS: usize = 8;

/// A reason why targets are no placement.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlacementError {
    /// A number of owners that no host can have, or more than there are targets.
    #[error(
        "{given} {} of a host on {targets} {}: expected 1 to {}",
        plural(*given, "copy", "copies"), plural(*targets, "target", "targets"), MAX_REPLICAS.min(*targets)
    )]
    Replicas {
        /// The number asked for.
        given: usize,
        /// The number of targets.
        targets: usize,
    },
    /// There are no targets, or more than can be numbered.
    #[error("{given} targets: expected 1 to {}", u32::MAX)]
    Targets {
        /// Their number.
        given: usize,
    },
    /// Two targets have one name.
    #[error("target {name:?} is given twice: expected every name once")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// Some targets have a zone, and this one has none.
    #[error("target {name:?} has no zone and others have: expected a zone for all targets or for none")]
    ZoneMissing {
        /// The name of the target.
        name: String,
    },
    /// Two targets have one index.
    #[error("index {index} is given twice: expected every index once")]
    DuplicateIndex {
        /// The index.
        index: i64,
    },
    /// Some targets have an index, and the one at this place of the list has none.
    #[error("target {} has no index and others have: expected an index for all targets or for none", place + 1)]
    IndexMissing {
        /// Its place in the list, from 0.
        place: usize,
    },
}

/// Refuses numbers of targets, and of owners among them, that are no placement.
pub(super) fn check(targets: usize, replicas: usize) -> Result<(), PlacementError> {
    if targets == 0 || u32::try_from(targets).is_err() {
        return Err(PlacementError::Targets { given: targets });
    }
    if !(1..=MAX_REPLICAS.min(targets)).contains(&replicas) {
        return Err(PlacementError::Replicas { given: replicas, targets });
    }
    Ok(())
}

fn plural(number: usize, one: &'static str, many: &'static str) -> &'static str {
    if number == 1 { one } else { many }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_no_placement_are_refused_with_those_that_are() {
        for (targets, replicas) in [(1, 1), (2, 2), (8, 8), (2000, 8)] {
            assert_eq!(check(targets, replicas), Ok(()), "{targets} {replicas}");
        }
        for (targets, replicas, told) in [
            (3, 0, "0 copies of a host on 3 targets: expected 1 to 3"),
            (1, 2, "2 copies of a host on 1 target: expected 1 to 1"),
            (9, 9, "9 copies of a host on 9 targets: expected 1 to 8"),
            (0, 1, "0 targets: expected 1 to 4294967295"),
        ] {
            assert_eq!(check(targets, replicas).unwrap_err().to_string(), told);
        }
    }
}
