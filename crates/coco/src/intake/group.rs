//! Looking after the multicast group that packets arrive by.

use std::net::UdpSocket;
use std::sync::Weak;
use std::time::Duration;

use coco_udp::Membership;
use tracing::{info, warn};

/// The time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Joins a group again whenever its interface was made again, for as long as someone has the socket.
pub async fn keep_membership(socket: Weak<UdpSocket>, mut membership: Membership) {
    let mut is_lost = false;
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let Some(socket) = socket.upgrade() else { return };
        let result = membership.rejoin(&socket);
        let (group, interface) =
            (membership.group(), membership.interface().unwrap_or("chosen by the system"));
        match result {
            Ok(true) => {
                info!(%group, interface, "joined the multicast group again");
                is_lost = false;
            }
            Ok(false) => is_lost = false,
            Err(problem) if !is_lost => {
                warn!(%group, interface, %problem, "the interface of the multicast group is gone, nothing can arrive");
                is_lost = true;
            }
            Err(_) => {}
        }
    }
}
