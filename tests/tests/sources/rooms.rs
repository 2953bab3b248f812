//! How the code is divided, measured in the code: crates and modules in layers, halls with few doors, and maps that leave
//! nothing out.
//!
//! A module is a file. It has an arrow to each module of its crate that it names by `crate::`, `super::` or `self::`.
//! Names that a module has from the one it stands in, and tests, draw no arrow.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use coco_harness::directory::Directory;
use coco_harness::repository;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use serde_json::Value;

/// Our crates, layer by layer: each is built of those in the layers below its own.
const LAYERS: [&[&str]; 7] = [
    &["coco-manual", "coco-fuzz", "coco-bench", "coco-tests"],
    &["cococtl"],
    &["coco", "noodle", "coco-checks"],
    &["coco-harness"],
    &["coco-daemon", "coco-udp", "remote-write"],
    &["coco-core"],
    &["graphite", "rrd", "rrdcached", "series", "visage"],
];

/// Crates that turn bytes into meaning and back, and nothing else.
const PURE: [&str; 7] = ["coco-core", "graphite", "remote-write", "rrd", "rrdcached", "series", "visage"];

/// What nobody can have without a socket, a thread, a file or a clock.
const IMPURE: [&str; 9] =
    ["UdpSocket", "TcpStream", "TcpListener", "UnixStream", "thread", "fs", "File", "Instant", "SystemTime"];

/// Most modules that stand directly below `src` of the daemons, so that a newcomer sees at a glance what is there.
const MOST_DOORS: usize = 16;

/// The names that lead to a module from the root of its crate; of the root itself, none.
type Module = Vec<String>;

/// The modules that each module names.
type Arrows = BTreeMap<Module, BTreeSet<Module>>;

/// The folders of the workspace that hold a crate.
fn crates() -> Vec<PathBuf> {
    let entries = fs::read_dir(repository().join("crates")).expect("there are crates");
    let mut crates: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder").path()).collect();
    crates.retain(|folder| folder.join("src").is_dir());
    crates.sort();
    assert!(crates.len() >= 9, "{crates:?}");
    crates
}

/// The files below a folder that hold Rust, without those of programs in `bin`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of source") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("bin") {
            files.extend(self::files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn module_of(source: &Path, file: &Path) -> Module {
    let relative = file.strip_prefix(source).expect("below src").with_extension("");
    let mut module: Module = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        module.pop();
    }
    module
}

fn tokens(file: &Path) -> Vec<TokenTree> {
    let text = fs::read_to_string(file).expect("source");
    let stream: TokenStream = text.parse().unwrap_or_else(|problem| panic!("{}: {problem}", file.display()));
    stream.into_iter().collect()
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

/// Whether a group of tokens is `[cfg(test)]` or `[cfg(all(test, ...))]`.
fn is_for_tests(token: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(group)) = token else { return false };
    let text: String = group.stream().to_string().split_whitespace().collect();
    group.delimiter() == Delimiter::Bracket && (text == "cfg(test)" || text.starts_with("cfg(all(test"))
}

/// Whether a path that begins so stays in its crate.
fn is_local(name: &str) -> bool {
    ["crate", "super", "self"].contains(&name)
}

/// Each name that stands somewhere outside of tests.
fn names(tokens: &[TokenTree], found: &mut BTreeSet<String>) {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' && is_for_tests(tokens.get(at)) => {
                at = after_item(tokens, at + 1);
            }
            TokenTree::Group(group) => names(&group.stream().into_iter().collect::<Vec<_>>(), found),
            TokenTree::Ident(ident) => drop(found.insert(ident.to_string())),
            _ => {}
        }
    }
}

#[test]
fn pure_crates_have_no_socket_no_thread_no_file_and_no_clock() {
    for name in PURE {
        for file in files(&repository().join("crates").join(name).join("src")) {
            let mut found = BTreeSet::new();
            names(&tokens(&file), &mut found);
            let impure = IMPURE.iter().find(|impure| found.contains(**impure));
            assert_eq!(impure, None, "{}", file.display());
        }
    }
}

/// The paths that begin with `crate`, `super` or `self`, with each of the paths that braces stand for.
fn paths(tokens: &[TokenTree], found: &mut Vec<Vec<String>>) {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        if is_punct(Some(token), '#') && is_for_tests(tokens.get(at)) {
            at = after_item(tokens, at + 1);
            continue;
        }
        match token {
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                paths(&inner, found);
            }
            // Neither the value `self` nor `pub(crate)` is one.
            TokenTree::Ident(ident) if is_local(&ident.to_string()) && is_punct(tokens.get(at), ':') => {
                at = path(tokens, at, vec![ident.to_string()], found);
            }
            _ => {}
        }
    }
}

