//! A storage node's rrdcached as Noodle asks it: a real daemon over files with names, steps and gaps that are hard to
//! read, and what only pretends to be one.

mod files;
mod hostile;
mod node;
