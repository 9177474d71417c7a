//! A window that slides over a stream, its median, and an alarm.

use sinew::generator::Generator;
use std::collections::VecDeque;

fn windows(items: impl IntoIterator<Item = u32> + 'static, size: usize) -> Generator<Vec<u32>> {
    Generator::new(move |y| {
        let mut window = VecDeque::new();
        for item in items {
            window.push_back(item);
            if window.len() > size {
                window.pop_front();
            }
            if window.len() == size {
                y.yield_(window.iter().copied().collect());
            }
        }
    })
}

fn medians(items: impl IntoIterator<Item = u32> + 'static, size: usize) -> Generator<u32> {
    Generator::new(move |y| {
        for mut window in windows(items, size) {
            window.sort();
            y.yield_(window[size / 2]);
        }
    })
}

fn alarms(items: Generator<u32>, limit: u32) -> Generator<(usize, &'static str)> {
    Generator::new(move |y| {
        let mut high = false;
        for (at, item) in items.enumerate() {
            if (item > limit) != high {
                high = !high;
                y.yield_((at, if high { "on" } else { "off" }));
            }
        }
    })
}

pub(crate) fn main() {
    let stream = [3, 4, 50, 3, 5, 40, 45, 41, 6, 44, 3, 2, 1];
    for window in windows(stream[..5].to_vec(), 3) {
        println!("{window:?}");
    }
    println!("{:?}", Vec::from_iter(medians(stream, 3)));
    for (at, state) in alarms(medians(stream, 3), 30) {
        println!("{at} {state}");
    }
}
