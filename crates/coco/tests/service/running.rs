//! A coco in this process, the storage nodes that it sends to, and who asks it.

use coco::service::{RunError, Service};
use coco_core::config::{Config, Program};
use coco_core::value_list::ValueList;
use coco_core::wire::{Decoder, Event};
use coco_daemon::signals::Signal;
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// Looks until there is something to see.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited for {what} in vain");
        std::thread::sleep(PAUSE);
    }
}

/// A configuration with these tiers, on ports that the system chooses.
pub(crate) fn config(tiers: &[(&str, Vec<String>)]) -> Config {
    let mut text =
        "listen.bind = '127.0.0.1:0'\napi.bind = '127.0.0.1:0'\nmeasure.interval = '100ms'\n".to_owned();
    for (name, targets) in tiers {
        text.push_str(&format!("[tiers.{name}]\ntargets = {targets:?}\n"));
    }
    Config::parse(&text, Program::Coco).unwrap()
}

/// Runs a service in this thread. `before` is called with its addresses once it is bound, before it receives.
pub(crate) fn run(
    config: Config,
    before: impl FnOnce(SocketAddr, SocketAddr),
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let result = runtime.block_on(async {
        let service = Service::prepare(config).await.unwrap();
        before(service.listen_address().unwrap(), service.api_address().unwrap());
        let mut stop = std::pin::pin!(stop);
        let next_signal = async || {
            stop.as_mut().await;
            Signal::Stop
        };
        service.run(next_signal, || unreachable!("no signal says so")).await
    });
    runtime.shutdown_background();
    result
}

pub(crate) struct Running {
    pub(crate) listen: SocketAddr,
    api: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), RunError>>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        assert!(self.head.contains("content-type: application/json; charset=utf-8\r\n"), "{}", self.head);
        serde_json::from_str(&self.text).unwrap()
    }
}

impl Running {
    /// A coco that is ready.
    pub(crate) fn start(config: Config) -> Self {
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let before = move |listen, api| tell.send((listen, api)).unwrap();
            run(config, before, async { drop(stopped.await) })
        });
        Self::attach(told.recv().unwrap(), stop, thread)
    }

    /// To a service that [`run`] runs in another thread.
    pub(crate) fn attach(
        (listen, api): (SocketAddr, SocketAddr),
        stop: oneshot::Sender<()>,
        thread: JoinHandle<Result<(), RunError>>,
    ) -> Self {
        Self { listen, api, stop, thread }
    }

    pub(crate) fn stop(self) -> Result<(), RunError> {
        drop(self.stop);
        self.thread.join().unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        let mut stream = TcpStream::connect(self.api).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // In version 1.0 the end of the connection is the end of the answer.
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: format!("{}\r\n", head.to_ascii_lowercase()), text: body.to_owned() }
    }

    /// The object `coco` of `/debug/vars`.
    pub(crate) fn vars(&self) -> Value {
        self.get("/debug/vars").json()["coco"].take()
    }

    /// The object `coco` of `/debug/vars` once it is as wanted.
    pub(crate) fn vars_when(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || Some(self.vars()).filter(&wanted))
    }
}

/// A number in the object `coco`.
pub(crate) fn number(vars: &Value, section: &str, key: &str) -> u64 {
    vars[section][key].as_u64().unwrap_or_else(|| panic!("{section}/{key}: {}", vars[section][key]))
}

/// A storage node: takes whatever comes until it is dropped.
pub(crate) struct Node {
    pub(crate) address: String,
    packets: Arc<Mutex<Vec<Vec<u8>>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20).unwrap();
        let address = socket.local_addr().unwrap().to_string();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let (packets, stop) = (Arc::<Mutex<Vec<Vec<u8>>>>::default(), Arc::<AtomicBool>::default());
        let thread = {
            let (packets, stop) = (Arc::clone(&packets), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut buffer = [0; 65_536];
                while !stop.load(Ordering::Relaxed) {
                    match socket.recv(&mut buffer) {
                        Ok(length) => packets.lock().unwrap().push(buffer[..length].to_vec()),
                        Err(nothing) => {
                            assert!(matches!(nothing.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
                        }
                    }
                }
            })
        };
        Self { address, packets, stop, thread: Some(thread) }
    }

    /// The datagrams that have arrived so far.
    pub(crate) fn packets(&self) -> Vec<Vec<u8>> {
        self.packets.lock().unwrap().clone()
    }

    /// What has arrived so far, which is nothing but value lists.
    pub(crate) fn value_lists(&self) -> Vec<ValueList> {
        self.packets.lock().unwrap().iter().flat_map(|packet| value_lists(packet)).collect()
    }

    /// Forgets what has arrived. Returns how many value lists that was.
    pub(crate) fn take(&self) -> usize {
        let packets = std::mem::take(&mut *self.packets.lock().unwrap());
        packets.iter().map(|packet| value_lists(packet).len()).sum()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

fn value_lists(packet: &[u8]) -> Vec<ValueList> {
    let list = |event| match event {
        Ok(Event::ValueList(spans)) => spans.of(packet).to_owned(),
        other => panic!("{other:?}"),
    };
    Decoder::new(packet).map(list).collect()
}
