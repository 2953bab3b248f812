//! Names to addresses, without waiting for ever.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use coco_core::address::Address;

/// The addresses of a target, in the order in which the system prefers them; at least one.
///
/// An address that is already a number is not looked up. The system's resolver cannot be interrupted: past
/// `timeout` its thread lives on until it is done, so shut the runtime down in the background.
pub async fn resolve(address: &Address, timeout: Duration) -> io::Result<Vec<SocketAddr>> {
    if let Some(ip) = address.ip() {
        return Ok(vec![(ip, address.port()).into()]);
    }
    let lookup = tokio::net::lookup_host((address.host(), address.port()));
    let found: Vec<_> = within(timeout, lookup).await?.collect();
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    Ok(found)
}

/// The same for many addresses, all at the same time: the results in their order.
pub async fn resolve_all(
    addresses: impl IntoIterator<Item = Address>,
    timeout: Duration,
) -> Vec<io::Result<Vec<SocketAddr>>> {
    let start = |address| tokio::spawn(async move { resolve(&address, timeout).await });
    let tasks: Vec<_> = addresses.into_iter().map(start).collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await.unwrap_or_else(|problem| Err(io::Error::other(problem))));
    }
    results
}

async fn within<T>(timeout: Duration, lookup: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(timeout, lookup)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "the resolver does not answer")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(address: &str, timeout: Duration) -> io::Result<Vec<SocketAddr>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let result = runtime.block_on(super::resolve(&address.parse().unwrap(), timeout));
        runtime.shutdown_background();
        result
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn numbers_need_no_resolver() {
        assert_eq!(
            resolve("10.1.1.111:25826", Duration::ZERO).unwrap(),
            ["10.1.1.111:25826".parse().unwrap()]
        );
        assert_eq!(resolve("[::1]:1", Duration::ZERO).unwrap(), ["[::1]:1".parse().unwrap()]);
    }

    #[test]
    fn names_are_looked_up() {
        let found = resolve("localhost:25826", LONG).unwrap();
        assert!(!found.is_empty());
        assert!(
            found.iter().all(|address| address.ip().is_loopback() && address.port() == 25826),
            "{found:?}"
        );
        assert!(resolve("no-such-host.invalid:25826", LONG).is_err());
    }

    #[test]
    fn a_slow_resolver_is_an_error() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let silent = std::future::pending::<io::Result<()>>();
        let problem = runtime.block_on(within(Duration::ZERO, silent)).unwrap_err();
        assert_eq!(problem.kind(), io::ErrorKind::TimedOut);
    }
}
