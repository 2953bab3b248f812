//! Series of rows on a grid of time, with true unknowns: what several storage nodes know of one metric, joined.
//!
//! This crate owns no socket, no thread and no clock.
//!
//! - [`grid`] is where rows lie: each ends at a multiple of the step, as in every archive of an RRD file;
//! - [`series`] is a grid with a value, or none, for each row;
//! - [`consolidate`] makes longer rows of short ones;
//! - [`join`] makes one series of many.
//!
//! Rows are averages (RRD's `AVERAGE`): a level that held from the end of the row before to the end of the row. Only
//! so may a long row stand for a short one within it; a minimum, a maximum or a percentile must not be joined here.
//!
//! ```
//! use series::grid::{Grid, Step};
//! use series::join::{Joined, Priority};
//! use series::series::Series;
//!
//! let step = Step::new(10).unwrap();
//! let rows = |values: &[Option<f64>]| Series::new(Grid::new(1_795_303_000, step, values.len())?, values);
//!
//! // The owner was down for two rows, of which a node of the next tier has one.
//! let owner = Joined::of(Priority { tier: 0, source: 0 }, &rows(&[Some(1.0), None, None, Some(4.0)])?);
//! let other = Joined::of(Priority { tier: 1, source: 0 }, &rows(&[Some(1.1), Some(2.1), None, Some(4.1)])?);
//! let joined = other.join(owner);
//!
//! let series = joined.series(1_795_303_000, 1_795_303_035)?.unwrap();
//! assert_eq!(series.values().collect::<Vec<_>>(), [Some(1.0), Some(2.1), None, Some(4.0)]);
//! # Ok::<(), series::grid::GridError>(())
//! ```

#![forbid(unsafe_code)]

pub mod consolidate;
pub mod grid;
pub mod join;
pub mod series;
