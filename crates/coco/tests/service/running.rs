//! A coco in this process, and who asks it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use coco::lane::{Clock, unix_seconds};
use coco::service::{RunError, Service};
use coco_core::config::CocoConfig;
use coco_daemon::signals::Signal;
use coco_harness::wait::{PATIENCE, wait_for};
use serde_json::Value;
use tokio::sync::oneshot;

/// A configuration with these tiers, on ports that the system chooses.
pub(crate) fn config(tiers: &[(&str, Vec<String>)]) -> CocoConfig {
    let mut text =
        "listen.bind = '127.0.0.1:0'\napi.bind = '127.0.0.1:0'\nmeasure.interval = '100ms'\n".to_owned();
    for (name, targets) in tiers {
        text.push_str(&format!("[tiers.{name}]\ntargets = {targets:?}\n"));
    }
    CocoConfig::parse(&text).unwrap()
}

/// Runs a service in this thread. `before` is called with its addresses once it is bound, before it receives.
pub(crate) fn run(
    config: CocoConfig,
    before: impl FnOnce(SocketAddr, SocketAddr),
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    run_by(unix_seconds, config, before, stop)
}

/// As [`run`], by this clock.
fn run_by(
    clock: Clock,
    config: CocoConfig,
    before: impl FnOnce(SocketAddr, SocketAddr),
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let result = runtime.block_on(async {
        let service = Service::prepare(config).await.unwrap().with_clock(clock);
        before(service.listen_address().unwrap(), service.api_address().unwrap());
        let mut stop = std::pin::pin!(stop);
        let next_signal = async || {
            stop.as_mut().await;
            Signal::Stop
        };
        service.run(next_signal, &Arc::default(), async || unreachable!("no signal says so")).await
    });
    runtime.shutdown_background();
    result
}

pub(crate) struct Running {
    pub(crate) listen: SocketAddr,
    pub(crate) api: SocketAddr,
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
    pub(crate) fn start(config: CocoConfig) -> Self {
        Self::start_by(unix_seconds, config)
    }

    /// The same by this clock.
    pub(crate) fn start_by(clock: Clock, config: CocoConfig) -> Self {
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let before = move |listen, api| tell.send((listen, api)).unwrap();
            run_by(clock, config, before, async { drop(stopped.await) })
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
        wait_for(PATIENCE, what, || Some(self.vars()).filter(&wanted))
    }
}

/// A number in the object `coco`.
pub(crate) fn number(vars: &Value, section: &str, key: &str) -> u64 {
    vars[section][key].as_u64().unwrap_or_else(|| panic!("{section}/{key}: {}", vars[section][key]))
}
