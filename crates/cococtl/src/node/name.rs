//! Names of files below a node's data directory: `HOST/PLUGIN[-INSTANCE]/TYPE[-INSTANCE].rrd`, as collectd makes them.
//!
//! Hosts choose them. What is no name of a file right there is none at all: nothing leads out of the directory, hides, or
//! says something else to a daemon that takes commands by the line.

use std::fmt;
use std::path::{Path, PathBuf};

use coco_core::text;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// What every file ends with.
const EXTENSION: &[u8] = b".rrd";

/// Longest name of a file or directory (`NAME_MAX`), less what stands around it while the file is written.
const LONGEST: usize = 255 - 2 - WRITING.len();

/// What the name of a file ends with while it is written: nobody takes it for an RRD file.
const WRITING: &str = ".coco";

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Too few or too many parts.
    #[error("expected HOST/PLUGIN/TYPE.rrd")]
    Parts,
    /// It leads elsewhere, or nowhere.
    #[error("a part of the name is empty, \".\" or \"..\"")]
    Leads,
    /// Lines of commands end at one.
    #[error("the name has a control character")]
    Control,
    /// No file system has it.
    #[error("a part of the name has more than {LONGEST} bytes")]
    TooLong,
}

/// The name of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(Vec<u8>);

impl FileName {
    /// The name that these bytes are.
    pub fn new(bytes: &[u8]) -> Result<Self, NameError> {
        let parts: Vec<_> = bytes.split(|byte| *byte == b'/').collect();
        let [host, plugin, file] = parts[..] else { return Err(NameError::Parts) };
        let stem = file.strip_suffix(EXTENSION).filter(|stem| !stem.is_empty()).ok_or(NameError::Parts)?;
        for part in [host, plugin, file, stem] {
            check(part)?;
        }
        Ok(Self(bytes.to_vec()))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What collectd calls the metric: the same without `.rrd`.
    pub fn identifier(&self) -> &[u8] {
        &self.0[..self.0.len() - EXTENSION.len()]
    }

    /// The directories that it stands in, from the host's on, and its own name.
    pub(super) fn parts(&self) -> [&[u8]; 3] {
        let mut parts = self.0.split(|byte| *byte == b'/');
        std::array::from_fn(|_| parts.next().unwrap_or_default())
    }
}

/// Where a file is while it is written: beside where it will be.
pub(super) fn while_written(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(WRITING);
    path.with_file_name(hidden)
}

/// Whether this can be the name of a directory right below the data directory, or of a file further down.
pub fn check(part: &[u8]) -> Result<(), NameError> {
    if part.is_empty() || part == b"." || part == b".." || part.contains(&b'/') {
        Err(NameError::Leads)
    } else if part.iter().any(u8::is_ascii_control) {
        Err(NameError::Control)
    } else if part.len() > LONGEST {
        Err(NameError::TooLong)
    } else {
        Ok(())
    }
}

/// As it is shown to people.
impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::Name(&self.0).fmt(f)
    }
}

impl Serialize for FileName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text::in_json(&self.0))
    }
}

impl<'de> Deserialize<'de> for FileName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let shown = String::deserialize(deserializer)?;
        Self::new(&text::from_json(&shown)).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_elsewhere_is_no_name() {
        for (name, error) in [
            (&b"web1/cpu-0/cpu-idle"[..], NameError::Parts),
            (b"web1/cpu-idle.rrd", NameError::Parts),
            (b"web1/cpu-0/x/cpu-idle.rrd", NameError::Parts),
            (b"/web1/cpu-0/cpu-idle.rrd", NameError::Parts),
            (b"web1/cpu-0/.rrd", NameError::Parts),
            (b"../cpu-0/cpu-idle.rrd", NameError::Leads),
            (b"web1/../cpu-idle.rrd", NameError::Leads),
            (b"./cpu-0/cpu-idle.rrd", NameError::Leads),
            (b"web1//cpu-idle.rrd", NameError::Leads),
            (b"web1/cpu-0/...rrd", NameError::Leads),
            (b"web1/cpu-0/a\nFLUSHALL.rrd", NameError::Control),
            (b"web\0/cpu-0/a.rrd", NameError::Control),
            (&[&[b'a'; 249][..], b"/cpu-0/a.rrd"].concat(), NameError::TooLong),
        ] {
            assert_eq!(FileName::new(name), Err(error), "{}", name.escape_ascii());
        }
    }

    #[test]
    fn a_name_says_what_collectd_calls_the_metric_and_passes_through_json() {
        for name in [&b"web1/cpu-0/cpu-idle.rrd"[..], "w\u{e4}b 1/a/b.rrd".as_bytes(), b"h\xe9/..a/b\\c.rrd"]
        {
            let file = FileName::new(name).unwrap();
            assert_eq!([file.identifier(), b".rrd"].concat(), name);
            assert_eq!(file.parts().join(&b'/'), name);
            let json = serde_json::to_string(&file).unwrap();
            assert_eq!(serde_json::from_str::<FileName>(&json).unwrap(), file);
        }
        assert!(serde_json::from_str::<FileName>("\"../a/b.rrd\"").is_err());
    }

    #[test]
    fn a_file_is_written_beside_where_it_will_be() {
        let written = while_written(Path::new("/rrd/web1/cpu-0/cpu-idle.rrd"));
        assert_eq!(written, Path::new("/rrd/web1/cpu-0/.cpu-idle.rrd.coco"));
    }
}
