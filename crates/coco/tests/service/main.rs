//! A whole coco in this process: real sockets on the loopback, real threads, its API asked by HTTP.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod agents;
// Hosts on several targets of a tier.
mod copies;
// What arrives where, whichever threads carry it, and what is counted on the way.
mod delivery;
// Bounds: memory, the kernel's buffer, the time that a stop may take.
mod limits;
// Hosts and targets, as operators ask for them.
mod questions;
mod running;
// The shapes of what the API answers.
mod views;
