//! The messages of remote write 1.0 and remote read 1.0 (`prompb/remote.proto` and `prompb/types.proto` of Prometheus),
//! as far as they are used here. What else a peer may send is skipped.

use prost::{Enumeration, Message};

/// What is written.
#[derive(Clone, PartialEq, Message)]
pub struct WriteRequest {
    /// In any order.
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<TimeSeries>,
}

/// Samples of one series.
#[derive(Clone, PartialEq, Message)]
pub struct TimeSeries {
    /// In order of their names as bytes.
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    /// In order of time.
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
}

/// A name and its value.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct Label {
    /// `__name__`, or as in PromQL.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Never empty.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// A value at one moment.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Sample {
    /// The value.
    #[prost(double, tag = "1")]
    pub value: f64,
    /// Milliseconds since the epoch.
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
}

/// What is asked for.
#[derive(Clone, PartialEq, Message)]
pub struct ReadRequest {
    /// Each has a result of its own.
    #[prost(message, repeated, tag = "1")]
    pub queries: Vec<Query>,
    /// What the client can read, best first; none means samples.
    #[prost(enumeration = "ResponseType", repeated, packed = "true", tag = "2")]
    pub accepted_response_types: Vec<i32>,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum ResponseType {
    /// One [`ReadResponse`] with samples.
    Samples = 0,
    /// A stream of chunks as Prometheus stores them.
    StreamedXorChunks = 1,
}

/// Series and a time.
#[derive(Clone, PartialEq, Message)]
pub struct Query {
    /// The first millisecond.
    #[prost(int64, tag = "1")]
    pub start_timestamp_ms: i64,
    /// The last millisecond.
    #[prost(int64, tag = "2")]
    pub end_timestamp_ms: i64,
    /// All of them hold for a series.
    #[prost(message, repeated, tag = "3")]
    pub matchers: Vec<LabelMatcher>,
}

/// What holds for a label.
#[derive(Clone, PartialEq, Message)]
pub struct LabelMatcher {
    /// How the value is compared.
    #[prost(enumeration = "MatcherKind", tag = "1")]
    pub r#type: i32,
    /// Of the label.
    #[prost(string, tag = "2")]
    pub name: String,
    /// What the label's value is compared with; a label that is not there has the empty one.
    #[prost(string, tag = "3")]
    pub value: String,
}

/// How values of labels are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum MatcherKind {
    /// `=`
    Equal = 0,
    /// `!=`
    NotEqual = 1,
    /// `=~`
    Matches = 2,
    /// `!~`
    NotMatches = 3,
}

/// The answer.
#[derive(Clone, PartialEq, Message)]
pub struct ReadResponse {
    /// One for each query, in order.
    #[prost(message, repeated, tag = "1")]
    pub results: Vec<QueryResult>,
}

/// The answer to one query.
#[derive(Clone, PartialEq, Message)]
pub struct QueryResult {
    /// In order of their labels.
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<TimeSeries>,
}
