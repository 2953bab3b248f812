//! A server on a thread of its own, and clients that see every byte.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use coco_daemon::http::{Limits, Router, bind, serve};
use serde_json::Value;
use tokio::sync::oneshot;

/// A test that hangs fails after this long.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start<S: Send + Sync + 'static>(router: Router<S>, limits: Limits) -> Self {
        let listener = bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let shutdown = async { drop(stopped.await) };
            runtime.block_on(serve(listener, router, limits, shutdown)).unwrap();
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Stops it and waits until it has.
    pub(crate) fn join(mut self) {
        self.stop();
        self.thread.take().unwrap().join().unwrap();
    }
}

pub(crate) struct Client(pub(crate) BufReader<TcpStream>);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.fields["content-type"], "application/json; charset=utf-8");
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Sends a request without a body and reads the answer, which has a length.
    pub(crate) fn ask(&mut self, method: &str, target: &str) -> Answer {
        self.send(&format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let mut answer = self.read_head();
        if method != "HEAD" {
            let length = answer.fields["content-length"].parse().unwrap();
            answer.body.resize(length, 0);
            self.0.read_exact(&mut answer.body).unwrap();
        }
        answer
    }

    pub(crate) fn read_head(&mut self) -> Answer {
        let line = |reader: &mut BufReader<_>| {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            assert!(line.ends_with("\r\n"), "the connection ended in the head of an answer: {line:?}");
            line.trim_end().to_owned()
        };
        let first = line(&mut self.0);
        let status = first.split(' ').nth(1).unwrap().parse().unwrap();
        let mut fields = BTreeMap::new();
        loop {
            let field = line(&mut self.0);
            let Some((name, value)) = field.split_once(": ") else {
                break;
            };
            fields.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        Answer { status, fields, body: Vec::new() }
    }

    /// Everything up to the end of the connection, in whatever way it ends.
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Err(problem) if problem.kind() != io::ErrorKind::ConnectionReset => panic!("{problem}"),
            _ => bytes,
        }
    }
}
