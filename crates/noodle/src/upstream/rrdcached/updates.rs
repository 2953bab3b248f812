//! When files were updated last.

use rrdcached::command::Command;
use rrdcached::error::{Refusal, RefusalKind};
use rrdcached::status::Status;

use super::connection::Connection;
use super::lines::Lines;
use super::{Path, Rrdcached, Talk, Trouble};

impl Rrdcached {
    /// The newest of the last updates of these files, in Unix seconds, values that are still in memory included; none where
    /// no file says.
    ///
    /// # Errors
    /// When the node gives no answer for one of them.
    pub async fn newest_update(&self, paths: &[Path]) -> Result<Option<i64>, Trouble> {
        self.converse(Lasts { paths }).await
    }
}

/// The last updates of files.
struct Lasts<'a> {
    paths: &'a [Path],
}

impl Talk for Lasts<'_> {
    const IS_ONE: bool = false;
    type Told = Option<i64>;

    async fn talk(&mut self, connection: &mut Connection) -> Result<Self::Told, Trouble> {
        let mut lines = Lines::default();
        for path in self.paths {
            lines.queue(Command::Last { file: &path.0 })?;
        }
        let mut newest = None;
        for answered in 0..self.paths.len() {
            lines.send(connection, answered).await?;
            let told = connection
                .receive(|cursor| Ok::<_, Trouble>(Status::read(cursor)?.map(|status| status.time().ok())));
            newest = newest.max(match told.await {
                Ok(time) => time,
                // Of one file that is gone, or none of RRD's: the others say.
                Err(Trouble::Refused(Refusal { kind, .. }))
                    if !matches!(kind, RefusalKind::Denied | RefusalKind::UnknownCommand) =>
                {
                    None
                }
                Err(trouble) => return Err(trouble),
            });
        }
        Ok(newest)
    }
}

#[cfg(test)]
mod tests {
    use coco_core::tier::DaemonAddress;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    use super::super::tests::at;
    use super::*;

    /// The replies to the commands behind it would answer whatever is asked next.
    #[tokio::test]
    async fn a_connection_on_which_replies_are_still_to_come_is_not_used_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = DaemonAddress::Internet(listener.local_addr().unwrap().to_string().parse().unwrap());
        let server = tokio::spawn(async move {
            let mut connections = Vec::new();
            for reply in ["-1 Permission denied.\n", "0 5\n0 7\n"] {
                let (stream, _) = listener.accept().await.unwrap();
                let mut stream = BufReader::new(stream);
                for _ in 0..2 {
                    stream.read_line(&mut String::new()).await.unwrap();
                }
                stream.write_all(reply.as_bytes()).await.unwrap();
                connections.push(stream);
            }
            connections
        });
        let daemon = at(address);
        let paths = ["a", "b"].map(|instance| Path::new(b"web1", b"load", instance.as_bytes()));
        assert!(matches!(daemon.newest_update(&paths).await, Err(Trouble::Refused(_))));
        assert_eq!(daemon.kept.count(), 0);
        assert_eq!(daemon.newest_update(&paths).await.unwrap(), Some(7));
        server.await.unwrap();
    }
}
