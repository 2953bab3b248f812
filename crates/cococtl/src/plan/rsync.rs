//! A script that copies RRD directories. Names of hosts are chosen by whoever sends packets, and end up in a shell here.

use std::collections::BTreeSet;
use std::io::{self, Write};

use coco_core::host::stored_name;

use crate::text;

/// What stands above all.
const HEAD: &str = "\
#!/bin/sh
# Copies the RRD directories of hosts that get another owner, from the old one to the new one.
# Review it, then run it with sh, right before the configuration is changed: what old owners get later is not copied.
# It removes nothing. What a new owner has already stays as it is, with a warning; with UPDATE=yes in the environment
# the newer of two files counts, so that it can be run again.
# Every copy logs in to the old owner, which must be able to log in to the new one.
";

/// What the lines below call. Words that come in are for one shell more, that of the node.
const FUNCTIONS: &str = r#"
copies=0
failures=0
keep=--ignore-existing
if [ "${UPDATE:-no}" = yes ]; then keep=--update; fi
present=$(mktemp) || exit 2
trap 'rm -f "$present"' EXIT

failed() {
  failures=$((failures + 1))
  printf 'failed: %s\n' "$1" >&2
}

# flush NODE COMMAND: makes the collectd of an old owner write what it keeps in its cache.
flush() {
  ssh -n -- "$1" "$2" || failed "$1 does not flush: the last minutes are missing"
}

# look NODE COMMAND: what a new owner has already.
look() {
  ssh -n -- "$1" "$2" >"$present" || failed "$1 does not say what it has"
}

# copy NODE HOST WORDS [HOST AS IT IS SHOWN]
copy() {
  copies=$((copies + 1))
  if LC_ALL=C grep -qxF -e "$2" "$present"; then
    printf 'warning: the new owner has files of %s: with %s they may be older or newer\n' "${4:-$2}" "$keep" >&2
  fi
  ssh -n -- "$1" "rsync --archive $keep --protect-args -- $3" || failed "copying ${4:-$2} from $1"
}
"#;

/// What stands below all.
const END: &str = r#"
printf '%s copies, %s failures\n' "$copies" "$failures"
[ "$failures" -eq 0 ]
"#;

/// Where collectd's RRD files are, the same on all targets.
pub(super) fn directory(text: &str) -> Result<String, String> {
    match text.trim_end_matches('/') {
        "" => Err("expected a directory below /".to_owned()),
        path if path.starts_with('/') && !path.contains(['\0', '\n']) => Ok(path.to_owned()),
        _ => Err("expected an absolute path".to_owned()),
    }
}

/// Writes what it is for.
pub(super) fn write_head(out: &mut impl Write) -> io::Result<()> {
    out.write_all(HEAD.as_bytes())
}

/// Writes the script line by line.
pub(super) struct Script<'a, W> {
    directory: &'a str,
    out: &'a mut W,
    /// Old owners that are flushed by now.
    flushed: BTreeSet<String>,
    from: String,
    to: String,
}

impl<'a, W: Write> Script<'a, W> {
    pub(super) fn new(directory: &'a str, out: &'a mut W) -> Self {
        Self { directory, out, flushed: BTreeSet::new(), from: String::new(), to: String::new() }
    }

