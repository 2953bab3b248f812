//! Which events become lines.

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::ACCESS;

/// Events of a level and more severe ones; and those of the access log or not, whatever the level.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passes {
    pub(super) level: LevelFilter,
    pub(super) access: bool,
}

impl Passes {
    fn lets(self, event: &Metadata<'_>) -> bool {
        if event.target() == ACCESS { self.access } else { *event.level() <= self.level }
    }
}

impl<S: Subscriber> Layer<S> for Passes {
    /// Asked once for each place in the code, and again after a change: nothing is looked at for what is not logged.
    fn register_callsite(&self, event: &'static Metadata<'static>) -> Interest {
        if self.lets(event) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, event: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.lets(event)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(if self.access { self.level.max(LevelFilter::INFO) } else { self.level })
    }
}
