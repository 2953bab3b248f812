//! Many commands over one connection.

use rrdcached::command::Command;

use super::Trouble;
use super::connection::Connection;

/// Bytes of commands that are sent before their replies are read: they fit into the buffers between, so that a daemon
/// that waits for us to read has not stopped reading what we write.
const UNDER_WAY: usize = 16 * 1024;

/// Commands that are sent as their replies come.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    sent: usize,
}

impl Lines {
    /// Puts a command behind the others.
    pub(super) fn queue(&mut self, command: Command<'_>) -> Result<(), Trouble> {
        command.write(&mut self.text)?;
        self.ends.push(self.text.len());
        Ok(())
    }

    /// Sends as many as may be under way when so many are answered: at least the next.
    pub(super) async fn send(&mut self, connection: &mut Connection, answered: usize) -> Result<(), Trouble> {
        let answered_bytes = answered.checked_sub(1).map_or(0, |last| self.ends[last]);
        let may_be_sent = self.ends.partition_point(|end| *end <= answered_bytes + UNDER_WAY);
        let end = self.ends[may_be_sent.max(answered + 1) - 1];
        // Few and large packets: the rest waits until half of what may be under way is answered.
        let is_due = self.sent <= answered_bytes + UNDER_WAY / 2;
        if is_due && end > self.sent {
            connection.send(&self.text[self.sent..end]).await?;
            self.sent = end;
        }
        Ok(())
    }
}
