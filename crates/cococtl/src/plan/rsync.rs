//! Commands that copy RRD directories. Names of hosts are chosen by whoever sends packets, and end up in a shell here.

use std::io::{self, Write};

use coco_core::host::stored_name;

use crate::text;

/// What stands above the commands.
pub(super) const HEAD: [&str; 5] = [
    "#!/bin/sh",
    "# Copies the RRD directories of hosts that get another owner, from the old one to the new one.",
    "# What the new owner has already stays as it is, so this can be run again. It removes nothing.",
    "# Every line logs in to the old owner, which must be able to log in to the new one.",
    "# Review it, then run it with sh, right before the configuration is changed.",
];

/// Where collectd's RRD files are, the same on all targets.
pub(super) fn directory(text: &str) -> Result<String, String> {
    match text.trim_end_matches('/') {
        "" => Err("expected a directory below /".to_owned()),
        path if path.starts_with('/') && !path.contains(['\0', '\n']) => Ok(path.to_owned()),
        _ => Err("expected an absolute path".to_owned()),
    }
}

/// Writes the command that copies the directory of a host, by the name under which it is stored; a comment if the host
/// can't have one.
///
/// The name passes two shells, the operator's and that of the old owner. rsync hands it to the new owner without one
/// (`--protect-args`), and takes nothing behind `--` for an option. ssh must not read a script that comes by a pipe.
pub(super) fn write_copy(
    from: &str,
    to: &str,
    directory: &str,
    host: &[u8],
    out: &mut impl Write,
) -> io::Result<()> {
    let host = &*stored_name(host);
    if !is_file_name(host) {
        return writeln!(out, "# left out, no name of a directory: {}", text::name(host));
    }
    if from == to {
        return writeln!(out, "# left out, {from} is the old owner and the new one: {}", text::name(host));
    }
    let source = [directory.as_bytes(), b"/", host].concat();
    let to = if to.contains(':') { format!("[{to}]:{directory}/") } else { format!("{to}:{directory}/") };
    let mut command = b"rsync --archive --ignore-existing --protect-args -- ".to_vec();
    quote(&source, &mut command);
    command.push(b' ');
    quote(to.as_bytes(), &mut command);
    let mut line = b"ssh -n -- ".to_vec();
    quote(from.as_bytes(), &mut line);
    line.push(b' ');
    quote(&command, &mut line);
    line.push(b'\n');
    out.write_all(&line)
}

/// Whether collectd makes a directory for a host that it stores under this name, and a script can show it: it is one
/// component of a path, without control characters.
fn is_file_name(host: &[u8]) -> bool {
    let mut characters = host.utf8_chunks().flat_map(|chunk| chunk.valid().chars());
    !matches!(host, b"" | b"." | b"..") && !characters.any(|c| c == '/' || c.is_control())
}

/// Appends a word of sh that stands for these bytes: between apostrophes nothing has a meaning but an apostrophe.
fn quote(word: &[u8], out: &mut Vec<u8>) {
    out.push(b'\'');
    for &byte in word {
        match byte {
            b'\'' => out.extend_from_slice(b"'\\''"),
            _ => out.push(byte),
        }
    }
    out.push(b'\'');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_absolute() {
        assert_eq!(directory("/var/lib/collectd/rrd/").as_deref(), Ok("/var/lib/collectd/rrd"));
        for wrong in ["", "/", "rrd", "~/rrd", "/a\nb"] {
            assert!(directory(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_host_lies_where_collectd_stores_it() {
        for (host, directory) in
            [(&b"a/b"[..], "/rrd/a_b"), (b"../../etc", "/rrd/.._.._etc"), (b"/", "/rrd/root")]
        {
            let mut out = Vec::new();
            write_copy("a", "b", "/rrd", host, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(
                text.contains(&format!("'{directory}'")) || text.contains(&format!("{directory}'")),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_directory_is_left_out() {
        for host in [&b""[..], b".", b"..", b"/..", b"a\nrm -rf", b"\x1b[2J", b"a\0"] {
            let mut out = Vec::new();
            write_copy("a", "b", "/rrd", host, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(text.starts_with("# left out") && text.lines().count() == 1, "{text:?}");
        }
    }
}
