//! A collectd that shows what it receives on the page of its write_prometheus plugin.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use socket2::SockRef;

use super::Collectd;

/// See the module.
#[derive(Debug)]
pub struct Page {
    /// Where it receives.
    pub address: SocketAddr,
    /// Where its page is.
    pub page: SocketAddr,
    _collectd: Collectd,
}

impl Page {
    /// Starts one by this types.db.
    ///
    /// # Panics
    /// When collectd is missing or ends at once.
    #[must_use]
    pub fn start(types_db: &str) -> Self {
        let reservation = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        SockRef::from(&reservation).set_reuse_address(true).expect("SO_REUSEADDR");
        let address = reservation.local_addr().expect("a bound socket");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let page = free.local_addr().expect("an address");
        drop(free);
        let config = format!(
            "TypesDB {types_db:?}\nLoadPlugin network\n<Plugin network>\n  Listen \"127.0.0.1\" \"{}\"\n</Plugin>\n\
             LoadPlugin write_prometheus\n<Plugin write_prometheus>\n  Host \"127.0.0.1\"\n  Port \"{}\"\n</Plugin>\n",
            address.port(),
            page.port()
        );
        Self { address, page, _collectd: Collectd::start("page", &config) }
    }
}
