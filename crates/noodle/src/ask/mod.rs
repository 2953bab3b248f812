//! What targets are asked for, and what they say.
//!
//! - [`share`] is what a target has of it;
//! - [`lists`] are answers that are lists of names.

pub mod lists;
pub mod share;

/// What an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// `{"hosts": [...]}`
    Hosts,
    /// `{"metrics": [...]}`, in Visage's words `PLUGIN/INSTANCE`.
    Metrics,
    /// `{HOST: {PLUGIN: {INSTANCE: {DATA SOURCE: {...}}}}}`
    Series,
}
