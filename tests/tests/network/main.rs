//! Coco among real links and storage nodes that fail: what the others get is compared value list by value list.

mod addresses;
mod groups;
mod links;
mod names;
mod outages;
mod routers;
mod scene;
mod zones;
