//! As much of an HTTP client as fetching from one's own daemon takes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::error::{Doing, Error};

/// Longer than any answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The body of an answer with status 200.
pub(crate) fn get(server: SocketAddr, path: &str) -> Result<Vec<u8>, Error> {
    let url = format!("http://{server}{path}");
    let fetch = || {
        let mut connection = TcpStream::connect(server)?;
        connection.set_read_timeout(Some(TIMEOUT))?;
        // 1.0: the body ends with the connection and is not chunked.
        write!(connection, "GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n")?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    let mut answer = fetch().doing(|| format!("fetch {url}"))?;
    let wrong = |problem: String| Error::Answer { from: url.clone(), problem };
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.ok_or_else(|| wrong("no end of the headers".to_owned()))?;
    let status = String::from_utf8_lossy(&answer[..end]).lines().next().unwrap_or_default().to_owned();
    if status.split(' ').nth(1) != Some("200") {
        return Err(wrong(status));
    }
    Ok(answer.split_off(end + 4))
}

/// A JSON answer.
pub(crate) fn get_json(server: SocketAddr, path: &str) -> Result<serde_json::Value, Error> {
    let wrong = |error: serde_json::Error| Error::Answer {
        from: format!("http://{server}{path}"),
        problem: error.to_string(),
    };
    serde_json::from_slice(&get(server, path)?).map_err(wrong)
}
