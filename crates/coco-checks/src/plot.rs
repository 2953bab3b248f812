//! Both halves, drawn on a terminal.

use textplots::{Chart, Plot, Shape};

use crate::halves::Halves;

/// In dots, of which a character has 2 by 4.
const WIDTH: u32 = 140;
const HEIGHT: u32 = 48;

/// Draws the rates over time; a vertical line parts the halves. The scale begins at 0, so that a change looks as large
/// as it is.
#[must_use]
pub fn draw(halves: &Halves) -> String {
    let [before, after] =
        [(&halves.before, -(halves.before.len() as f32)), (&halves.after, 0.0)].map(|(half, start)| {
            half.iter()
                .enumerate()
                .map(|(index, rate)| (start + index as f32, *rate as f32))
                .collect::<Vec<_>>()
        });
    let most = before.iter().chain(&after).map(|(_, rate)| *rate).fold(0.0, f32::max);
    // A half of zeros, or of what is beyond f32, has a scale all the same.
    let top = if most > 0.0 && most.is_finite() { most * 1.05 } else { 1.0 };
    let (left, right) = (-(before.len() as f32), after.len() as f32);
    let shapes = [Shape::Lines(&before), Shape::Lines(&after)];
    let mut chart = Chart::new_with_y_range(WIDTH, HEIGHT, left, right, 0.0, top);
    let chart = chart.lineplot(&shapes[0]).lineplot(&shapes[1]);
    chart.axis();
    chart.figures();
    chart.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_rates_can_be_drawn() {
        for rate in [0.0, 1e-300, 0.1, 1000.0, 1e300] {
            for length in [10, 1000] {
                let halves = Halves { before: vec![rate; length], after: vec![rate / 2.0; length + 1] };
                let drawing = draw(&halves);
                assert!(drawing.lines().count() > HEIGHT as usize / 4, "{drawing}");
            }
        }
    }

    #[test]
    fn half_the_rate_is_half_as_high() {
        let drawing = draw(&Halves { before: vec![1000.0; 30], after: vec![500.0; 30] });
        // Blank characters are U+2800 there.
        let has_ink = |text: &str| text.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c));
        let rows: Vec<Vec<char>> = drawing.lines().map(|line| line.chars().collect()).collect();
        let middle = WIDTH as usize / 4;
        let solid = |row: &[char], half: std::ops::Range<usize>| {
            let text: String = row.get(half).into_iter().flatten().collect();
            has_ink(&text)
        };
        let first =
            |half: std::ops::Range<usize>| rows.iter().position(|row| solid(row, half.clone())).unwrap();
        let (before, after) = (first(2..middle - 2), first(middle + 2..2 * middle - 2));
        assert!(before <= 1 && (5..=7).contains(&after), "{before} {after}\n{drawing}");
    }
}
