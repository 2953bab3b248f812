//! Fields that say in the head of an answer where it comes from, whatever a client speaks.

use hyper::header::HeaderName;

/// Which tier has answered; several with commas.
pub const TIER: HeaderName = HeaderName::from_static("x-noodle-tier");

/// That some of the answer is missing.
pub const PARTIAL: HeaderName = HeaderName::from_static("x-noodle-partial");

/// Who failed, and why: once for each target.
pub const ERROR: HeaderName = HeaderName::from_static("x-noodle-error");
