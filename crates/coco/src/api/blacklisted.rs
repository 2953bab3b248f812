//! `/blacklisted`: `{host: {metric: Unix seconds}}`, when each metric that the blacklist refuses was last seen.

use std::io::{self, Write};

use super::{Api, write_hosts};
use crate::plan::Rules;
use crate::watch::Hosts;

pub(super) fn write(api: &Api, out: &mut dyn Write) -> io::Result<()> {
    let mut hosts = Hosts::new(&api.lanes, Rules::new(api.routing.load_full()), None);
    write_hosts(out, &mut hosts, 0, |metric| metric.rejected)
}
