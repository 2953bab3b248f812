//! An engine that answers as a test says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use remote_write::message::WriteRequest;
use remote_write::request;
use socket2::SockRef;

/// What a scripted engine answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A status, further lines of the head, and a body.
    Say(u16, &'static str, &'static str),
    /// It breaks the connection off.
    Close,
    /// It breaks the connection off half way through the head of an answer.
    Half,
    /// It writes whatever it wants, and then breaks the connection off.
    With(fn(&mut TcpStream)),
}

/// How many bytes a scripted engine reads of a body of a length, of the request of a number, before it resets the
/// connection; none where it reads it all.
type Reset = dyn Fn(usize, usize) -> Option<usize> + Send + Sync;

/// A request that a scripted engine got.
#[derive(Clone, Debug)]
pub struct Request {
    /// The head, in lower case.
    pub head: String,
    /// What was written.
    pub write: WriteRequest,
}

impl Request {
    /// How many samples it has.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.write.timeseries.iter().map(|series| series.samples.len()).sum()
    }
}

/// An engine that answers as a test says.
#[derive(Debug)]
pub struct Scripted {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<Request>>>,
}

impl Scripted {
    /// Answers each request by its contents and its number. What it answers with 204 is taken.
    ///
    /// # Panics
    /// When loopback doesn't work.
    #[must_use]
    pub fn start(script: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::resetting(|_, _| None, script)
    }

    /// The same, but that it resets connections, by the length of the body and the number of the request.
    ///
    /// # Panics
    /// When loopback doesn't work.
    #[must_use]
    pub fn resetting(
        reset: impl Fn(usize, usize) -> Option<usize> + Send + Sync + 'static,
        script: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let taken: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (reset, script): (Arc<Reset>, _) = (Arc::new(reset), Arc::new(script));
        let (numbers, all) = (Arc::new(Mutex::new(0)), Arc::clone(&taken));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (reset, script) = (Arc::clone(&reset), Arc::clone(&script));
                let (numbers, all) = (Arc::clone(&numbers), Arc::clone(&all));
                std::thread::spawn(move || {
                    let next = || {
                        let mut number = numbers.lock().unwrap_or_else(PoisonError::into_inner);
                        *number += 1;
                        *number - 1
                    };
                    let answer = |request: &Request, number: usize| {
                        let answer = script(request, number);
                        if matches!(answer, Answer::Say(204, ..)) {
                            all.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
                        }
                        answer
                    };
                    converse(stream, next, &*reset, answer);
                });
            }
        });
        Self { address, taken }
    }

    /// Where it takes samples.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/write", self.address)
    }

    /// The requests that it took, in order.
    #[must_use]
    pub fn taken(&self) -> Vec<Request> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many samples it took.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.taken().iter().map(Request::samples).sum()
    }
}

/// Answers requests on one connection until it ends.
fn converse(
    mut stream: TcpStream,
    next: impl Fn() -> usize,
    reset: &Reset,
    answer: impl Fn(&Request, usize) -> Answer,
) -> Option<()> {
    let mut bytes = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            more(&mut stream, &mut bytes)?;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse::<usize>().ok()?;
        let number = next();
        let read = reset(length, number);
        while bytes.len() < end + read.unwrap_or(length) {
            more(&mut stream, &mut bytes)?;
        }
        if read.is_some() {
            // What is closed with nothing to linger for is reset.
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).ok()?;
            return None;
        }
        let body: Vec<u8> = bytes.drain(..end + length).skip(end).collect();
        let plain = snap::raw::Decoder::new().decompress_vec(&body).expect("snappy");
        let request = Request { head, write: request::decode(&plain).expect("a WriteRequest") };
        match answer(&request, number) {
            Answer::Close => return None,
            Answer::With(write) => {
                write(&mut stream);
                return None;
            }
            Answer::Half => {
                stream.write_all(b"HTTP/1.1 204 No Co").ok()?;
                return None;
            }
            Answer::Say(status, lines, body) => {
                let length =
                    if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
                write!(stream, "HTTP/1.1 {status} As told\r\n{lines}{length}\r\n{body}").ok()?;
            }
        }
    }
}

fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut buffer = [0; 65536];
    let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
    bytes.extend_from_slice(&buffer[..read]);
    Some(())
}
