//! The grammar of targets.
//!
//! ```text
//! target   = (template | call | path) { "|" call }
//! call     = word "(" [ argument { "," argument } { "," word "=" argument } ] ")"
//! argument = true | false | number | none | string | inf | target
//! template = "template" "(" (call | path) [ "," literal ... | "," word "=" literal ... ] ")"
//! ```
//!
//! Graphite reads as much of a text as is a target and ignores the rest. So does this, but it remembers that there was
//! a rest: a target that has series is answered, one that has none was a mistake.

use super::scanner::Scanner;
use super::{Call, Expression, Literal, Template};
use crate::error::Error;
use crate::limits::Limits;

/// A target as it was read.
///
/// ```
/// use graphite::{Limits, Target};
///
/// let target = Target::parse("sumSeries( *.load , *.cpu )|alias('both')", &Limits::default()).unwrap();
/// assert_eq!(target.expression.unwrap().to_string(), r#"sumSeries(*.load,*.cpu)|alias("both")"#);
///
/// let error = Target::parse("{a.b,c}", &Limits::default()).unwrap_err();
/// assert_eq!(error.to_string(), "malformed target, character 1: expected a path or a call");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// None where there is nothing to evaluate: an empty target, or a call with an empty first argument, as it is made
    /// for a query that somebody has not written yet.
    pub expression: Option<Expression>,
    /// What is wrong with the text behind the expression.
    pub rest: Option<Error>,
}

impl Target {
    /// Reads the text of one target.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, Error> {
        if text.len() > limits.expression_bytes {
            return Err(Error::limit("bytes of targets", limits.expression_bytes));
        }
        if text.trim().is_empty() {
            return Ok(Self { expression: None, rest: None });
        }
        let mut parser = Parser::new(text, limits);
        let found = parser.expression(0)?;
        let is_call = found.as_ref().is_some_and(|(found, _)| !matches!(found, Expression::Path(_)));
        if parser.has_empty_first_argument() && !is_call {
            return Ok(Self { expression: None, rest: None });
        }
        let Some((expression, end)) = found else { return Err(parser.malformed(0)) };
        let is_whole = parser.scanner.skip(end) == text.len();
        Ok(Self { expression: Some(expression), rest: (!is_whole).then(|| parser.malformed(end)) })
    }
}

/// What was found and where it ends, or nothing. An error is a limit.
type Found<T> = Result<Option<(T, usize)>, Error>;

