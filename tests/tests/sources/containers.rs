//! The files of `etc/kubernetes` and `etc/container`: valid by the schemas of Kubernetes and of compose files and by a
//! linter of container files, and with a configuration that both programs take.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use coco_core::config::{Config, Program};
use coco_harness::repository;

const MANIFESTS: &str = "etc/kubernetes/coco.yaml";

/// A program of `tests/validators.txt`, which `tests/run all` installs.
fn validator(name: &str) -> Command {
    let program: PathBuf = repository().join("target/validators/bin").join(name);
    let mut command = Command::new(program);
    command.current_dir(repository());
    command
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; see tests/run"));
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    said.into_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
#[ignore = "needs what tests/run all installs"]
fn kubernetes_knows_every_field_of_the_manifests() {
    let said = run(validator("kubernetes-validate").args(["--strict", MANIFESTS]));
    let manifests = read(MANIFESTS).lines().filter(|line| line.starts_with("kind: ")).count();
    assert!(manifests >= 6);
    assert_eq!(said.matches(" passed for resource ").count(), manifests, "{said}");
    // It would notice.
    let misspelled = read(MANIFESTS).replace("externalTrafficPolicy", "externalTraficPolicy");
    let directory = coco_harness::directory::Directory::new("manifests");
    let file = directory.write("coco.yaml", &misspelled);
    let output = validator("kubernetes-validate").arg("--strict").arg(file).output().expect("it is there");
    assert!(!output.status.success(), "{output:?}");
}

#[test]
#[ignore = "needs what tests/run all installs"]
fn the_image_and_the_compose_file_are_well_formed() {
    assert_eq!(run(validator("hadolint").arg("etc/container/Containerfile")), "");
    let services = "import sys, compose_spec; \
                    print(*compose_spec.PyCompose.from_yaml(open(sys.argv[1]).read()).to_spec().services)";
    let said = run(validator("python").args(["-c", services, "etc/container/compose.yaml"]));
    assert_eq!(said.trim_end(), "coco noodle");
}

/// Without `.cargo`, for one, memory would not be given back.
#[test]
fn an_image_is_built_of_all_that_cargo_reads_and_nothing_else_is_sent_to_be_built() {
    let file = read("etc/container/Containerfile");
    let copied =
        file.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--"));
    let sources = copied.flat_map(|line| line.split(' ').rev().skip(1).collect::<Vec<_>>());
    let copied: BTreeSet<_> = sources.collect();
    let ignored = read(".dockerignore");
    assert!(ignored.lines().any(|line| line == "*"));
    assert_eq!(copied, ignored.lines().filter_map(|line| line.strip_prefix('!')).collect());
    let missing = |path: &&&str| !repository().join(path).exists();
    assert_eq!(copied.iter().find(missing), None);
    let is_read_by_cargo = |path: &str| path == ".cargo" || path.starts_with("Cargo.") || path == "crates";
    let root = std::fs::read_dir(repository()).expect("a folder");
    let names = root.map(|entry| entry.expect("one").file_name().into_string().expect("UTF-8"));
    let needed: Vec<_> = names.filter(|name| is_read_by_cargo(name)).collect();
    assert_eq!(needed.len(), 4, "{needed:?}");
    assert!(needed.iter().all(|name| copied.contains(&**name)), "{needed:?}");
}

/// The lines of the file in the ConfigMap.
fn config_map() -> String {
    let manifests = read(MANIFESTS);
    let (_, rest) = manifests.split_once("  coco.conf: |\n").expect("the file");
    let lines = rest.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
    lines.map(|line| line.trim_start().to_owned() + "\n").collect()
}

#[test]
fn both_programs_take_the_configuration_and_are_given_time_to_stop() {
    let text = config_map();
    for program in [Program::Coco, Program::Noodle] {
        let config = Config::parse(&text, program).unwrap_or_else(|problems| panic!("{problems}"));
        let stop = (config.stop.drain + config.stop.grace).as_secs();
        let manifests = read(MANIFESTS);
        let periods: Vec<u64> = manifests
            .lines()
            .filter_map(|line| line.trim().strip_prefix("terminationGracePeriodSeconds: ")?.parse().ok())
            .collect();
        assert!(periods.len() == 2 && periods.iter().all(|period| *period > stop + 1), "{periods:?} {stop}");
        // Probes ask where it answers.
        assert!(config.api.bind.to_string().ends_with(":9090"));
        assert!(manifests.contains("containerPort: 9090") && manifests.contains("containerPort: 9080"));
    }
}
