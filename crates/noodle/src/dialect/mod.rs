//! What all ways in which clients ask have in common: Visage's, Graphite's and Prometheus'.
//!
//! - [`counts`] is what is counted of answers;
//! - [`lasting`] is what stays over reloads;
//! - [`pages`] is which web pages may have answers;
//! - [`refused`] is why a client that asks for many hosts has no answer, or not all of one.

pub mod counts;
pub mod lasting;
pub mod pages;
pub mod refused;
