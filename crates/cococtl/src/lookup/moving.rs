//! What is said of a host that is on its way to other owners.

use std::io::{self, Write};

use coco_core::placement::migration::{Move, Stage};
use coco_core::tier::Tier;
use serde_json::{Map, Value, json};

use crate::text::write_name;

/// What becomes of a host, if it is on its way.
pub(super) fn moving_in(tier: &Tier, host: &[u8]) -> Option<Move> {
    tier.placement().migration().map(|migration| migration.of(host)).filter(|of| of.stage != Stage::Settled)
}

/// A host on its way, beside its owners.
pub(super) struct OnItsWay {
    stage: String,
    former: Vec<String>,
    writes: Vec<String>,
}

impl OnItsWay {
    /// As a configuration says.
    pub(super) fn of(tier: &Tier, of: Move) -> Self {
        let names = |places: &[usize]| -> Vec<_> {
            places.iter().map(|place| tier.targets()[*place].label().to_owned()).collect()
        };
        let (stage, former) = (of.stage.as_str().to_owned(), names(&of.former));
        Self { stage, former, writes: names(&of.writers()) }
    }

    /// What a process tells of a host; none where it stays, or the process knows of no migrations.
    pub(super) fn told(placed: &Map<String, Value>) -> Option<Self> {
        let names = |key: &str| -> Option<Vec<String>> {
            placed.get(key)?.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
        };
        let stage = placed.get("stage")?.as_str().filter(|stage| *stage != Stage::Settled.as_str())?;
        Some(Self { stage: stage.to_owned(), former: names("former")?, writes: names("writes")? })
    }

    /// As JSON.
    pub(super) fn object(&self) -> Value {
        json!({ "stage": self.stage, "former": self.former, "writes": self.writes })
    }

    /// As text, behind the owners.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b" ")?;
        write_name(out, self.stage.as_bytes())?;
        for (head, names) in [(" from=", &self.former), (" writes=", &self.writes)] {
            for (place, name) in names.iter().enumerate() {
                out.write_all(if place == 0 { head.as_bytes() } else { b"," })?;
                write_name(out, name.as_bytes())?;
            }
        }
        Ok(())
    }
}