struct Parser<'a> {
    scanner: Scanner<'a>,
    limits: &'a Limits,
    depth: usize,
    /// Attempts that are left: some texts can be read in many ways, all of them wrong.
    attempts: usize,
    /// The furthest place where something did not go on, and how it could have.
    furthest: usize,
    expected: &'static str,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, limits: &'a Limits) -> Self {
        let attempts = 64 + 8 * text.len();
        Self {
            scanner: Scanner { text },
            limits,
            depth: 0,
            attempts,
            furthest: 0,
            expected: "a path or a call",
        }
    }

    fn stuck(&mut self, at: usize, expected: &'static str) {
        let at = self.scanner.skip(at);
        if at > self.furthest {
            (self.furthest, self.expected) = (at, expected);
        }
    }

    fn malformed(&self, end: usize) -> Error {
        let end = self.scanner.skip(end);
        let (at, expected) =
            if end > self.furthest { (end, "the end") } else { (self.furthest, self.expected) };
        Error::Malformed { position: self.scanner.text[..at].chars().count() + 1, expected }
    }

    /// Whether it went no further than to the comma of `f(,`.
    fn has_empty_first_argument(&self) -> bool {
        let (before, behind) = self.scanner.text.split_at(self.furthest);
        before.trim_end().ends_with('(') && behind.starts_with(',')
    }

    /// Something with pipes behind it.
    fn expression(&mut self, at: usize) -> Found<Expression> {
        self.attempts = self.attempts.saturating_sub(1);
        if self.depth >= self.limits.depth || self.attempts == 0 {
            return Err(Error::limit("calls within one another", self.limits.depth));
        }
        self.depth += 1;
        let found = self.piped(at);
        self.depth -= 1;
        found
    }

    fn piped(&mut self, at: usize) -> Found<Expression> {
        let Some((mut expression, mut end)) = self.unpiped(at)? else { return Ok(None) };
        let mut pipes = 0;
        while let Some(behind) = self.scanner.symbol(end, '|') {
            let Some((mut call, behind)) = self.call(behind)? else {
                self.stuck(behind, "a call");
                break;
            };
            pipes += 1;
            if self.depth + pipes > self.limits.depth {
                return Err(Error::limit("calls within one another", self.limits.depth));
            }
            call.arguments.insert(0, expression);
            call.is_piped = true;
            (expression, end) = (Expression::Call(call), behind);
        }
        Ok(Some((expression, end)))
    }

    fn unpiped(&mut self, at: usize) -> Found<Expression> {
        if let Some((template, end)) = self.template(at)? {
            return Ok(Some((Expression::Template(template), end)));
        }
        self.call_or_path(at)
    }

    fn call_or_path(&mut self, at: usize) -> Found<Expression> {
        if let Some((call, end)) = self.call(at)? {
            return Ok(Some((Expression::Call(call), end)));
        }
        Ok(self.scanner.path(at).map(|(path, end)| (Expression::Path(path), end)))
    }

    fn call(&mut self, at: usize) -> Found<Call> {
        let Some((name, end)) = self.scanner.word(at) else { return Ok(None) };
        let Some(mut end) = self.scanner.symbol(end, '(') else { return Ok(None) };
        let mut call =
            Call { name: name.to_owned(), arguments: Vec::new(), keywords: Vec::new(), is_piped: false };
        let mut from = end;
        loop {
            // There are keywords only behind an argument, and only keywords behind a keyword.
            let behind = match self.keyword(from)? {
                Some((keyword, behind)) if !call.arguments.is_empty() => {
                    call.keywords.push(keyword);
                    Some(behind)
                }
                None if call.keywords.is_empty() => self.argument(from)?.map(|(argument, behind)| {
                    call.arguments.push(argument);
                    behind
                }),
                _ => None,
            };
            let Some(behind) = behind else {
                self.stuck(from, "an argument");
                break;
            };
            end = behind;
            let Some(behind) = self.scanner.symbol(end, ',') else { break };
            from = behind;
        }
        let closed = self.scanner.symbol(end, ')');
        if closed.is_none() {
            self.stuck(end, "a comma or a closing parenthesis");
        }
        Ok(closed.map(|end| (call, end)))
    }

    fn keyword(&mut self, at: usize) -> Found<(String, Expression)> {
        let Some((name, end)) = self.scanner.word(at) else { return Ok(None) };
        let Some(end) = self.scanner.symbol(end, '=') else { return Ok(None) };
        let argument = self.argument(end)?;
        Ok(argument.map(|(argument, end)| ((name.to_owned(), argument), end)))
    }

    fn argument(&mut self, at: usize) -> Found<Expression> {
        if let Some((literal, end)) = self.scanner.literal(at) {
            return Ok(Some((Expression::Literal(literal), end)));
        }
        self.expression(at)
    }

    fn template(&mut self, at: usize) -> Found<Template> {
        let at = self.scanner.skip(at);
        if !self.scanner.text[at..].starts_with("template") {
            return Ok(None);
        }
        let Some(end) = self.scanner.symbol(at + "template".len(), '(') else { return Ok(None) };
        self.attempts = self.attempts.saturating_sub(1);
        let Some((body, mut end)) = self.call_or_path(end)? else { return Ok(None) };
        let mut template = Template { body: Box::new(body), values: Vec::new(), named: Vec::new() };
        while let Some(behind) = self.scanner.symbol(end, ',') {
            if let Some((named, behind)) = self.named_value(behind)
                && template.values.is_empty()
            {
                template.named.push(named);
                end = behind;
            } else if let Some((value, behind)) = self.value(behind)
                && template.named.is_empty()
            {
                template.values.push(value);
                end = behind;
            } else {
                break;
            }
        }
        Ok(self.scanner.symbol(end, ')').map(|end| (template, end)))
    }

    fn value(&self, at: usize) -> Option<(Literal, usize)> {
        self.scanner.number(at).or_else(|| self.scanner.string(at))
    }

    fn named_value(&self, at: usize) -> Option<((String, Literal), usize)> {
        let (name, end) = self.scanner.word(at)?;
        let end = self.scanner.symbol(end, '=')?;
        let (value, end) = self.value(end)?;
        Some(((name.to_owned(), value), end))
    }
}

