//! Hosts on one switch, whose cables can be pulled.

use std::net::Ipv4Addr;

use crate::namespace::Host;

/// A switch: a bridge of the system, in a network of its own.
#[derive(Debug)]
pub struct Lan {
    switch: Host,
}

impl Lan {
    /// A switch that nothing is plugged into.
    #[must_use]
    pub fn new() -> Self {
        let switch = Host::new();
        switch.ip("link add switch type bridge");
        switch.ip("link set switch up");
        Self { switch }
    }

    /// The address of the host of this number.
    #[must_use]
    pub fn ip(number: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 78, 0, number)
    }

    /// Plugs a host in, as the one of this number; its end of the cable is `eth0`.
    pub fn plug(&self, number: u8, host: &Host) {
        let port = port(number);
        self.switch.ip(&format!("link add {port} type veth peer name eth0 netns {}", host.path()));
        self.switch.ip(&format!("link set {port} gso_max_segs 1 master switch up"));
        host.ip(&format!("address add {}/24 dev eth0", Self::ip(number)));
        host.ip("link set eth0 gso_max_segs 1 up");
    }

    /// Another host, plugged in as the one of this number.
    #[must_use]
    pub fn host(&self, number: u8) -> Host {
        let host = Host::new();
        self.plug(number, &host);
        host
    }

    /// Pulls the cable of a host out of the switch: to all others it is dead.
    pub fn pull(&self, number: u8) {
        self.switch.ip(&format!("link set {} down", port(number)));
    }

    /// Puts it back.
    pub fn put_back(&self, number: u8) {
        self.switch.ip(&format!("link set {} up", port(number)));
    }
}

impl Default for Lan {
    fn default() -> Self {
        Self::new()
    }
}

fn port(number: u8) -> String {
    format!("port{number}")
}
