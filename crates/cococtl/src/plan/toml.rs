//! Parts of a configuration as they would stand in a file.

use coco_core::config::Written;
use coco_core::tier::Tier;
use serde_json::Value;

/// A tier as it would stand in the file, with all that the new file says of it.
pub(super) fn tier(tier: &Tier, written: &Written) -> Vec<String> {
    let here = written.tier(tier.name());
    let mut lines = vec![format!("[tiers.{}]", quoted(tier.name()))];
    if let Some(virtual_replicas) = tier.placement().facts().virtual_replicas {
        lines.push(format!("virtual_replicas = {virtual_replicas}"));
    }
    let keys = here.iter().flat_map(|tier| &tier.keys).filter(|(key, _)| key != "virtual_replicas");
    lines.extend(keys.map(|(key, value)| format!("{key} = {value}")));
    lines.push("targets = [".to_owned());
    lines.extend(tier.targets().iter().map(|target| {
        let is_this = |(address, _): &&(String, String)| *address == target.name;
        let as_written =
            here.and_then(|tier| tier.targets.iter().find(is_this)).map(|(_, value)| value.clone());
        format!("  {},", as_written.unwrap_or_else(|| quoted(&target.name)))
    }));
    lines.push("]".to_owned());
    lines
}

/// A string of JSON, which is one of TOML but for the one control character that TOML has escaped and JSON has not.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
