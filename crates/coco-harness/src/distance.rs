//! A server that is further away: what it and its clients say to each other takes a while.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Relays TCP on a free port of loopback until the test ends.
#[derive(Debug)]
pub struct Distance {
    /// Where it listens.
    pub address: SocketAddr,
    crossed: Arc<AtomicU64>,
}

impl Distance {
    /// Puts a server so far away.
    ///
    /// # Panics
    /// When loopback doesn't work.
    #[must_use]
    pub fn to(server: SocketAddr, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let crossed = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&crossed);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A client whose server is not there is refused a little later than it would be.
                if let Ok(server) = TcpStream::connect(server) {
                    let _ = relay(&client, &server, delay, &counted);
                }
            }
        });
        Self { address, crossed }
    }

    /// How often something that a client sent met the end of the connection, which the server sent before it had come.
    #[must_use]
    pub fn crossed(&self) -> u64 {
        self.crossed.load(Ordering::Relaxed)
    }
}

fn relay(
    client: &TcpStream,
    server: &TcpStream,
    delay: Duration,
    crossed: &Arc<AtomicU64>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let has_ended = Arc::<AtomicBool>::default();
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let (from_server, to_client) = (server.try_clone()?, client.try_clone()?);
    let (ended, crossed) = (Arc::clone(&has_ended), Arc::clone(crossed));
    thread::spawn(move || {
        carry(&from_client, &to_server, |bytes| {
            thread::sleep(delay);
            if !bytes.is_empty() && ended.load(Ordering::Relaxed) {
                crossed.fetch_add(1, Ordering::Relaxed);
            }
        });
    });
    thread::spawn(move || {
        carry(&from_server, &to_client, |bytes| {
            has_ended.fetch_or(bytes.is_empty(), Ordering::Relaxed);
            thread::sleep(delay);
        });
    });
    Ok(())
}

/// Carries all that comes, its end included, each piece once `before` has returned.
fn carry(mut from: &TcpStream, mut to: &TcpStream, before: impl Fn(&[u8])) {
    let mut bytes = [0; 16 * 1024];
    loop {
        let length = from.read(&mut bytes).unwrap_or_default();
        before(&bytes[..length]);
        if length == 0 || to.write_all(&bytes[..length]).is_err() {
            // Fails where the other side has gone already.
            let _ = to.shutdown(Shutdown::Write);
            return;
        }
    }
}
