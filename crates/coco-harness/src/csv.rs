//! What collectd's csv plugin has written.
//!
//! One file a value list and day, `DataDir/HOST/PLUGIN[-INSTANCE]/TYPE[-INSTANCE]-YYYY-MM-DD`: a header, then a
//! row for every value list that came, `SECONDS.MILLIS,VALUE[,VALUE...]` (collectd 5.12, src/csv.c). With
//! `StoreRates false` integers stay integers; times are cut to milliseconds and gauges to six decimals, so what
//! rows can't tell apart is compared bit by bit where the test has the datagrams itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The rows of one host, by `PLUGIN[-INSTANCE]/TYPE[-INSTANCE]`, in the order they were written.
pub type Series = BTreeMap<String, Vec<String>>;

/// The rows of every host, by its name.
pub type Hosts = BTreeMap<String, Series>;

/// Reads all of a `DataDir`; one that isn't there yet is empty.
///
/// # Panics
/// When something in it can't be read.
#[must_use]
pub fn read(data_dir: &Path) -> Hosts {
    let mut hosts = Hosts::new();
    for host in names(data_dir) {
        let series: &mut Series = hosts.entry(host.clone()).or_default();
        for plugin in names(&data_dir.join(&host)) {
            let directory = data_dir.join(&host).join(&plugin);
            // Sorted by name, the days of one value list follow one another.
            for file in names(&directory) {
                let text = fs::read_to_string(directory.join(&file)).expect("a file of rows");
                let day = file.len() - "-YYYY-MM-DD".len();
                let rows = text.lines().filter(|line| !line.starts_with("epoch,")).map(str::to_owned);
                series.entry(format!("{plugin}/{}", &file[..day])).or_default().extend(rows);
            }
        }
    }
    hosts
}

/// The number of rows.
#[must_use]
pub fn count<'a>(hosts: impl IntoIterator<Item = &'a Series>) -> u64 {
    hosts.into_iter().flat_map(BTreeMap::values).map(|rows| rows.len() as u64).sum()
}

fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("hosts of the tests are UTF-8");
    let mut names: Vec<_> = entries.map(|entry| name(entry.expect("a directory entry"))).collect();
    names.sort();
    names
}
