//! Datagrams as they arrive, shown until somebody stops it or has seen enough.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{SystemTime, UNIX_EPOCH};

use coco_core::address::Address;
use coco_daemon::signals::{Signal, Signals};
use coco_udp::{inode, kernel_drops};
use tokio::sync::mpsc;

use super::Decoder;
use super::show::Origin;
use crate::failure::Failure;
use crate::receive;

/// Datagrams that wait to be shown.
const WAITING: usize = 4096;

pub(super) async fn listen(decoder: &mut Decoder<'_>, address: &Address) -> Result<(), Failure> {
    let mut signals = Signals::new().map_err(Failure::System)?;
    let socket = receive::listen(address).await?;
    let inodes = [inode(&socket).map_err(Failure::System)?];
    let _ = writeln!(io::stderr(), "listening at {}", socket.local_addr().map_err(Failure::System)?);
    let (send, mut datagrams) = mpsc::channel(WAITING);
    // Kept beside the thread's, so that the kernel can be asked about it to the end.
    let kept = socket.try_clone().map_err(Failure::System)?;
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let take = move || {
        receive::until_stopped(&socket, &told, |datagram, source| {
            // Who has seen enough takes no more.
            let _ = send.blocking_send((source, datagram.to_vec()));
        })
    };
    let receiver = std::thread::Builder::new().name("receiver".to_owned());
    let receiver = receiver.spawn(take).map_err(Failure::System)?;
    let mut shown = Ok(());
    loop {
        let next = tokio::select! {
            biased;
            signal = signals.next() => {
                // What has arrived is shown all the same.
                stop.fetch_or(signal == Signal::Stop, Relaxed);
                continue;
            }
            datagram = datagrams.recv() => datagram,
        };
        let Some((source, mut bytes)) = next else { break };
        decoder.tally.packets += 1;
        let arrived = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let captured = u64::try_from(arrived.as_nanos()).ok();
        shown = decoder.datagram(Origin { captured, source: Some(source) }, &mut bytes);
        if shown.is_ok() && datagrams.is_empty() {
            shown = decoder.out.flush();
        }
        if shown.is_err() || decoder.has_enough() {
            break;
        }
    }
    decoder.tally.kernel_drops = kernel_drops(&inodes).unwrap_or(0);
    drop((kept, datagrams));
    stop.store(true, Relaxed);
    let received = receiver.join().unwrap_or_else(|_| Err(io::Error::other("the receiver panicked")));
    shown?;
    received.map_err(Failure::System)
}
