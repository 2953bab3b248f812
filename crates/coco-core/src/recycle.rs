//! Memory that is used again and again, and given back when much was needed once.

/// Empties a table. It keeps its memory if that is for no more than `kept` entries or was made use of, else half of it:
/// so the steady state allocates nothing, and nobody can have a process keep for ever what one moment needed.
pub fn recycle<T>(table: &mut Vec<T>, kept: usize) {
    let needed = table.len();
    table.clear();
    if table.capacity() > kept.max(4 * needed) {
        table.shrink_to(kept.max(table.capacity() / 2));
    }
}

#[cfg(test)]
mod tests {
    use super::recycle;

    #[test]
    fn what_was_needed_once_is_given_back_and_what_is_needed_stays() {
        let mut table = vec![0_u8; 1 << 20];
        let capacities = (0..12).map(|_| {
            table.extend([0; 1000]);
            recycle(&mut table, 4096);
            assert!(table.is_empty());
            table.capacity()
        });
        let capacities: Vec<_> = capacities.collect();
        assert!(capacities[0] > 1 << 20, "it was made use of");
        assert!(capacities.is_sorted_by(|before, after| before >= after) && capacities[1] < capacities[0]);
        assert_eq!(capacities[11], 4096);
        let address = table.as_ptr();
        table.extend([0; 4096]);
        recycle(&mut table, 4096);
        assert_eq!((table.as_ptr(), table.capacity()), (address, 4096));
    }
}
