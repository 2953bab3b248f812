//! JSON that others wrote: found valid and changed without decoding it.
//!
//! - [`object`] finds the members of an answer, and puts one more into it;
//! - `scanner` goes through a text, and `numbers` through lists of numbers, a `block` of 64 bytes at a time.

pub(crate) mod block;
pub(crate) mod numbers;
pub mod object;
pub(crate) mod scanner;
