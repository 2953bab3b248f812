//! A storage node that says whatever a test wants.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::ffi::OsStringExt;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use coco_harness::nobody::Nobody;

/// What a node was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) fields: BTreeMap<String, String>,
    /// Counts connections from 0.
    pub(crate) connection: usize,
}

/// Listens until the test process ends.
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Node {
    /// `answer` writes to the connection, which is used again if it returns true.
    pub(crate) fn start(answer: impl Fn(&Asked, &mut TcpStream) -> bool + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), Arc::clone(&asked));
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (stream, answer, log) = (stream.unwrap(), Arc::clone(&answer), Arc::clone(&log));
                thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    let mut stream = stream;
                    while let Some(asked) = read_head(&mut reader, connection) {
                        log.lock().unwrap().push(asked.clone());
                        if !answer(&asked, &mut stream) {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, asked }
    }

    /// Answers every path with a status and a body.
    pub(crate) fn answering(answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::start(move |asked, stream| {
            let (status, body) = answer(&asked.path);
            write(stream, &response(status, "", body.as_bytes()));
            true
        })
    }

    /// Has the same of whatever host it is asked for by name.
    pub(crate) fn having_every_host() -> Self {
        Self::answering(|path| {
            (200, serde_json::json!({ host(path).to_string_lossy().as_ref(): 1 }).to_string())
        })
    }

    /// Answers every request with these bytes and closes the connection.
    pub(crate) fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |_, stream| {
            write(stream, &bytes);
            false
        })
    }

    /// An address where nothing listens, until the test process ends.
    pub(crate) fn refusing() -> SocketAddr {
        static KEPT: Mutex<Vec<Nobody>> = Mutex::new(Vec::new());
        let nobody = Nobody::tcp();
        let address = nobody.address;
        KEPT.lock().unwrap().push(nobody);
        address
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The paths asked for so far, sorted.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths: Vec<_> = self.asked().into_iter().map(|asked| asked.path).collect();
        paths.sort_unstable();
        paths
    }
}

/// Opens when a test says so.
#[derive(Default)]
pub(crate) struct Gate(Mutex<bool>, Condvar);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    pub(crate) fn pass(&self) {
        drop(self.1.wait_while(self.0.lock().unwrap(), |open| !*open).unwrap());
    }
}

/// The host in a path, decoded.
pub(crate) fn host(path: &str) -> OsString {
    let part = path.split(['/', '?']).nth(2).unwrap_or_default();
    OsString::from_vec(percent_encoding::percent_decode_str(part).collect())
}

/// A response with its length.
pub(crate) fn response(status: u16, fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{fields}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Noodle may have gone away; that is for the test to notice by other means.
pub(crate) fn write(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}

/// Says nothing until the other side closes.
pub(crate) fn wait_for_the_end(stream: &mut TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

fn read_head(reader: &mut BufReader<TcpStream>, connection: usize) -> Option<Asked> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut fields = BTreeMap::new();
    while let Some((name, value)) = line()?.split_once(": ") {
        fields.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    Some(Asked { method, path, fields, connection })
}
