//! The tower of Hanoi: a recursive generator of moves, and a checker that is sent them.

use sinew::generator::{Generator, Yielder, raise};

type Move = (char, char);

#[derive(Debug)]
struct ValueError(String);

fn moves(n: u32, source: char, target: char, spare: char) -> Generator<Move> {
    fn step(y: &Yielder<Move>, n: u32, source: char, target: char, spare: char) {
        if n > 0 {
            step(y, n - 1, source, spare, target);
            y.yield_((source, target));
            step(y, n - 1, spare, target, source);
        }
    }
    Generator::new(move |y| step(y, n, source, target, spare))
}

fn checker(n: u32) -> Generator<u32, Move, u32> {
    Generator::new(move |y| {
        let mut pegs = [(1..=n).rev().collect(), vec![], vec![]];
        let peg = |name| usize::from(name as u8 - b'a');
        let mut count = 0;
        while pegs[2].len() < n as usize {
            let (source, target) = y.yield_(count);
            let disc = pegs[peg(source)].pop().unwrap();
            match pegs[peg(target)].last() {
                Some(&below) if below < disc => raise(ValueError(format!("{disc} on {below}"))),
                _ => pegs[peg(target)].push(disc),
            }
            count += 1;
        }
        count
    })
}

pub(crate) fn main() {
    for (source, target) in moves(3, 'a', 'c', 'b') {
        println!("{source} -> {target}");
    }

    let check = checker(7).primed();
    for step in moves(7, 'a', 'c', 'b') {
        if check.send(step).is_none() {
            println!("solved in {}", check.take_return().unwrap());
        }
    }

    let check = checker(3).primed();
    for step in [('a', 'b'), ('a', 'b')] {
        if let Err(ValueError(what)) = check.try_send(step) {
            println!("wrong: {what}");
        }
    }
}
