//! Strict JSON: what is unknown or infinite is null.

use std::io::Write;

use super::Options;
use super::points::Points;

pub(super) fn write(all: &[Points<'_>], options: &Options, to: &mut Vec<u8>) {
    let is_shown = |value: f64| !options.no_null_points || !value.is_nan();
    let shown = all
        .iter()
        .filter(|points| !options.no_null_points || points.iter().any(|(value, _)| is_shown(value)));
    to.push(b'[');
    for (place, points) in shown.enumerate() {
        to.extend_from_slice(if place > 0 { b",{\"target\":" } else { b"{\"target\":" });
        string(&points.series.name, to);
        to.extend_from_slice(b",\"tags\":{");
        for (place, (tag, value)) in points.series.tags.iter().enumerate() {
            if place > 0 {
                to.push(b',');
            }
            string(tag, to);
            to.push(b':');
            string(value, to);
        }
        to.extend_from_slice(b"},\"datapoints\":[");
        for (place, (value, time)) in points.iter().filter(|(value, _)| is_shown(*value)).enumerate() {
            to.extend_from_slice(if place > 0 { b",[" } else { b"[" });
            number(value, to);
            let _ = write!(to, ",{time}]");
        }
        to.extend_from_slice(b"]}");
    }
    to.push(b']');
}

fn string(text: &str, to: &mut Vec<u8>) {
    // Neither a string nor a vector can refuse.
    let _ = serde_json::to_writer(to, text);
}

fn number(value: f64, to: &mut Vec<u8>) {
    if value.is_finite() {
        let _ = serde_json::to_writer(to, &value);
    } else {
        to.extend_from_slice(b"null");
    }
}
