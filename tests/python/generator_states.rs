//! Generator::state, and generators made of iterators.

use sinew::generator::Generator;
use std::{cell::OnceCell, rc::Rc};

#[derive(Debug)]
struct KeyError(&'static str);

fn state<T>(g: &Generator<T>) -> String {
    format!("{:?}", g.state()).to_lowercase()
}

pub(crate) fn main() {
    let itself: Rc<OnceCell<Generator<u32>>> = Rc::default();
    let me = Rc::downgrade(&itself);
    let g = itself.get_or_init(|| {
        Generator::new(move |y| {
            println!("inside: {}", state(me.upgrade().unwrap().get().unwrap()));
            y.yield_(1);
        })
    });
    println!("{}", state(g));
    g.next();
    println!("{}", state(g));
    g.next();
    println!("{}", state(g));

    let squares = Generator::<u32>::from_iter((0..3).map(|n| {
        println!("squaring {n}");
        n * n
    }));
    println!("{}", state(&squares));
    println!("{} {}", squares.next().unwrap(), squares.next().unwrap());
    if let Err(KeyError(text)) = squares.try_throw(KeyError("out")) {
        println!("{text}");
    }
    println!("{:?} {}", Vec::from_iter(&squares), state(&squares));
}