/// Behind the item that follows attributes: its body in braces, or its semicolon.
fn after_item(tokens: &[TokenTree], mut at: usize) -> usize {
    while let Some(token) = tokens.get(at) {
        at += 1;
        let is_body = matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
        if is_body || is_punct(Some(token), ';') {
            break;
        }
    }
    at
}

/// Follows a path from its first `::`; returns where it ends.
fn path(tokens: &[TokenTree], mut at: usize, mut so_far: Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    while is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':') {
        match tokens.get(at + 2) {
            Some(TokenTree::Ident(ident)) => so_far.push(ident.to_string()),
            Some(TokenTree::Group(group)) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for branch in inner.split(|token| is_punct(Some(token), ',')) {
                    if let Some(TokenTree::Ident(first)) = branch.first() {
                        let mut branch_path = so_far.clone();
                        branch_path.push(first.to_string());
                        path(branch, 1, branch_path, found);
                    }
                }
                return at + 3;
            }
            _ => break,
        }
        at += 3;
    }
    found.push(so_far);
    at
}

/// The module that a path leads to, seen from the module that it stands in.
fn led_to(from: &Module, path: &[String], modules: &BTreeSet<Module>) -> Option<Module> {
    let mut place: Module = if path[0] == "crate" { Vec::new() } else { from.clone() };
    for name in path {
        match name.as_str() {
            "crate" | "self" => {}
            "super" => drop(place.pop()),
            name => place.push(name.to_owned()),
        }
    }
    while !modules.contains(&place) {
        place.pop()?;
    }
    let is_around = place.starts_with(from) || from.starts_with(&place);
    (!is_around).then_some(place)
}

fn arrows(source: &Path) -> Arrows {
    let files: BTreeMap<Module, PathBuf> =
        files(source).into_iter().map(|file| (module_of(source, &file), file)).collect();
    let modules: BTreeSet<Module> = files.keys().cloned().collect();
    let is_of_tests = |module: &Module| module.iter().any(|name| name == "tests");
    let mut arrows = Arrows::new();
    for (module, file) in files.iter().filter(|(module, _)| !is_of_tests(module)) {
        let mut found = Vec::new();
        paths(&tokens(file), &mut found);
        let targets = found.iter().filter_map(|path| led_to(module, path, &modules));
        arrows.insert(module.clone(), targets.collect());
    }
    arrows
}

/// What is left when modules that name none of the rest, or that none of the rest names, are taken away again and
/// again: those that stand in circles, and those between them.
fn in_circles(mut arrows: Arrows) -> Arrows {
    loop {
        let named: BTreeSet<Module> = arrows.values().flatten().cloned().collect();
        let left: BTreeSet<Module> = arrows.keys().cloned().collect();
        let before = arrows.len();
        arrows.retain(|module, targets| {
            targets.retain(|target| left.contains(target));
            !targets.is_empty() && named.contains(module)
        });
        if arrows.len() == before {
            return arrows;
        }
    }
}

/// The arrows between the modules directly below the root, which have those of all that stands in them.
fn between_rooms(arrows: &Arrows) -> Arrows {
    let room = |module: &Module| module.iter().take(1).cloned().collect::<Module>();
    let mut rooms = Arrows::new();
    for (module, targets) in arrows {
        let from = room(module);
        let others = targets.iter().map(room).filter(|to| *to != from);
        rooms.entry(from.clone()).or_default().extend(others);
    }
    rooms
}

#[test]
fn no_modules_name_each_other_in_a_circle() {
    for folder in crates() {
        let arrows = arrows(&folder.join("src"));
        assert!(!arrows.is_empty(), "{}", folder.display());
        let between_rooms = in_circles(between_rooms(&arrows));
        let circles = in_circles(arrows);
        assert!(circles.is_empty(), "{}: {circles:#?}", folder.display());
        assert!(between_rooms.is_empty(), "rooms of {}: {between_rooms:#?}", folder.display());
    }
}

