//! The status page: what browsers get at `/`.
//!
//! - [`history`] keeps the last minutes of a few counters;
//! - [`section`] is what is shown, with the numbers of `/debug/vars`, and `curve` draws;
//! - [`html`] is the only way to markup: whatever comes from elsewhere is text;
//! - [`page`] puts it together, by `page.html`, `page.css` and `page.js` beside it. The page takes nothing from elsewhere,
//!   and its policy lets nothing run or be loaded but what stands in it.

mod curve;
pub mod history;
pub mod html;
pub mod page;
pub mod section;

pub use history::History;
pub use page::Page;
pub use section::{Mood, Numbers, ROWS, Section, Shown, Table};