/// The first path inside a name that functions have made, `sumSeries(scale(a.b,2),c)`: Ok(None) if there is none where
/// it would be, an error if the name cannot be read.
pub(crate) fn first_path(name: &str, limits: &Limits) -> Result<Option<String>, Error> {
    let mut expression = Target::parse(name, limits)?.expression;
    loop {
        match expression {
            Some(Expression::Path(path)) => return Ok(Some(path.pattern)),
            Some(Expression::Call(call)) => {
                let mut arguments = call.arguments.into_iter();
                let Some(first) = arguments.next() else { return Err(Error::NoSeries) };
                expression = Some(first);
            }
            _ => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target, Error> {
        Target::parse(text, &Limits::default())
    }

    fn printed(text: &str) -> String {
        parse(text).unwrap().expression.map(|expression| expression.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_is_read_prints_as_it_was_meant() {
        for (text, expected) in [
            ("a.*.{b,c}[de]", "a.*.{b,c}[de]"),
            ("sumSeries ( a , b )", "sumSeries(a,b)"),
            ("f(\na,\n1\n)", "f(a,1)"),
            ("f(a,1.50,-2,1E2,.5x)", "f"),
            ("f(a,1.50,-2,1E2)", "f(a,1.5,-2,100.0)"),
            ("f(a,5min,\"5min\")", "f(a,5min,\"5min\")"),
            ("f(a, True, NONE, inf, info)", "f(a,true,none,inf,info)"),
            ("f(a, n = 3)", "f(a,n=3)"),
            ("f(a,'x\"y')", "f(a,'x\"y')"),
            ("f(a,\"x\\\"y\")", "f(a,\"x\\\"y\")"),
            ("a | f(2) | g()", "a|f(2)|g()"),
            ("5|f(2)", "5|f(2)"),
            ("template($h.x,h=\"a\")", "template($h.x,h=\"a\")"),
            ("template(f($1),'b', 2)", "template(f($1),\"b\",2)"),
            ("a\\(b\\).c", "a\\(b\\).c"),
            ("rämp.*", "rämp.*"),
        ] {
            assert_eq!(printed(text), expected, "{text}");
        }
    }

    #[test]
    fn an_empty_first_argument_is_nothing_yet() {
        for text in ["aliasSub(, \"(^.*$)\", \"\\1 A\")", "alias(f( , 1), 'x')", "f(,)", " "] {
            assert_eq!(parse(text), Ok(Target { expression: None, rest: None }), "{text}");
        }
    }

    #[test]
    fn a_rest_is_told_with_its_place() {
        for (text, read, position) in [
            ("sumSeries(a)x", "sumSeries(a)", 13),
            ("sumSeries(a", "sumSeries", 12),
            ("sumSeries(a,,b)", "sumSeries", 13),
            ("a.b.", "a.b", 4),
            ("a..b", "a", 2),
            ("a.{b,}", "a", 2),
            ("f(a,.5)", "f", 5),
            ("f(x=a)", "f", 3),
            ("f(a)|b", "f(a)", 6),
            ("ä(", "ä", 2),
        ] {
            let target = parse(text).unwrap();
            assert_eq!(target.expression.unwrap().to_string(), read, "{text}");
            let Some(Error::Malformed { position: found, .. }) = target.rest else { panic!("{text}") };
            assert_eq!(found, position, "{text}");
        }
        for text in ["\"quoted\"", ")", "{a.b,c}", "(a)", "|f()"] {
            assert!(matches!(parse(text), Err(Error::Malformed { .. })), "{text}");
        }
    }

    #[test]
    fn what_nests_too_deeply_is_refused() {
        for text in [
            "f(".repeat(100_000),
            format!("a{}", "|f()".repeat(100)),
            "f(x=".repeat(10_000),
            "f(a,x=".repeat(10_000),
            "template(".repeat(10_000),
            format!("{}a{}", "f(".repeat(200), ")".repeat(200)),
            format!("{}a", "template(f(".repeat(60)),
            "a".repeat(1 << 20),
        ] {
            assert!(matches!(parse(&text), Err(Error::Limit { .. })), "{}", &text[..20]);
        }
    }

    #[test]
    fn the_first_path_of_a_name_is_found() {
        let first = |name| first_path(name, &Limits::default());
        assert_eq!(first("sumSeries(scale(a.b,2),c)"), Ok(Some("a.b".to_owned())));
        assert_eq!(first("foo (bar)"), Ok(Some("bar".to_owned())));
        assert_eq!(first("f(5,a)"), Ok(None));
        assert!(first("f()").is_err());
        assert!(first(")").is_err());
    }
}
