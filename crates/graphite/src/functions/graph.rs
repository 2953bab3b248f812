//! Functions for those who draw. There is nothing to draw here, but some of them change names or tags.

use crate::consolidate::Consolidation;
use crate::error::Error;
use crate::function::{Arguments, Context, Function, Kind, Made, Parameter, SERIES};
use crate::text::number::general;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain(
        "alpha",
        "Graph",
        &[SERIES, Parameter::required("alpha", Kind::Float)],
        "How transparent a series is drawn.",
        unchanged,
    ),
    Function::plain(
        "color",
        "Graph",
        &[SERIES, Parameter::required("theColor", Kind::String)],
        "The color that a series is drawn in.",
        unchanged,
    ),
    Function::plain(
        "lineWidth",
        "Graph",
        &[SERIES, Parameter::required("width", Kind::Float)],
        "How wide a series is drawn.",
        unchanged,
    ),
    Function::plain(
        "dashed",
        "Graph",
        &[SERIES, Parameter::optional("dashLength", Kind::Integer).with_default("5")],
        "A series is drawn with dashes.",
        dashed,
    )
    .per_series(),
    Function::plain(
        "secondYAxis",
        "Graph",
        &[SERIES],
        "A series is drawn by the axis at the right.",
        |_, given| wrapped(given, "secondYAxis"),
    ),
    Function::plain(
        "drawAsInfinite",
        "Graph",
        &[SERIES],
        "Values other than 0 are drawn as lines.",
        |_, given| wrapped(given, "drawAsInfinite"),
    ),
    Function::plain(
        "stacked",
        "Graph",
        &[SERIES, Parameter::optional("stack", Kind::String)],
        "Each series on top of those before it.",
        stacked,
    ),
    Function::plain(
        "consolidateBy",
        "Special",
        &[SERIES, Parameter::required("consolidationFunc", Kind::String).one_of(&Consolidation::NAMES)],
        "How values are made fewer where there are more than can be drawn, or steps differ.",
        consolidate_by,
    )
    .per_series(),
    Function::plain(
        "cumulative",
        "Special",
        &[SERIES],
        "Values are summed where they are made fewer.",
        |_, given| consolidated(given, "sum"),
    ),
    Function::plain(
        "fallbackSeries",
        "Special",
        &[SERIES, Parameter::required("fallback", Kind::SeriesList)],
        "Other series if there are none.",
        |_, mut given| {
            let all = given.series()?;
            let fallback = given.series_at(1)?;
            Ok(if all.is_empty() { fallback } else { all })
        },
    ),
    Function::plain(
        "seriesByTag",
        "Special",
        &[Parameter::required("tagExpressions", Kind::String).many()],
        "Series by their tags. There are no tags here, so there are none.",
        |_, _| Ok(Vec::new()),
    ),
];

fn unchanged(_: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    if given.value(1).is_none() {
        return Err(given.wrong("needs two arguments"));
    }
    given.series()
}

fn wrapped(mut given: Arguments, name: &'static str) -> Made {
    let mut all = given.series()?;
    for series in &mut all {
        series.tags.set(name, "1");
        series.name = format!("{name}({})", series.name);
    }
    Ok(all)
}

fn dashed(_: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    let (length, noted) = match given.value(1) {
        None => (5.0, "5".to_owned()),
        Some(_) => (given.number(1)?, given.printed(1)),
    };
    let mut all = given.series()?;
    for series in &mut all {
        series.tags.set("dashed", noted.clone());
        series.name = format!("dashed({}, {})", series.name, general(length));
    }
    Ok(all)
}

fn stacked(context: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    const DEFAULT: &str = "__DEFAULT__";
    let name = given.optional_text(1)?.unwrap_or(DEFAULT).to_owned();
    let all = given.series()?;
    let heights = context.stacks.entry(name.clone()).or_default();
    let mut made = Vec::with_capacity(all.len());
    for mut series in all {
        context.budget.take_points(series.values().len())?;
        heights.resize(heights.len().max(series.values().len()), 0.0);
        for (value, height) in series.values_mut().iter_mut().zip(heights.iter_mut()) {
            if !value.is_nan() {
                *height += *value;
                *value = *height;
            }
        }
        if name == DEFAULT {
            series.tags.set("stacked", DEFAULT);
            series.name = format!("stacked({})", series.name);
        }
        series.path_expression.clone_from(&series.name);
        made.push(series);
    }
    Ok(made)
}

fn consolidate_by(context: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    let name = given.text(1)?.to_owned();
    let all = given.series()?;
    context.take_names(all.len(), name.len() + 20)?;
    Ok::<_, Error>(by(all, &name))
}

fn consolidated(mut given: Arguments, name: &str) -> Made {
    Ok(by(given.series()?, name))
}

fn by(mut all: Vec<crate::series::TimeSeries>, name: &str) -> Vec<crate::series::TimeSeries> {
    for series in &mut all {
        series.consolidation = Consolidation::named(name);
        series.tags.set("consolidateBy", name);
        series.wrap(format!("consolidateBy({},\"{name}\")", series.name));
    }
    all
}