    /// How to list what is on these nodes, for hosts that nobody has seen; then the functions.
    pub(super) fn write_listing<'n>(&mut self, nodes: impl Iterator<Item = &'n str>) -> io::Result<()> {
        writeln!(self.out, "# Only hosts that were told above are copied. What else the old owners have:")?;
        for node in nodes.collect::<BTreeSet<_>>() {
            let mut line = b"#   ssh ".to_vec();
            quote(node.as_bytes(), &mut line);
            line.push(b' ');
            let mut command = b"ls ".to_vec();
            quote(self.directory.as_bytes(), &mut command);
            quote(&command, &mut line);
            line.push(b'\n');
            self.out.write_all(&line)?;
        }
        self.out.write_all(FUNCTIONS.as_bytes())
    }

    pub(super) fn comment(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "\n# {text}")
    }

    /// The copies that follow are from the one to the other.
    pub(super) fn begin(&mut self, from: &str, to: &str) -> io::Result<()> {
        (self.from, self.to) = (from.to_owned(), to.to_owned());
        if from == to {
            return Ok(());
        }
        let mut directory = Vec::new();
        quote(self.directory.as_bytes(), &mut directory);
        if self.flushed.insert(from.to_owned()) {
            self.call("flush", &flush(&directory))?;
        }
        std::mem::swap(&mut self.from, &mut self.to);
        let look = [b"[ ! -d ", &directory[..], b" ] || ls -A ", &directory[..]].concat();
        let written = self.call("look", &look);
        std::mem::swap(&mut self.from, &mut self.to);
        written
    }

    /// Writes the command that copies the directory of a host, by the name under which it is stored; a comment if the host
    /// can't have one.
    ///
    /// The name passes two shells, the operator's and that of the old owner. rsync hands it to the new owner without one
    /// (`--protect-args`), and takes nothing behind `--` for an option. ssh must not read a script that comes by a pipe.
    pub(super) fn copy(&mut self, host: &[u8]) -> io::Result<()> {
        let host = &*stored_name(host);
        let shown = text::name(host);
        if !is_file_name(host) {
            return writeln!(self.out, "# left out, no name of a directory: {shown}");
        }
        let (from, to, directory) = (&self.from, &self.to, self.directory);
        if from == to {
            return writeln!(self.out, "# left out, {from} is the old owner and the new one: {shown}");
        }
        let source = [directory.as_bytes(), b"/", host].concat();
        let to = if to.contains(':') { format!("[{to}]:{directory}/") } else { format!("{to}:{directory}/") };
        let mut words = Vec::new();
        quote(&source, &mut words);
        words.push(b' ');
        quote(to.as_bytes(), &mut words);
        let mut line = b"copy ".to_vec();
        let given = [from.as_bytes(), host, &words];
        let shown = (shown.as_bytes() != host).then_some(shown.as_bytes());
        for word in given.into_iter().chain(shown) {
            quote(word, &mut line);
            line.push(b' ');
        }
        line.pop();
        line.push(b'\n');
        self.out.write_all(&line)
    }

    pub(super) fn end(self) -> io::Result<()> {
        self.out.write_all(END.as_bytes())
    }

    fn call(&mut self, function: &str, command: &[u8]) -> io::Result<()> {
        let mut line = format!("{function} ").into_bytes();
        quote(self.from.as_bytes(), &mut line);
        line.push(b' ');
        quote(command, &mut line);
        line.push(b'\n');
        self.out.write_all(&line)
    }
}

/// The command that makes a node write its cache. A collectd says that it will, and then does: it has when no more files
/// are written than two seconds before.
fn flush(directory: &[u8]) -> Vec<u8> {
    let [before, behind] = [
        &b"stamp=$(mktemp) || exit; collectdctl flush 2>/dev/null || pkill -USR1 -x collectd || exit; \
           last=; while now=$(find "[..],
        b" -newer \"$stamp\" -name \"*.rrd\" | wc -l); [ \"$now\" != \"$last\" ]; do last=$now; sleep 2; done; \
          rm -f \"$stamp\"",
    ];
    [before, directory, behind].concat()
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
            let mut script = Script::new("/rrd", &mut out);
            (script.from, script.to) = ("a".to_owned(), "b".to_owned());
            script.copy(host).unwrap();
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
            let mut script = Script::new("/rrd", &mut out);
            (script.from, script.to) = ("a".to_owned(), "b".to_owned());
            script.copy(host).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(text.starts_with("# left out") && text.lines().count() == 1, "{text:?}");
        }
    }

    #[test]
    fn an_old_owner_is_flushed_once() {
        let mut out = Vec::new();
        let mut script = Script::new("/rrd", &mut out);
        for to in ["b", "c"] {
            script.begin("a", to).unwrap();
        }
        let text = String::from_utf8(out).unwrap();
        assert_eq!((text.matches("flush 'a'").count(), text.matches("look '").count()), (1, 2), "{text}");
    }
}
