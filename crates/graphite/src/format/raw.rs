//! One line a series: `name,start,end,step|value,value`.

use std::io::Write;

use crate::series::TimeSeries;
use crate::text::number::repr;

pub(super) fn write(all: &[TimeSeries], to: &mut Vec<u8>) {
    for series in all {
        // A vector does not refuse what is written to it.
        let _ = write!(to, "{},{},{},{}|", series.name, series.start, series.end, series.step);
        for (place, value) in series.values().iter().enumerate() {
            if place > 0 {
                to.push(b',');
            }
            let text = if value.is_nan() { "None".to_owned() } else { repr(*value) };
            to.extend_from_slice(text.as_bytes());
        }
        to.push(b'\n');
    }
}
