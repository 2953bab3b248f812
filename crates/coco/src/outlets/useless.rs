//! The addresses of a name that were of no use.

use std::net::SocketAddr;

/// Addresses of a name that were of no use since the target was last up, the latest last.
#[derive(Debug, Default)]
pub(super) struct Useless(Vec<SocketAddr>);

impl Useless {
    /// Brings those that were of no use to the end of `addresses`, with what is found to be of no use `now`. They count
    /// for as long as the name has them and the target is down.
    pub(super) fn put_last(&mut self, addresses: &mut [SocketAddr], now: Option<SocketAddr>, is_down: bool) {
        self.0.retain(|address| is_down && addresses.contains(address) && Some(*address) != now);
        self.0.extend(now.filter(|now| addresses.contains(now)));
        let place = |address: &SocketAddr| self.0.iter().position(|useless| useless == address);
        addresses.sort_by_key(place);
    }

    /// Whether it was of no use.
    pub(super) fn contains(&self, address: SocketAddr) -> bool {
        self.0.contains(&address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_were_of_no_use_come_last_and_the_latest_of_them_at_the_end() {
        let all = [1, 2, 3].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let [a, b, c] = all;
        let mut useless = Useless::default();
        let mut order = |addresses: &[SocketAddr], now, is_down| {
            let mut addresses = addresses.to_vec();
            useless.put_last(&mut addresses, now, is_down);
            addresses
        };
        assert_eq!(order(&all, Some(a), true), [b, c, a]);
        assert_eq!(order(&all, Some(b), true), [c, a, b]);
        // A resolver may change the order.
        assert_eq!(order(&[b, a, c], Some(c), true), [a, b, c]);
        assert_eq!(order(&all, None, true), all);
        assert_eq!(order(&all, Some(a), true), [b, c, a]);
        assert_eq!(order(&[a, c], None, true), [c, a]);
        assert_eq!(order(&all, None, false), all);
        assert_eq!(order(&all, Some(b), true), [a, c, b]);
    }
}
