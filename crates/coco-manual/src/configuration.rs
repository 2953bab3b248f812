//! coco.conf(5): the notations, all keys, and the sample file.

use coco_core::config::{KEYS, Key, Program};
use roff::{Roff, bold, roman};

use crate::pages::append_see_also;
use crate::{Document, chapters, markdown, page};

const SAMPLE: &str = include_str!("../../../coco.sample.conf");

/// The page.
pub fn document() -> Document {
    let mut roff = Roff::new();
    let source = concat!("Coco ", env!("CARGO_PKG_VERSION"));
    roff.control("TH", ["COCO.CONF", "5", chapters::release_date(), source, "Coco and Noodle"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman("coco.conf - configuration of coco and noodle")]);
    roff.control("SH", ["DESCRIPTION"]);
    markdown::append(&mut roff, chapters::chapter("# Configuration"));
    roff.control("SH", ["KEYS"]);
    let mut section = "";
    for key in KEYS {
        if key.section != section {
            section = key.section;
            roff.control("SS", [format!("[{section}]").as_str()]);
        }
        append(&mut roff, key);
    }
    roff.control("SH", ["EXAMPLE"]);
    markdown::append(&mut roff, &format!("```\n{SAMPLE}```\n"));
    roff.control("SH", ["FILES"]);
    roff.control("TP", []);
    roff.text([bold("/etc/coco.conf")]);
    roff.text([roman("where the units for systemd have it")]);
    append_see_also(&mut roff, &["coco(8)", "noodle(8)", "cococtl(1)", "collectd.conf(5)"]);
    page("coco.conf", '5', &roff)
}

fn append(roff: &mut Roff, key: &Key) {
    let Key { name, kind, default, read_by, required_by, needs_restart, meaning, .. } = key;
    let default = match default {
        Some(default) => format!("Default: `{default}`."),
        None if required_by.is_empty() => "No default.".to_owned(),
        None => "Required.".to_owned(),
    };
    let readers = match read_by {
        [Program::Coco] => " Read by Coco.",
        [Program::Noodle] => " Read by Noodle.",
        _ => "",
    };
    let restart = if *needs_restart { " A change takes a restart." } else { "" };
    roff.control("TP", []);
    roff.text([bold(*name)]);
    markdown::append(roff, &format!("{meaning}. Value: {kind}. {default}{readers}{restart}"));
}
