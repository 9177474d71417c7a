//! A backtracking solver: queens that do not attack each other.

use sinew::generator::{Generator, Yielder};

fn place(y: &Yielder<Vec<usize>>, n: usize, placed: &mut Vec<usize>) {
    let row = placed.len();
    if row == n {
        y.yield_(placed.clone());
        return;
    }
    for column in 0..n {
        if placed.iter().enumerate().all(|(r, &c)| column != c && column.abs_diff(c) != row - r) {
            placed.push(column);
            place(y, n, placed);
            placed.pop();
        }
    }
}

fn queens(n: usize) -> Generator<Vec<usize>> {
    Generator::new(move |y| place(y, n, &mut vec![]))
}

fn shown(solution: &[usize]) -> String {
    solution.iter().map(usize::to_string).collect::<Vec<_>>().join(" ")
}

pub(crate) fn main() {
    for solution in queens(5) {
        println!("{}", shown(&solution));
    }
    println!("{}", queens(6).count());
    println!("{}", shown(&queens(8).next().unwrap()));
    println!("{:?}", Vec::from_iter(queens(3)));
}
