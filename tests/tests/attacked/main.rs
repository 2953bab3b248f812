//! Strangers and hanging files: whatever they do, lanes, APIs and the stop go on, and memory has its bounds.

mod files;
mod hostile;
mod liveness;
mod memory;
mod noodle_memory;
mod unread_log;
