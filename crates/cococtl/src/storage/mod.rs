//! A storage node in memory: what a collectd and a Visage are on a real one, for as long as the process lives.
//!
//! [`memory`] keeps the values, within bounds; [`visage`] answers for them, or [`files`], where an rrdcached is installed.
//! It is for showing and trying out: it keeps ten minutes, and loses them when it ends.

pub mod files;
pub mod memory;
pub mod visage;

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use coco_core::wire::{Decoder, Event};
use coco_daemon::http::{self, Limits};
use tokio::sync::oneshot;
use tokio::task;

use crate::failure::Failure;
use crate::receive;
use files::{Files, Update};
use memory::Memory;

/// A running storage node. Its thread and its server end with [`stop`](Self::stop).
#[derive(Debug)]
pub struct StorageNode {
    /// Where it receives packets.
    pub address: SocketAddr,
    /// The root of its URLs.
    pub url: String,
    memory: Arc<Mutex<Memory>>,
    /// What Noodle reads, where an rrdcached is installed.
    files: Option<Files>,
    stopping: Arc<AtomicBool>,
    receiver: JoinHandle<io::Result<()>>,
    close: oneshot::Sender<()>,
    server: task::JoinHandle<io::Result<()>>,
}

impl StorageNode {
    /// Receives at the one, which [`receive::listen`] or the like has made, and answers at the other, unless there are
    /// `files`. Must be called within a tokio runtime.
    pub fn start(socket: UdpSocket, listener: TcpListener, files: Option<Files>) -> Result<Self, Failure> {
        let address = socket.local_addr().map_err(Failure::System)?;
        let http = format!("http://{}", listener.local_addr().map_err(Failure::System)?);
        let url = files.as_ref().map_or(http, |files| files.url.clone());
        let memory = Arc::new(Mutex::new(Memory::default()));
        let stopping = Arc::new(AtomicBool::new(false));
        let (kept, stop) = (Arc::clone(&memory), Arc::clone(&stopping));
        let receiver = std::thread::Builder::new().name("storage".to_owned());
        let updates = files.as_ref().and_then(Files::sender);
        let keep = move || {
            receive::until_stopped(&socket, &stop, |datagram, _| keep(datagram, &kept, updates.as_ref()))
        };
        let receiver = receiver.spawn(keep).map_err(Failure::System)?;
        let (close, closed) = oneshot::channel::<()>();
        let router = visage::router(&memory);
        let server = tokio::spawn(http::serve(listener, router, Limits::default(), async {
            let _ = closed.await;
        }));
        Ok(Self { address, url, memory, files, stopping, receiver, close, server })
    }

    /// What it keeps.
    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many value lists Noodle can read of.
    pub fn readable(&self) -> u64 {
        self.files.as_ref().map_or_else(|| self.memory().value_lists(), Files::written)
    }

    /// Reads what has arrived, and ends. Returns how many value lists there were in all.
    pub async fn stop(self) -> Result<u64, Failure> {
        self.stopping.store(true, Relaxed);
        let receiver = task::spawn_blocking(|| self.receiver.join());
        let joined = receiver.await.unwrap_or_else(|problem| Ok(Err(io::Error::other(problem))));
        joined
            .unwrap_or_else(|_| Err(io::Error::other("a storage node panicked")))
            .map_err(Failure::System)?;
        let _ = self.close.send(());
        let served = self.server.await.unwrap_or_else(|problem| Err(io::Error::other(problem)));
        served.map_err(Failure::System)?;
        Ok(self.memory.lock().unwrap_or_else(PoisonError::into_inner).value_lists())
    }
}

fn keep(datagram: &[u8], memory: &Mutex<Memory>, updates: Option<&SyncSender<Update>>) {
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    for event in Decoder::new(datagram) {
        if let Ok(Event::ValueList(spans)) = event {
            let list = spans.of(datagram);
            memory.add(&list);
            if let Some(updates) = updates {
                // What there is no room for is not written.
                let _ = updates.try_send(memory.update(&list));
            }
        }
    }
}
