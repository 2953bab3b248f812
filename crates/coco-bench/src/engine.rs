//! An engine that takes every sample and does nothing with it, so that it costs little beside who sends; and the snappy encoder
//! alone.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use remote_write::request::Compressor;

use crate::error::{Doing, Error};

/// Bodies that are kept to be compressed again.
const KEPT: usize = 100;

/// CPU that compressing them again takes at least.
const LONG_ENOUGH: Duration = Duration::from_millis(500);

/// See the module. It ends with the process.
pub(crate) struct Engine {
    address: SocketAddr,
    taken: Arc<Taken>,
}

/// What came.
#[derive(Debug, Default)]
struct Taken {
    /// The first ones.
    bodies: Mutex<Vec<Vec<u8>>>,
    samples: AtomicU64,
}

impl Engine {
    /// Listens on a port of loopback.
    pub(crate) fn start() -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing(|| "find a free port".to_owned())?;
        let address = listener.local_addr().doing(|| "read back a port".to_owned())?;
        let taken = Arc::<Taken>::default();
        let takes = Arc::clone(&taken);
        let serve = move || {
            for stream in listener.incoming().flatten() {
                take_all(stream, &takes);
            }
        };
        std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn(serve)
            .doing(|| "start a thread".to_owned())?;
        Ok(Self { address, taken })
    }

    /// Where it takes samples.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/write", self.address)
    }

    /// Samples that came, all of them so far: whoever sent them is not asked, which would take its time.
    pub(crate) fn samples(&self) -> u64 {
        self.taken.samples.load(Ordering::Relaxed)
    }

    /// Microseconds of CPU that the snappy encoder alone takes for a sample of what came.
    pub(crate) fn snappy(&self) -> Result<f64, Error> {
        let bodies = std::mem::take(&mut *self.taken.bodies.lock().unwrap_or_else(PoisonError::into_inner));
        let (mut plain, mut samples) = (Vec::new(), 0);
        for body in &bodies {
            let (body, count) = unpack(body)
                .ok_or_else(|| Error::Meaningless("what came is no request by remote write".to_owned()))?;
            plain.push(body);
            samples += count;
        }
        if samples == 0 {
            return Err(Error::Meaningless("no sample came".to_owned()));
        }
        // As it is where requests are made: it keeps its memory from one to the next.
        let mut compressor = Compressor::default();
        let (start, mut passes) = (cpu_of_this_thread()?, 0);
        while cpu_of_this_thread()? - start < LONG_ENOUGH {
            for body in &plain {
                let packed = compressor
                    .compress(body)
                    .map_err(|problem| Error::Meaningless(format!("snappy: {problem}")))?;
                std::hint::black_box(packed);
            }
            passes += 1;
        }
        let cpu = cpu_of_this_thread()? - start;
        Ok(cpu.as_secs_f64() * 1e6 / (samples * passes) as f64)
    }
}

/// A body before it was compressed, and how many samples it has.
fn unpack(body: &[u8]) -> Option<(Vec<u8>, u64)> {
    let plain = snap::raw::Decoder::new().decompress_vec(body).ok()?;
    let request = remote_write::request::decode(&plain).ok()?;
    let samples = request.timeseries.iter().map(|series| series.samples.len() as u64).sum();
    Some((plain, samples))
}

fn cpu_of_this_thread() -> Result<Duration, Error> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).doing(|| "read the CPU clock".to_owned())?;
    Ok(time.into())
}

/// Answers all requests on a connection with 204.
fn take_all(mut stream: TcpStream, taken: &Taken) -> Option<()> {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|end| end + 4);
        let length = end.and_then(|end| {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok())
        });
        if let Some((end, length)) = end.zip(length)
            && bytes.len() >= end + length
        {
            let body: Vec<u8> = bytes.drain(..end + length).skip(end).collect();
            taken.samples.fetch_add(unpack(&body)?.1, Ordering::Relaxed);
            let mut bodies = taken.bodies.lock().unwrap_or_else(PoisonError::into_inner);
            if bodies.len() < KEPT {
                bodies.push(body);
            }
            drop(bodies);
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok()?;
            continue;
        }
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
    }
}
