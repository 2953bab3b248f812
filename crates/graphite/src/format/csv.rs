//! One line a value: `name,date,value`.

use std::io::{self, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::series::TimeSeries;
use crate::text::number::repr;

pub(super) fn write(all: &[TimeSeries], zone: &TimeZone, to: &mut impl Write) -> io::Result<()> {
    for series in all {
        let name = field(&series.name);
        let times = (0..).map(|row| series.start + row * series.step);
        for (value, time) in series.values().iter().zip(times) {
            let date = Timestamp::from_second(time).map(|time| zone.to_datetime(time)).unwrap_or_default();
            let value = if value.is_nan() { String::new() } else { repr(*value) };
            write!(to, "{name},{} {},{value}\r\n", date.date(), date.time())?;
        }
    }
    Ok(())
}

/// In quotes if it has to be.
fn field(text: &str) -> String {
    match text.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}
