//! The picture: a bar for each row on a logarithmic scale of time, with a whisker from the least to the largest run.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Measured;
use super::table::{groups, time};

const WIDTH: i32 = 1000;
/// Where the bars begin and may end.
const LEFT: i32 = 310;
const RIGHT: i32 = 880;
const LINE: i32 = 22;
const TOP: i32 = 70;

/// A logarithmic scale in pixels, from a power of ten to one.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    fn over(measured: &[Measured]) -> Self {
        let least = measured.iter().map(|row| row.nanoseconds()[0]).fold(f64::INFINITY, f64::min).max(0.1);
        let most = measured.iter().map(|row| row.nanoseconds()[2]).fold(1.0, f64::max);
        let low = least.log10().floor();
        Self { low, high: most.log10().ceil().max(low + 1.0) }
    }

    fn x(&self, nanoseconds: f64) -> i32 {
        let part = (nanoseconds.max(1e-3).log10() - self.low) / (self.high - self.low);
        LEFT + (part.clamp(0.0, 1.0) * f64::from(RIGHT - LEFT)) as i32
    }
}

pub(super) fn draw(measured: &[Measured], path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let groups = groups(measured);
    let lines = (measured.len() + groups.len()) as i32;
    let bottom = TOP + lines * LINE;
    let root = SVGBackend::new(path, (WIDTH as u32, (bottom + 50) as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    let text = |size: i32| ("sans-serif", size).into_font().color(&BLACK);
    let right = text(14).pos(Pos::new(HPos::Right, VPos::Center));
    let left = text(14).pos(Pos::new(HPos::Left, VPos::Center));
    let middle = text(13).pos(Pos::new(HPos::Center, VPos::Center));
    root.draw(&Text::new("What a context switch costs: medians, whiskers from least to most", (20, 20), text(20)))?;

    let scale = Scale::over(measured);
    for power in scale.low as i32..=scale.high as i32 {
        let value = 10_f64.powi(power);
        let x = scale.x(value);
        root.draw(&PathElement::new(vec![(x, TOP - 6), (x, bottom)], RGBColor(215, 215, 215)))?;
        root.draw(&Text::new(time(value), (x, bottom + 16), middle.clone()))?;
    }
    let mut y = TOP;
    for (group, rows) in &groups {
        root.draw(&Text::new(*group, (20, y + LINE / 2), left.clone().color(&RGBColor(90, 90, 90))))?;
        y += LINE;
        for row in rows {
            let [least, median, most] = row.nanoseconds();
            let centre = y + LINE / 2;
            let colour = if row.name.contains("sinew") { RGBColor(24, 105, 160) } else { RGBColor(165, 175, 185) };
            root.draw(&Text::new(row.name.clone(), (LEFT - 8, centre), right.clone()))?;
            root.draw(&Rectangle::new([(LEFT, y + 4), (scale.x(median), y + LINE - 4)], colour.filled()))?;
            root.draw(&PathElement::new(vec![(scale.x(least), centre), (scale.x(most), centre)], BLACK))?;
            let value = scale.x(most).max(scale.x(median)) + 6;
            root.draw(&Text::new(time(median), (value, centre), left.clone()))?;
            y += LINE;
        }
    }
    root.present()?;
    Ok(())
}
