//! One line a series: `name,start,end,step|value,value`.

use std::io::{self, Write};

use crate::series::TimeSeries;
use crate::text::number::repr;

pub(super) fn write(all: &[TimeSeries], to: &mut impl Write) -> io::Result<()> {
    for series in all {
        write!(to, "{},{},{},{}|", series.name, series.start, series.end, series.step)?;
        for (place, value) in series.values().iter().enumerate() {
            if place > 0 {
                to.write_all(b",")?;
            }
            let text = if value.is_nan() { "None".to_owned() } else { repr(*value) };
            to.write_all(text.as_bytes())?;
        }
        to.write_all(b"\n")?;
    }
    Ok(())
}