#[test]
fn a_circle_is_seen_through_braces_macros_and_super() {
    let folder = Directory::new("rooms");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
    write("lib.rs", "pub mod a; pub mod b; pub mod c; pub mod d;");
    write("a.rs", "use crate::{b::{B, self}, nothing};");
    write("b.rs", "fn f() { println!(\"{}\", super::c::C) }");
    write("c.rs", "// crate::d\n use super::a::A;");
    write("d.rs", "#[cfg(test)] mod tests { use crate::a; }\n pub(in crate::d) fn f() { crate::a::g() }");
    let arrows = arrows(folder.path());
    assert_eq!(arrows[&vec!["d".to_owned()]], BTreeSet::from([vec!["a".to_owned()]]));
    let circle: Vec<Module> = in_circles(arrows).into_keys().collect();
    assert_eq!(circle, ["a", "b", "c"].map(|name| vec![name.to_owned()]));
}

#[test]
fn a_circle_of_rooms_is_seen_where_no_two_modules_make_one() {
    let module = |path: &str| path.split("::").map(str::to_owned).collect::<Module>();
    let arrows = [("a::x", "b::x"), ("b::y", "a::y"), ("a::y", "c"), ("b::x", "b::z")];
    let arrows: Arrows = arrows.map(|(from, to)| (module(from), BTreeSet::from([module(to)]))).into();
    assert!(in_circles(arrows.clone()).is_empty());
    let circle: Vec<Module> = in_circles(between_rooms(&arrows)).into_keys().collect();
    assert_eq!(circle, [module("a"), module("b")]);
}

#[test]
fn halls_of_the_daemons_have_few_doors() {
    for daemon in ["coco", "noodle"] {
        let arrows = arrows(&repository().join("crates").join(daemon).join("src"));
        let doors: BTreeSet<&String> = arrows.keys().filter_map(|module| module.first()).collect();
        assert!((5..=MOST_DOORS).contains(&doors.len()), "{daemon}: {doors:#?}");
    }
}

/// What each of our crates is built of, or else what only its tests are made of: of those of ours alone.
fn dependencies(are_of_tests: bool) -> BTreeMap<String, Vec<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let output = Command::new(cargo)
        .current_dir(repository())
        .args(["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let name = |of: &Value| of["name"].as_str().expect("a name").to_owned();
    let ours = |package: &Value| {
        let all = package["dependencies"].as_array().expect("dependencies");
        let wanted =
            all.iter().filter(|one| one["source"].is_null() && (one["kind"] == "dev") == are_of_tests);
        (name(package), wanted.map(name).collect())
    };
    metadata["packages"].as_array().expect("packages").iter().map(ours).collect()
}

#[test]
fn crates_are_built_of_those_below_them() {
    let layer = |name: &str| LAYERS.iter().position(|layer| layer.contains(&name));
    let dependencies = dependencies(false);
    assert_eq!(dependencies.len(), LAYERS.iter().map(|layer| layer.len()).sum::<usize>());
    for (name, built_of) in dependencies {
        let own = layer(&name).unwrap_or_else(|| panic!("{name} stands in no layer"));
        for other in built_of {
            assert!(layer(&other) > Some(own), "{name} is built of {other}");
        }
    }
}

/// Who changes an end-to-end test builds no test of a crate anew, and no crate's tests wait for all programs.
#[test]
fn tests_of_crates_are_made_of_the_harness_and_of_laws_alone() {
    let dependencies = dependencies(true);
    let in_crates = dependencies.iter().filter(|(name, _)| *name != "coco-tests");
    let users = in_crates.clone().filter(|(_, made_of)| made_of.iter().any(|other| other == "coco-harness"));
    assert!(users.count() >= 5, "{dependencies:#?}");
    for (name, made_of) in in_crates {
        let other = made_of.iter().find(|other| !["coco-harness", "coco-fuzz"].contains(&other.as_str()));
        assert_eq!(other, None, "tests of {name}");
    }
}

/// The modules that `lib.rs` declares, other than those of tests.
fn doors(library: &str) -> impl Iterator<Item = &str> {
    let lines = library.lines().zip(library.lines().skip(1));
    lines.filter(|(before, _)| !before.contains("cfg(test)")).filter_map(|(_, line)| {
        let name = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod "));
        name.and_then(|name| name.strip_suffix(';'))
    })
}

#[test]
fn the_map_of_each_crate_names_each_of_its_modules() {
    for folder in crates() {
        let Ok(library) = fs::read_to_string(folder.join("src/lib.rs")) else { continue };
        let map: String = library.lines().filter(|line| line.starts_with("//!")).collect();
        let is_missing =
            |door: &&str| !map.contains(&format!("`{door}`")) && !map.contains(&format!("[{door}]"));
        let missing: Vec<&str> = doors(&library).filter(is_missing).collect();
        assert_eq!(missing, Vec::<&str>::new(), "not on the map of {}", folder.display());
    }
}
