//! Every law over its corpus: what fuzzing has found worth keeping, and what it once found wrong.

use coco_fuzz::{LAWS, corpus};

#[test]
fn every_law_holds_for_all_of_its_corpus() -> std::io::Result<()> {
    for (name, holds) in LAWS {
        let inputs = corpus::read(&corpus::file(name))?;
        assert!(inputs.len() > 50, "{name} has {} inputs", inputs.len());
        for (number, input) in inputs.iter().enumerate() {
            let result = std::panic::catch_unwind(|| holds(input));
            assert!(result.is_ok(), "{name} is broken by input {number}: {}", input.escape_ascii());
        }
    }
    Ok(())
}
