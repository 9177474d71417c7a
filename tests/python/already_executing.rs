//! A generator that resumes, closes or throws into itself.

use sinew::generator::{Generator, GeneratorError};
use std::{cell::RefCell, rc::Rc};

#[derive(Debug)]
struct KeyError;

type Itself = Generator<&'static str, Option<u32>>;

pub(crate) fn main() {
    let itself: Rc<RefCell<Option<Rc<Itself>>>> = Rc::default();
    let me = itself.clone();
    let g = Rc::new(Itself::new(move |y| {
        let g = me.take().unwrap();
        for attempt in ["next", "send", "throw", "close"] {
            let result = match attempt {
                "next" => g.try_next().map(drop),
                "send" => g.try_send(Some(1)).map(drop),
                "throw" => g.try_throw(KeyError).map(drop),
                _ => g.try_close().map(drop),
            };
            if let Err(e @ GeneratorError::AlreadyExecuting) = result {
                println!("{attempt} {e}");
            }
            y.yield_(attempt);
        }
        if let Err(e @ GeneratorError::AlreadyExecuting) = y.try_yield_from(&g) {
            println!("yield from {e}");
        }
    }));
    itself.replace(Some(g.clone()));
    for x in &*g {
        println!("{x}");
    }
}
