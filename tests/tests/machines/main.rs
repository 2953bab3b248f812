//! Two machines with a Coco each, in networks of their own: one dies, comes back, is stopped on purpose. What is lost is
//! counted, of a real agent's rows at a real storage node, and of numbered value lists. `docs/two-cocos.md` has the figures.

mod address;
mod names;
mod routes;
mod scene;
mod servers;
mod upgrade;
