//! What was seen, counted.

use serde_json::{Value, json};

use crate::capture::Skips;

/// Counts of a whole run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Captured packets of any kind.
    pub(super) packets: u64,
    /// Datagrams to the port that were taken apart.
    pub(super) datagrams: u64,
    /// Packets of several datagrams each.
    pub(super) joined: u64,
    pub(super) value_lists: u64,
    pub(super) notifications: u64,
    /// Value lists and notifications that every receiver drops.
    pub(super) refused: u64,
    /// Datagrams whose rest is refused.
    pub(super) malformed: u64,
    /// Pieces of datagrams: not put together.
    pub(super) fragments: u64,
    /// Datagrams of which the capture has a part only.
    pub(super) truncated: u64,
    /// The capture ends within a packet.
    pub(super) cut: bool,
    /// Datagrams that came faster than they were shown.
    pub(super) kernel_drops: u64,
    /// Packets without a datagram for us.
    pub(super) skips: Skips,
}

impl Tally {
    /// Whether something was not as it should be.
    pub(super) fn has_findings(&self) -> bool {
        self.cut
            || self.refused + self.malformed + self.fragments + self.truncated + self.kernel_drops > 0
            || self.skips.have_findings()
            || self.found_nothing()
    }

    /// Whether there were packets, and none of them for us.
    fn found_nothing(&self) -> bool {
        self.packets > 0 && self.datagrams == 0
    }

    pub(super) fn object(&self, port: u16) -> Value {
        json!({
            "event": "summary",
            "packets": self.packets,
            "datagrams": self.datagrams,
            "joined": self.joined,
            "value_lists": self.value_lists,
            "notifications": self.notifications,
            "refused": self.refused,
            "malformed": self.malformed,
            "fragments": self.fragments,
            "truncated": self.truncated,
            "cut": self.cut,
            "kernel_drops": self.kernel_drops,
            "skipped": self.skips.object(),
            "link_types": self.skips.link_types(),
            "ports": self.skips.ports(),
            "hints": self.skips.hints(port, self.found_nothing()),
        })
    }

    /// A line for people, which names trouble only where there is some, and a line for each thing to do about it.
    pub(super) fn lines(&self, port: u16) -> String {
        let mut line = format!(
            "{} value lists and {} notifications in {} datagrams, of {} packets",
            self.value_lists, self.notifications, self.datagrams, self.packets
        );
        if self.joined > 0 {
            line += &format!(", {} of which hold several", self.joined);
        }
        for (count, what) in [
            (self.refused, "refused"),
            (self.malformed, "malformed"),
            (self.fragments, "fragments, not put together"),
            (self.truncated, "cut off by the capture"),
            (self.kernel_drops, "dropped by the kernel"),
        ] {
            if count > 0 {
                line += &format!("; {count} {what}");
            }
        }
        if self.cut {
            line += "; the file ends within a packet";
        }
        for (count, what) in self.skips.counts() {
            line += &format!("; {count} skipped, {what}");
        }
        for hint in self.skips.hints(port, self.found_nothing()) {
            line += &format!("\nhint: {hint}");
        }
        line
    }
}
