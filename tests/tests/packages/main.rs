//! The packages: what their descriptions name is there and goes where it should; what becomes of a Debian on which they are
//! installed, upgraded, removed and purged; what a newcomer sees, and systemd; and what an .rpm holds.

mod booted;
mod described;
mod made;
mod purged;
mod rpm;
