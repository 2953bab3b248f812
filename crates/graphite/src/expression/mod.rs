//! Expressions: what a target is, as a tree that prints as what it was read from.

mod parser;
mod scanner;

use std::fmt;

pub use parser::Target;
pub(crate) use parser::first_path;

/// A target or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// A pattern of names.
    Path(Path),
    /// A function and what it is given.
    Call(Call),
    /// An expression with `$name` in its paths, and what stands for them.
    Template(Template),
    /// A number, a string and the like.
    Literal(Literal),
}

/// A pattern of names, `collectd.*.load.load.{short,mid}term`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// As it was written.
    pub(crate) written: String,
    /// Without the backslashes that let it hold parentheses and the like.
    pub(crate) pattern: String,
}

/// `name(arguments, keyword=argument)`, or `first|name(the other arguments)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub(crate) name: String,
    pub(crate) arguments: Vec<Expression>,
    pub(crate) keywords: Vec<(String, Expression)>,
    /// Whether the first argument stands in front of a pipe.
    pub(crate) is_piped: bool,
}

/// `template(body, "1st", "2nd")` or `template(body, name="value")`.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    pub(crate) body: Box<Expression>,
    pub(crate) values: Vec<Literal>,
    pub(crate) named: Vec<(String, Literal)>,
}

/// What an argument may be besides series.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// A number without a point.
    Integer(i64),
    /// Another number, perhaps infinite.
    Float(f64),
    /// What stands between quotes, with all its backslashes.
    Text(String),
    /// true or false.
    Boolean(bool),
    /// none
    None,
}

impl fmt::Display for Expression {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => to.write_str(&path.written),
            Self::Call(call) => call.fmt(to),
            Self::Template(template) => template.fmt(to),
            Self::Literal(literal) => literal.fmt(to),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut inside = self.arguments.as_slice();
        if self.is_piped
            && let Some((first, others)) = inside.split_first()
        {
            write!(to, "{first}|")?;
            inside = others;
        }
        write!(to, "{}(", self.name)?;
        for (place, argument) in inside.iter().enumerate() {
            write!(to, "{}{argument}", if place > 0 { "," } else { "" })?;
        }
        for (place, (keyword, argument)) in self.keywords.iter().enumerate() {
            let comma = if place + inside.len() > 0 { "," } else { "" };
            write!(to, "{comma}{keyword}={argument}")?;
        }
        to.write_str(")")
    }
}

impl fmt::Display for Template {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "template({}", self.body)?;
        for value in &self.values {
            write!(to, ",{value}")?;
        }
        for (name, value) in &self.named {
            write!(to, ",{name}={value}")?;
        }
        to.write_str(")")
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(to, "{number}"),
            Self::Float(number) if number.is_infinite() => {
                to.write_str(if *number > 0.0 { "inf" } else { "-1e999" })
            }
            Self::Float(number) => write!(to, "{number:?}"),
            Self::Text(text) => {
                let quote = scanner::quote_of(text);
                write!(to, "{quote}{text}{quote}")
            }
            Self::Boolean(is_true) => write!(to, "{is_true}"),
            Self::None => to.write_str("none"),
        }
    }
}
