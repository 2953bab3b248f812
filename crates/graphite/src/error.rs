//! Why there is no answer. All of it is the client's doing: a server says 400 and this line.

/// What is wrong with a request, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A target that is no expression, or only begins like one and has no series as far as it goes.
    #[error("malformed target, character {position}: expected {expected}")]
    Malformed {
        /// The first character is 1.
        position: usize,
        /// What would have let it go on.
        expected: &'static str,
    },
    /// A call of what is not in the table.
    #[error("unknown function: {0}")]
    UnknownFunction(String),
    /// A function that cannot do with what it is given.
    #[error("{function}: {problem}")]
    Argument {
        /// The function as it was called.
        function: String,
        /// What is wrong.
        problem: String,
    },
    /// A number, a string or the like where series belong.
    #[error("a target must be series")]
    NoSeries,
    /// No aggregation, consolidation or operator has this name.
    #[error("unsupported {what}: {name}")]
    Unsupported {
        /// "aggregation function" and the like.
        what: &'static str,
        /// As the client wrote it.
        name: String,
    },
    /// A regular expression that is none, or none that takes linear time.
    #[error("regular expression {pattern:?}: {reason}")]
    Pattern {
        /// As the client wrote it.
        pattern: String,
        /// One line.
        reason: String,
    },
    /// The replacement of `aliasSub` and the like.
    #[error("replacement {replacement:?}: {reason}")]
    Replacement {
        /// As the client wrote it.
        replacement: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A time or a length of time that cannot be read.
    #[error("time {text:?}: {reason}")]
    Time {
        /// As the client wrote it.
        text: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// `from` and `until` are the same second.
    #[error("invalid empty time range")]
    EmptyRange,
    /// More than is allowed.
    #[error("more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// So much is allowed.
        limit: usize,
    },
    /// A glob that is too large.
    #[error("pattern {0:?} is too long or too deep")]
    Glob(String),
    /// A format that is not known or not written.
    #[error("unsupported format: {0}; png, svg and pdf are drawn by graphite-web, which can use this server")]
    Format(String),
    /// A format of found nodes that is not known.
    #[error("unsupported format: {0}")]
    FindFormat(String),
    /// The name of a JavaScript function that could be something else.
    #[error("jsonp must be the name of a function")]
    Callback,
}

impl Error {
    pub(crate) fn limit(what: &'static str, limit: usize) -> Self {
        Self::Limit { what, limit }
    }
}
