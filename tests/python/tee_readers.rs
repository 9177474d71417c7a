//! tee.

use sinew::generator::{Generator, tee};

fn source() -> Generator<u32> {
    Generator::new(|y| {
        for n in 0..5 {
            println!("made {n}");
            y.yield_(n);
        }
    })
}

fn pairwise(items: impl IntoIterator<Item = u32>) -> impl Iterator<Item = (u32, u32)> {
    let (first, second) = tee(items);
    first.zip(second.skip(1))
}

pub(crate) fn main() {
    let (mut a, mut b) = tee(source());
    println!("{} {}", a.next().unwrap(), a.next().unwrap());
    println!("{}", b.next().unwrap());
    let c = b.clone();
    println!("{:?}", Vec::from_iter(&mut a));
    println!("{:?} {:?}", Vec::from_iter(b.by_ref().take(2)), Vec::from_iter(c));
    println!("{:?} {}", Vec::from_iter(b), a.next().map_or("end".into(), |n| n.to_string()));

    println!("{:?}", Vec::from_iter(pairwise([1, 4, 9, 16]).map(|(a, b)| b - a)));
}
