//! Handing batches into lanes, and empty ones back to where they are filled.

use std::sync::Arc;

use crossbeam_channel::{Receiver as Takes, Sender as Gives};

use crate::batch::Batch;
use crate::intake::Spread;
use crate::lane::Lane;

/// Where decoded batches come into a lane, and empty ones to bring them in.
#[derive(Clone)]
pub(super) struct Entrance {
    pub(super) pool: Pool,
    pub(super) to: Gives<Batch>,
}

/// The way out of the listen stage of a lane.
pub(super) struct Handover {
    /// An empty batch at hand.
    pub(super) spare: Option<Batch>,
    /// A batch that is still to be decoded in part.
    pub(super) rest: Option<Batch>,
    pub(super) to: To,
}

/// The lanes that batches are handed on to.
pub(super) enum To {
    /// All to its own lane.
    Own(Entrance),
    /// To every lane what is its own.
    Lanes(Spread, Box<[(Arc<Lane>, Entrance)]>),
}

impl Handover {
    /// An empty batch to receive into. Waits for one when all are under way, `None` if none will come back.
    pub(super) fn empty(&mut self) -> Option<Batch> {
        self.spare.take().or_else(|| match &mut self.to {
            To::Own(Entrance { pool, .. }) => pool.take(),
            To::Lanes(..) => None,
        })
    }

    /// Hands on what was decoded last of a batch, which `own` has counted as waiting. `None` if nobody takes it any more.
    pub(super) fn hand_on(&mut self, mut batch: Batch, own: &Lane) -> Option<()> {
        match &mut self.to {
            To::Own(Entrance { to, .. }) if batch.is_one_round() => return to.send(batch).ok(),
            To::Own(Entrance { pool, to }) => {
                let mut part = pool.take()?;
                part.add_round(&batch);
                to.send(part).ok()?;
            }
            To::Lanes(spread, lanes) => {
                spread.divide(&batch, |lane| lanes[lane.number()].1.pool.take())?;
                for (lane, part) in spread.parts() {
                    let (lane, Entrance { to, .. }) = &lanes[lane.number()];
                    let pending = part.pending();
                    own.raw.leave(pending);
                    lane.raw.enter(pending);
                    to.send(part).ok()?;
                }
            }
        }
        if batch.has_rest() {
            batch.next_round();
            self.rest = Some(batch);
        } else {
            batch.clear();
            self.spare = Some(batch);
        }
        Some(())
    }
}

/// Batches that are not under way. New ones are made as long as none comes back.
#[derive(Clone)]
pub(super) struct Pool {
    pub(super) from: Takes<Batch>,
    /// Batches that may still be made, and the datagrams of each.
    pub(super) left: usize,
    pub(super) size: usize,
}

impl Pool {
    /// An empty batch. Waits for one when all are under way, `None` if none will come back.
    fn take(&mut self) -> Option<Batch> {
        if let Ok(batch) = self.from.try_recv() {
            return Some(batch);
        }
        if self.left > 0 {
            self.left -= 1;
            return Some(Batch::new(self.size));
        }
        self.from.recv().ok()
    }
}
