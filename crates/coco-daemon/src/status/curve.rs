//! Small curves of the last minutes.

use super::html::Html;

/// Width and height of the drawing, of which a pixel is left free on each side.
const WIDTH: f64 = 120.0;
const HEIGHT: f64 = 24.0;

/// A curve of rates, the oldest first, from 0 up to the largest. Who doesn't see it hears its ends.
pub(super) fn curve(rates: &[Option<f64>]) -> Html {
    let known = || rates.iter().flatten().copied();
    let Some(last) = known().next_back() else { return Html::new() };
    let most = known().fold(0.0, f64::max);
    let label = format!("{} at most, {} last", shown_rate(most), shown_rate(last));
    let html = Html::new()
        .markup("<svg viewBox=\"0 0 120 24\" role=\"img\" aria-label=\"")
        .text(label)
        .markup("\">");
    let lines = rates.split(Option::is_none).filter(|line| !line.is_empty());
    let mut from = 0;
    let html = html.each(lines, |html, line| {
        let start = from + rates[from..].iter().position(Option::is_some).unwrap_or_default();
        from = start + line.len();
        let points: Vec<_> = (start..)
            .zip(line.iter().flatten())
            .map(|(place, rate)| {
                let x = 1.0 + (WIDTH - 2.0) * place as f64 / (rates.len() - 1).max(1) as f64;
                let y = HEIGHT - 1.0 - (HEIGHT - 2.0) * if most > 0.0 { rate / most } else { 0.0 };
                format!("{x:.1},{y:.1}")
            })
            .collect();
        html.markup("<polyline points=\"").text(points.join(" ")).markup("\"/>")
    });
    html.markup("</svg>")
}

/// `513/s`, `0.2/s`.
pub(super) fn shown_rate(rate: f64) -> String {
    let decimals = usize::from(rate > 0.0 && rate < 100.0);
    format!("{rate:.decimals$}/s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_has_gaps_where_nothing_is_known() {
        let rates = [None, Some(0.0), Some(50.0), None, Some(100.0)];
        assert_eq!(
            curve(&rates).as_str(),
            "<svg viewBox=\"0 0 120 24\" role=\"img\" aria-label=\"100/s at most, 100/s last\">\
             <polyline points=\"30.5,23.0 60.0,12.0\"/><polyline points=\"119.0,1.0\"/></svg>"
        );
        assert_eq!(curve(&[None, None]), Html::new());
        assert!(curve(&[Some(0.0)]).as_str().contains("points=\"1.0,23.0\""));
    }
}
