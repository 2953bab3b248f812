//! A node that is asked one thing after the other, until who asks is gone.

use std::io::{BufRead, Write};

use super::exchange::{Exchange, Terms};
use super::protocol::{self, Answer, Ask, Extent, PROTOCOL};
use super::store::StoreError;
use crate::failure::Failure;

/// Answers what is asked, in order.
pub(super) fn serve(
    exchange: &mut Exchange,
    input: &mut impl BufRead,
    out: &mut impl Write,
) -> Result<(), Failure> {
    loop {
        let asked: Option<(Ask, Vec<u8>)> =
            protocol::read(input).map_err(|problem| Failure::Refused(problem.to_string()))?;
        let Some((ask, bytes)) = asked else { return Ok(()) };
        let (answer, bytes) = answer(exchange, ask, bytes);
        protocol::write(out, &answer, &bytes)?;
    }
}

fn answer(exchange: &mut Exchange, ask: Ask, bytes: Vec<u8>) -> (Answer, Vec<u8>) {
    let problem = |reason: String| Answer::Problem { reason };
    let plain = match ask {
        Ask::Export { file } => {
            return exchange.export(&file).unwrap_or_else(|reason| (problem(reason.to_string()), Vec::new()));
        }
        Ask::Import { file, copy, counts, inexact } => exchange
            .import(&file, copy, bytes, Terms { counts, inexact })
            .map_err(|problem| problem.to_string()),
        Ask::Compare { file, counts, inexact } => {
            exchange.compare(&file, bytes, Terms { counts, inexact }).map_err(|problem| problem.to_string())
        }
        Ask::Remove { file, last } => exchange.remove(&file, last).map_err(|problem| problem.to_string()),
        Ask::Hello => hello(exchange).map_err(|problem| problem.to_string()),
        Ask::Hosts => {
            exchange.store.hosts().map(|hosts| Answer::Hosts { hosts }).map_err(|problem| problem.to_string())
        }
        Ask::Survey { hosts } => {
            let extents: Result<Vec<Extent>, _> =
                hosts.iter().map(|host| exchange.store.extent(&host.0)).collect();
            extents.map(|hosts| Answer::Surveyed { hosts }).map_err(|problem| problem.to_string())
        }
        Ask::List { host } => {
            let files = exchange.store.files(&host.0);
            files
                .map(|(files, others)| Answer::Files { files, others })
                .map_err(|problem| problem.to_string())
        }
    };
    (plain.unwrap_or_else(problem), Vec::new())
}

fn hello(exchange: &Exchange) -> Result<Answer, StoreError> {
    let (available, total) = exchange.store.room()?;
    Ok(Answer::Hello { version: env!("CARGO_PKG_VERSION").to_owned(), protocol: PROTOCOL, available, total })
}

/// So that a pipe that closes while an answer is written is no failure of the node.
#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::store::Store;
    use super::super::writer::{Hand, Writer};
    use super::*;

    #[test]
    fn a_node_answers_until_its_input_ends() {
        let store = Store::open(Path::new("/proc/self")).unwrap();
        let mut exchange = Exchange { store, hand: Hand::new(Writer::None) };
        let mut asked = Vec::new();
        protocol::write(&mut asked, &Ask::Hello, b"").unwrap();
        let mut said = Vec::new();
        serve(&mut exchange, &mut asked.as_slice(), &mut said).unwrap();
        let (answer, _) = protocol::read::<Answer>(&mut said.as_slice()).unwrap().unwrap();
        assert!(matches!(answer, Answer::Hello { protocol: PROTOCOL, .. }), "{answer:?}");
    }
}
