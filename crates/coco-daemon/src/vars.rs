//! `/debug/vars` and `/metrics`: the snapshot of a daemon as its two audiences read it.

use serde_json::{Map, Value, json};

use crate::counters::{self, Snapshot};
use crate::http::{Rendered, body};

/// The media type of Prometheus' text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The document of `/debug/vars`, in the manner of Go's expvar: `cmdline`, and an object for each of the two
/// programs. Both are always there, since the samples of collectd configuration poll keys of both.
pub fn document(command_line: &[String], snapshot: &Snapshot) -> Value {
    let mut programs = snapshot.json();
    let mut object = |program: &str| programs.remove(program).unwrap_or_else(|| Map::new().into());
    json!({ "cmdline": command_line, "coco": object("coco"), "noodle": object("noodle") })
}

/// The command line of this process, for [`document`].
pub fn command_line() -> Vec<String> {
    std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect()
}

/// The document of `/debug/vars`.
pub fn debug_vars(snapshot: &Snapshot) -> Rendered {
    Rendered::new(body::JSON, format!("{}\n", document(&command_line(), snapshot)))
}

/// The answer of `/metrics`: the snapshot, and the metrics that any process has.
pub fn metrics(snapshot: &Snapshot) -> Rendered {
    Rendered::new(EXPOSITION, snapshot.prometheus() + &counters::process())
}

#[cfg(test)]
mod tests {
    use hyper::header::CONTENT_TYPE;

    use super::*;
    use crate::counters::Definition;
    use crate::http::Response;

    static RAW: Definition = Definition::counter(&["coco", "listen", "raw"], "Datagrams received.");

    #[test]
    fn both_programs_are_always_there() {
        let mut snapshot = Snapshot::new();
        let command_line = ["coco".to_owned(), "coco.conf".to_owned()];
        assert_eq!(
            document(&command_line, &snapshot).to_string(),
            r#"{"cmdline":["coco","coco.conf"],"coco":{},"noodle":{}}"#
        );
        snapshot.add(&RAW, &[], 1);
        assert_eq!(
            document(&command_line, &snapshot).to_string(),
            r#"{"cmdline":["coco","coco.conf"],"coco":{"listen":{"raw":1}},"noodle":{}}"#
        );
    }

    #[test]
    fn each_view_has_its_media_type() {
        let snapshot = Snapshot::new();
        let media_type = |shown: Rendered| Response::from(shown).headers()[CONTENT_TYPE].clone();
        assert_eq!(media_type(debug_vars(&snapshot)), "application/json; charset=utf-8");
        assert_eq!(media_type(metrics(&snapshot)), "text/plain; version=0.0.4; charset=utf-8");
    }
}
