//! `/blacklisted`: `{host: {metric: Unix seconds}}`, when each metric that the blacklist refuses was last seen.

use super::{Api, write_hosts};
use std::io::{self, Write};

pub(super) fn write(api: &Api, out: &mut dyn Write) -> io::Result<()> {
    write_hosts(out, &api.hosts(&api.routing.load_full()), |metric| metric.rejected)
}
