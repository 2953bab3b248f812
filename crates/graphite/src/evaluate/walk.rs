//! The walk over one expression.

use super::store::{Fetch, Missing, Store};
use crate::error::Error;
use crate::expression::{Call, Expression, Path, Template};
use crate::function::{Awaited, Context, FirstArgument, Function, Run, Stop, Value, Windowed, bind};
use crate::limits::Held;
use crate::series::{TimeSeries, held};
use crate::time::Window;

/// What stands for `$name` in paths.
type Names = [(String, Value)];

/// Arguments by their places, and by their names.
type Given = (Vec<Value>, Vec<(String, Value)>);

/// What an expression is evaluated by.
pub(super) struct Walk<'a> {
    pub(super) store: &'a Store,
    pub(super) missing: &'a mut Missing,
    /// Names that the request gives to all templates.
    pub(super) names: &'a [(String, String)],
}

impl Walk<'_> {
    pub(super) fn value(
        &mut self,
        context: &mut Context<'_, '_>,
        expression: &Expression,
        names: &Names,
    ) -> Result<Value, Stop> {
        match expression {
            Expression::Literal(literal) => Ok(literal.into()),
            Expression::Path(path) => self.path(context, path, names),
            Expression::Call(call) => self.call(context, call, names).map(Value::Series),
            Expression::Template(template) => {
                let names = self.names_of(template);
                self.value(context, &template.body, &names)
            }
        }
    }

    fn names_of(&self, template: &Template) -> Vec<(String, Value)> {
        let numbered = template.values.iter().enumerate();
        let numbered = numbered.map(|(place, literal)| ((place + 1).to_string(), Value::from(literal)));
        let named = template.named.iter().map(|(name, literal)| (name.clone(), Value::from(literal)));
        let mut names: Vec<_> = named.chain(numbered).collect();
        for (name, text) in self.names {
            match names.iter_mut().find(|(known, _)| known == name) {
                Some((_, value)) => *value = Value::Text(text.clone()),
                None => names.push((name.clone(), Value::Text(text.clone()))),
            }
        }
        names
    }

    fn path(&mut self, context: &mut Context<'_, '_>, path: &Path, names: &Names) -> Result<Value, Stop> {
        let mut pattern = path.pattern.clone();
        for (name, value) in names {
            let placeholder = format!("${name}");
            if pattern == placeholder {
                match value {
                    Value::Text(text) if is_number(text) => {
                        let number = text.parse().map(Value::Float);
                        return number.map_err(|_| Stop::Fail(Error::NoSeries));
                    }
                    Value::Text(text) => return Ok(Value::Text(text.clone())),
                    other => return Ok(other.clone()),
                }
            }
            let longest = context.budget.limits.expression_bytes;
            let text = value.printed().unwrap_or_default();
            if pattern.len().saturating_add(pattern.matches(&placeholder).count().saturating_mul(text.len()))
                > longest
            {
                return Err(Error::limit("bytes of targets", longest).into());
            }
            pattern = pattern.replace(&placeholder, &text);
        }
        self.fetch(context, pattern).map(Value::Series)
    }

    fn fetch(&mut self, context: &mut Context<'_, '_>, pattern: String) -> Awaited {
        let fetch = Fetch { pattern, window: context.window };
        let Some(found) = self.store.get(&fetch) else {
            self.missing.note_fetch(fetch, self.store, context.budget.limits)?;
            return Err(Stop::Wait);
        };
        context.budget.look_up(found.len())?;
        context.budget.take(held(found))?;
        context.budget.take(Held { text: found.len() * fetch.pattern.len(), ..Held::default() })?;
        let asked = |series: &TimeSeries| {
            let mut series = series.clone();
            series.path_expression.clone_from(&fetch.pattern);
            series.x_files_factor = context.x_files_factor;
            series
        };
        Ok(found.iter().map(asked).collect())
    }

    fn call(&mut self, context: &mut Context<'_, '_>, call: &Call, names: &Names) -> Awaited {
        context.budget.call()?;
        let before = context.budget.held();
        let function = (context.table)(&call.name).ok_or_else(|| match call.name.as_str() {
            "template" => wrong("template", "only numbers and strings can be filled in"),
            name => Error::UnknownFunction(name.chars().take(100).collect()),
        })?;
        let made = match function.run {
            Run::Plain(run) => {
                let (positional, keywords) =
                    self.arguments(context, &call.arguments, &call.keywords, names)?;
                let points = positional.iter().map(|value| match value {
                    Value::Series(series) => held(series).points,
                    _ => 0,
                });
                context.budget.work(points.sum())?;
                let arguments = bind(function, &call.name, positional, keywords)?;
                let is_forgiven = function.is_per_series && arguments.is_of_no_series();
                match run(context, arguments) {
                    Err(Error::Argument { .. } | Error::Pattern { .. } | Error::Replacement { .. })
                        if is_forgiven =>
                    {
                        Vec::new()
                    }
                    made => made?,
                }
            }
            Run::Windowed(run) => self.windowed(context, call, names, function, run)?,
        };
        let longest = context.budget.limits.name_bytes;
        if made.iter().any(|series| series.name.len() > longest) {
            return Err(Error::limit("bytes of a name", longest).into());
        }
        // What was given has been used up; what was made is held instead.
        context.budget.back_to(before);
        context.budget.take(held(&made))?;
        Ok(made)
    }

    /// All of them, even if one has to wait: what the others need is then fetched along with it.
    fn arguments(
        &mut self,
        context: &mut Context<'_, '_>,
        positional: &[Expression],
        keywords: &[(String, Expression)],
        names: &Names,
    ) -> Result<Given, Stop> {
        let mut waits = false;
        let mut evaluate = |expression: &Expression| match self.value(context, expression, names) {
            Err(Stop::Wait) => {
                waits = true;
                Ok(Value::None)
            }
            other => other,
        };
        let positional: Vec<_> = positional.iter().map(&mut evaluate).collect::<Result<_, _>>()?;
        let keyword = |(name, value): &(String, Expression)| Ok::<_, Stop>((name.clone(), evaluate(value)?));
        let keywords = keywords.iter().map(keyword).collect::<Result<_, _>>()?;
        if waits { Err(Stop::Wait) } else { Ok((positional, keywords)) }
    }

    fn windowed(
        &mut self,
        context: &mut Context<'_, '_>,
        call: &Call,
        names: &Names,
        function: &'static Function,
        run: Windowed,
    ) -> Awaited {
        let Some((first, others)) = call.arguments.split_first() else {
            return Err(wrong(&call.name, "needs series").into());
        };
        if matches!(first, Expression::Literal(_)) {
            return Err(wrong(&call.name, "the first argument must be series").into());
        }
        let (others, keywords) = self.arguments(context, others, &call.keywords, names)?;
        // Its place is kept; its series are evaluated by whoever needs them, in the window that he needs them in.
        let positional = [Value::Series(Vec::new())].into_iter().chain(others).collect();
        let arguments = bind(function, &call.name, positional, keywords)?;
        run(context, &mut Again { walk: self, expression: first, names }, &arguments)
    }
}

fn wrong(function: &str, problem: &str) -> Error {
    Error::Argument { function: function.to_owned(), problem: problem.to_owned() }
}

/// What `^-?[\d.]+$` matches.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// An argument that is evaluated in the windows that its function wants.
struct Again<'w, 'a> {
    walk: &'w mut Walk<'a>,
    expression: &'w Expression,
    names: &'w Names,
}

impl FirstArgument for Again<'_, '_> {
    fn series(&mut self, context: &mut Context<'_, '_>, window: Window) -> Awaited {
        let outer = std::mem::replace(&mut context.window, window);
        let found = self.walk.value(context, self.expression, self.names);
        context.window = outer;
        match found? {
            Value::Series(series) => {
                context.budget.work(held(&series).points)?;
                Ok(series)
            }
            _ => Err(Error::NoSeries.into()),
        }
    }

    fn is_path(&self) -> bool {
        matches!(self.expression, Expression::Path(path) if !path.pattern.contains('$'))
    }
}
