//! Visage's JSON API, in and out. In the order in which a request meets the modules:
//!
//! - [`path`], [`hosts`] and [`query`], by its `parameters`, read it, and refuse what no storage node should see;
//! - [`request`] is whom to ask for what: the owner of one host, or many for a joined answer;
//! - [`proxy`] asks them, and answers;
//! - [`merge`] makes one answer of many;
//! - [`origin`] is what an answer says of where it comes from;
//! - [`answer`] is what the client gets, as JSON or as a [`script`].

pub mod answer;
pub mod hosts;
pub mod merge;
pub mod origin;
pub(crate) mod parameters;
pub mod path;
pub mod proxy;
pub mod query;
pub mod request;
pub mod script;
