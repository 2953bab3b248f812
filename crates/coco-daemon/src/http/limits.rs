//! Limits of clients: connections, bytes and time.

use std::time::Duration;

use crate::descriptors;

/// Those who come at the same time, however few may stay.
const SMALLEST: usize = 8;

/// Limits of clients: connections, bytes and time.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time. A newcomer takes the place of the longest idle one.
    pub connections: usize,
    /// From the first byte of a request, and from the beginning of a connection, until a head is complete.
    pub head_timeout: Duration,
    /// A connection that has served a request is kept so long for the next one.
    pub idle_timeout: Duration,
    /// Bytes of a request's first line and header fields.
    pub head_size: usize,
    /// Number of header fields.
    pub head_fields: usize,
    /// From the head of a request until its form is complete. A form of which nothing comes for
    /// [`head_timeout`](Self::head_timeout) is given up before.
    pub form_timeout: Duration,
    /// A client that takes none of its answer for so long is disconnected.
    pub stall_timeout: Duration,
    /// The same when others wait for a place.
    pub contended_stall_timeout: Duration,
    /// A client that takes longer over an answer loses its connection when others wait for a place.
    pub answer_timeout: Duration,
    /// At shutdown, what requests in progress still get.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(75),
            head_size: 16 * 1024,
            head_fields: 100,
            form_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            contended_stall_timeout: Duration::from_secs(2),
            answer_timeout: Duration::from_secs(10),
            grace: Duration::from_secs(1),
        }
    }
}

impl Limits {
    /// The default, but so that clients hold no more than half of the descriptors that this process may have: it needs
    /// some for other things too.
    pub fn of_process() -> Self {
        Self::default().within(descriptors::limit())
    }

    fn within(self, descriptors: usize) -> Self {
        // Of each four: two that are served, one in the lobby, one that waits for a place.
        Self { connections: self.connections.min(descriptors / 4).max(1), ..self }
    }

    /// The time after which an idle connection is closed: a second more than clients are told, since a request takes a
    /// while to arrive.
    pub(super) fn longest_idle(&self) -> Duration {
        self.idle_timeout + Duration::from_secs(1)
    }

    /// Connections at a time of which it is not known yet what they ask for.
    pub(super) fn lobby(&self) -> usize {
        self.connections.div_ceil(2).max(SMALLEST)
    }

    /// Connections at a time that wait for a place.
    pub(super) fn waiting(&self) -> usize {
        self.connections.div_ceil(2).max(SMALLEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_descriptors_are_for_clients() {
        let connections = |descriptors| Limits::default().within(descriptors).connections;
        assert_eq!([0, 1, 4, 1000, 4096, usize::MAX].map(connections), [1, 1, 1, 250, 1024, 1024]);
        let limits = Limits::default().within(1000);
        assert_eq!(limits.connections + limits.lobby() + limits.waiting(), 500);
    }
}
