//! Averages by send; a summary when the input ends, collected by yield from.

use sinew::generator::Generator;
use std::{cell::RefCell, rc::Rc};

type Results = Rc<RefCell<Vec<(&'static str, u32, f64)>>>;

fn averager() -> Generator<f64, Option<f64>, (u32, f64)> {
    Generator::new(|y| {
        let (mut total, mut count, mut average) = (0.0, 0, f64::NAN);
        while let Some(x) = y.yield_(average) {
            total += x;
            count += 1;
            average = total / f64::from(count);
        }
        (count, average)
    })
}

fn grouper(results: Results, key: &'static str) -> Generator<f64, Option<f64>> {
    Generator::new(move |y| {
        loop {
            let (count, average) = y.yield_from(&averager());
            results.borrow_mut().push((key, count, average));
        }
    })
}

pub(crate) fn main() {
    let data = [("oaks", &[12.5, 11.0, 9.5][..]), ("elms", &[7.0, 8.0])];
    let results = Results::default();
    for (key, heights) in data {
        let group = grouper(results.clone(), key).primed();
        for &height in heights {
            println!("{key} {:.2}", group.send(Some(height)).unwrap());
        }
        group.send(None);
    }
    for (key, count, average) in results.take() {
        println!("{count} {key} of {average:.3} m");
    }
}
