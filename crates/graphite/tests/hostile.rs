//! Requests that would take too much are refused before it is taken.

mod store;

use graphite::{Error, Evaluation, Fetch, Limits, Progress, Request, TimeSeries, Window};

use store::Store;

const HOUR: i64 = 3_600;

fn window(store: &Store) -> Window {
    Window { from: store.base, until: store.base + HOUR }
}

/// Evaluates a target over the made-up series, within limits.
fn evaluate(target: &str, limits: &Limits) -> Result<(Vec<TimeSeries>, usize), Error> {
    let store = Store::read();
    store.evaluate(Request::new([target], window(&store)), limits)
}

fn is_refused(target: &str, limits: &Limits) {
    let answer = evaluate(target, limits);
    let shown = &target[..target.len().min(60)];
    match answer {
        Err(Error::Limit { .. } | Error::Pattern { .. }) => {}
        other => panic!("{shown}: {:?}", other.map(|(series, _)| series.len())),
    }
}

#[test]
fn targets_are_refused_by_default_where_they_take_too_much() {
    let limits = Limits::default();
    let nested = |times: usize, open: &str, inside: &str, close: &str| {
        format!("{}{inside}{}", open.repeat(times), close.repeat(times))
    };
    for target in [
        nested(100_000, "sumSeries(", "a.s10.ramp", ")"),
        nested(65, "absolute(", "a.s10.ramp", ")"),
        format!("a.s10.ramp{}", "|absolute()".repeat(100_000)),
        // Each looks at its argument in two windows, so that there would be 2 to the 30th.
        nested(30, "movingAverage(", "a.s10.ramp", ",2)"),
        nested(30, "timeShift(", "a.s10.ramp", ",'1h')"),
        "movingAverage(a.s10.ramp,\"10y\")".to_owned(),
        "movingAverage(a.s10.ramp,31536000)".to_owned(),
        "movingAverage(a.s10.ramp,1000000000000)".to_owned(),
        "movingAverage(a.s10.ramp,-1000000000000)".to_owned(),
        "movingAverage(a.s10.ramp,-900000000)".to_owned(),
        "smartSummarize(a.s10.ramp,\"1s\",\"sum\",\"y\")".to_owned() + &" ".repeat(1 << 20),
        nested(12, "aliasSub(", "a.s10.ramp", &format!(",'',\"{}\")", "x".repeat(100))),
        format!("grep(a.s10.ramp,\"{}\")", nested(4, "(", "a{1000}", "){1000}")),
        format!("grep(a.s10.ramp,\"{}\")", "(a|b)?".repeat(1_000)),
        format!("group({})", "grep(a.s10.ramp,'((a{90}){90})'),".repeat(1_000) + "a.s10.ramp"),
        format!("group({})", "*.*.*,".repeat(2_000) + "*.*.*"),
    ] {
        is_refused(&target, &limits);
    }
}

#[test]
fn little_limits_hold() {
    let few = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        limits
    };
    let points = few(|limits| limits.points = 1_000);
    is_refused("*.*.*", &points);
    is_refused("group(a.s10.ramp,a.s10.ramp,a.s10.ramp)", &points);
    is_refused("summarize(a.s10.ramp,'1s')", &points);
    is_refused("hitcount(a.s10.ramp,'1s')", &points);
    assert!(evaluate("sumSeries(a.s10.ramp,b.s10.ramp)", &few(|limits| limits.points = 1_080)).is_ok());
    is_refused("identity('x')", &few(|limits| limits.points = 59));
    is_refused("*.*.*", &few(|limits| limits.series = 18));
    assert!(evaluate("*.*.*", &few(|limits| limits.series = 19)).is_ok());
    is_refused("movingMedian(a.s10.ramp,300)", &few(|limits| limits.work = 100_000));
    assert!(evaluate("movingMax(a.s10.ramp,300)", &few(|limits| limits.work = 100_000)).is_ok());
    is_refused("alias(a.s10.ramp,'0123456789')", &few(|limits| limits.name_bytes = 9));
    is_refused("cactiStyle(*.*.*)", &few(|limits| limits.text_bytes = 3_000));
    is_refused(
        "alias(*.*.*,'0123456789012345678901234567890123456789')",
        &few(|limits| limits.text_bytes = 2_000),
    );
    is_refused("group(a.*.*,b.*.*,c.*.*)", &few(|limits| limits.fetches = 2));
    is_refused("template(a.$1$1$1.x,'0123456789')", &few(|limits| limits.expression_bytes = 34));
    is_refused("timeShift(a.s10.ramp,'1h')", &few(|limits| limits.window = HOUR - 1));
}

#[test]
fn a_million_series_are_refused_as_they_are_supplied() {
    let limits = Limits::default();
    let request = Request::new(["sumSeries(*.*.*)"], Window { from: 0, until: 60 });
    let mut evaluation = Evaluation::new(request, &limits).unwrap();
    let Ok(Progress::Fetch(fetches)) = evaluation.advance() else { panic!("there is nothing yet") };
    let [fetch]: [Fetch; 1] = fetches.try_into().unwrap();
    assert_eq!(evaluation.room().series, limits.series);
    let series = |number: usize| TimeSeries::new(format!("a.b.{number}"), 10, 10, vec![1.0]);
    let refused = evaluation.supply(fetch.clone(), (0..1_000_000).map(series).collect());
    assert_eq!(refused.unwrap_err().to_string(), "more than 20000 series");
    evaluation.supply(fetch, (0..20_000).map(series).collect()).unwrap();
    assert_eq!(evaluation.room().series, 0);
    let Ok(Progress::Done(sum)) = evaluation.advance() else { panic!("all is there") };
    assert_eq!(sum[0].values(), [20_000.0]);
}

/// The name of each of 20,000 series with that of a sum of them would take gigabytes.
#[test]
fn names_in_names_are_bounded() {
    let limits = Limits::default();
    let target = "divideSeries(scale(*.*.*,2),sumSeries(scale(*.*.*,2)))";
    let request = Request::new([target], Window { from: 0, until: 60 });
    let mut evaluation = Evaluation::new(request, &limits).unwrap();
    let Ok(Progress::Fetch(fetches)) = evaluation.advance() else { panic!("there is nothing yet") };
    for fetch in fetches {
        let series =
            |number: usize| TimeSeries::new(format!("web-{number}.load.shortterm"), 10, 10, vec![1.0]);
        evaluation.supply(fetch, (0..9_000).map(series).collect()).unwrap();
    }
    assert_eq!(evaluation.advance().unwrap_err().to_string(), "more than 67108864 bytes of names");
}
