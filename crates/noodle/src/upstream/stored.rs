//! What one target has, whoever owns it: for tools that look at a node by itself.

use std::sync::Arc;

use super::rrdcached::Path;
use super::{Said, Transport, Try, Upstream};
use crate::ask::{Content, Hosts, Question};
use crate::budget::Budget;
use crate::failure::Failure;

/// Files that are asked for their last update within one [timeout](Upstream::timeout).
const AT_ONCE: usize = 512;

impl Upstream {
    /// All hosts that it has, as it has them.
    ///
    /// # Errors
    /// When it gives no answer.
    pub async fn stored_hosts(&self, budget: &Budget) -> Result<Vec<Vec<u8>>, Failure> {
        let all = Hosts::Matching { shown: Arc::from(*b""), patterns: Arc::from([]) };
        self.stored_names(Question::for_names(Content::Hosts, all, 0), budget).await
    }

    /// The metrics that it has of a host, `PLUGIN/INSTANCE`; none of a host that it can't list.
    ///
    /// # Errors
    /// When it gives no answer.
    pub async fn stored_metrics(&self, host: &[u8], budget: &Budget) -> Result<Vec<Vec<u8>>, Failure> {
        let question = Question::for_names(Content::Metrics, Hosts::Named(host.into()), 0);
        self.stored_names(question, budget).await
    }

    async fn stored_names(&self, question: Question, budget: &Budget) -> Result<Vec<Vec<u8>>, Failure> {
        for attempt in [Try::First, Try::Again] {
            match self.ask(self.turn().await?, &question, attempt, budget).await.said? {
                Said::Reply(reply) => return Ok(reply.names()),
                Said::Nothing => break,
                Said::Doubtful => {}
            }
        }
        Ok(Vec::new())
    }

    /// The newest of the last updates of these metrics of a host, in Unix seconds. None where nothing is known of it: Visage
    /// does not tell.
    ///
    /// # Errors
    /// When it gives no answer.
    pub async fn newest_update(&self, host: &[u8], metrics: &[Vec<u8>]) -> Result<Option<i64>, Failure> {
        let Transport::Rrdcached(daemon) = &self.transport else { return Ok(None) };
        let path = |metric: &Vec<u8>| {
            let slash = metric.iter().position(|byte| *byte == b'/')?;
            Some(Path::new(host, &metric[..slash], &metric[slash + 1..]))
        };
        let paths: Vec<_> = metrics.iter().filter_map(path).collect();
        let mut newest = None;
        for paths in paths.chunks(AT_ONCE) {
            let _turn = self.turn().await?;
            newest = newest.max(daemon.newest_update_in_time(paths).await?);
        }
        Ok(newest)
    }
}
