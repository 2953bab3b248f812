//! A `coco.conf`.

use coco_core::config::{Config, Problems, Program};

/// Any text is a configuration or has problems that can be shown; and both programs agree on who owns what.
pub fn holds(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let coco = Config::parse(text, Program::Coco);
    let noodle = Config::parse(text, Program::Noodle);
    for problems in [&coco, &noodle].into_iter().filter_map(|result| result.as_ref().err()) {
        check(text, problems);
    }
    if let (Ok(coco), Ok(noodle)) = (coco, noodle) {
        assert_eq!(coco.tiers.fingerprint(), noodle.tiers.fingerprint());
        assert!(noodle.fetch_bind.is_some());
        for host in ["", "agent1", "\u{0}"] {
            assert_eq!(owners(&coco, host), owners(&noodle, host));
        }
    }
}

fn owners(config: &Config, host: &str) -> Vec<String> {
    let names = config.tiers.iter().map(|tier| tier.targets()[tier.owner(host.as_bytes())].name.clone());
    names.collect()
}

fn check(text: &str, problems: &Problems) {
    assert!(problems.iter().next().is_some(), "what is refused has a reason");
    let lines = text.split('\n').count();
    for problem in problems {
        assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)), "{problem}");
        assert!(!problem.message.is_empty());
    }
    assert!(!problems.to_string().is_empty());
}
