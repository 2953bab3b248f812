//! What an argument is once it is evaluated, and what Python would take it for.

use crate::expression::Literal;
use crate::series::TimeSeries;
use crate::text::number::repr;

/// An argument, evaluated.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Series(Vec<TimeSeries>),
    Integer(i64),
    Float(f64),
    Text(String),
    Boolean(bool),
    None,
}

impl From<&Literal> for Value {
    fn from(literal: &Literal) -> Self {
        match literal {
            Literal::Integer(number) => Self::Integer(*number),
            Literal::Float(number) => Self::Float(*number),
            Literal::Text(text) => Self::Text(text.clone()),
            Literal::Boolean(is_true) => Self::Boolean(*is_true),
            Literal::None => Self::None,
        }
    }
}

impl Value {
    /// What calculating with it gives; a text is no number, even if it looks like one.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            Self::Boolean(is_true) => Some(f64::from(u8::from(*is_true))),
            _ => None,
        }
    }

    /// What indexing with it takes.
    pub(crate) fn index(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Boolean(is_true) => Some(i64::from(*is_true)),
            _ => None,
        }
    }

    /// `int(value)`
    pub(crate) fn to_integer(&self) -> Option<i64> {
        match self {
            Self::Float(number) => (number.abs() < 9e18).then_some(*number as i64),
            Self::Text(text) => text.trim().replace('_', "").parse().ok(),
            other => other.index(),
        }
    }

    /// `float(value)`
    pub(crate) fn to_float(&self) -> Option<f64> {
        match self {
            Self::Text(text) => float(text),
            other => other.number(),
        }
    }

    /// `str(value)`; None for series, which nobody prints.
    pub(crate) fn printed(&self) -> Option<String> {
        Some(match self {
            Self::Series(_) => return None,
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => repr(*number),
            Self::Text(text) => text.clone(),
            Self::Boolean(is_true) => if *is_true { "True" } else { "False" }.to_owned(),
            Self::None => "None".to_owned(),
        })
    }

    /// Whether an `if` would go on with it.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::Series(series) => !series.is_empty(),
            Self::Text(text) => !text.is_empty(),
            Self::None => false,
            other => other.number() != Some(0.0),
        }
    }
}

/// A number as Python reads it from a text.
pub(crate) fn float(text: &str) -> Option<f64> {
    let text = text.trim();
    // Rust reads all that Python does and is as strict, but for numbers with underscores, which nobody sends.
    text.parse().ok()
}
