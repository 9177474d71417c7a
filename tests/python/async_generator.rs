//! A generator whose body waits, in a green thread, beside another.

use sinew::generator::Generator;
use std::time::Duration;

const MOMENT: Duration = Duration::from_millis(1);

#[derive(Debug)]
struct Reset;

struct Finally;

impl Drop for Finally {
    fn drop(&mut self) {
        sinew::sleep(MOMENT);
        println!("cleaned up");
    }
}

fn ticker(limit: u32) -> Generator<u32, Option<u32>> {
    Generator::<u32, Option<u32>>::new(move |y| {
        let _finally = Finally;
        let mut n = 0;
        while n < limit {
            sinew::sleep(MOMENT);
            match y.try_yield(n) {
                Ok(step) => n += step.unwrap_or(1),
                Err(Reset) => {
                    println!("reset");
                    n = 0;
                }
            }
        }
    })
}

fn in_a_green_thread() {
    for n in ticker(3) {
        println!("tick {n}");
    }

    let t = ticker(100);
    println!("{} {} {}", t.next().unwrap(), t.send(Some(10)).unwrap(), t.send(Some(20)).unwrap());
    println!("{}", t.throw(Reset).unwrap());
    println!("{}", t.send(Some(7)).unwrap());
    t.close();
    if t.send(Some(1)).is_none() {
        println!("over");
    }

    let other = sinew::spawn(|| {
        sinew::sleep(MOMENT);
        "another task ran"
    });
    println!("{:?} {}", Vec::from_iter(ticker(4)), other.join().unwrap());
}

pub(crate) fn main() {
    sinew::run(in_a_green_thread);
}
