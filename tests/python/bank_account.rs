//! An object as a coroutine: it is sent commands, refuses some by exceptions, and ends with a statement.

use sinew::generator::Generator;
use std::fmt;

#[derive(Debug)]
struct Insufficient;

enum Command {
    Deposit(i32),
    Withdraw(i32),
}

use Command::{Deposit, Withdraw};

enum Answer {
    Balance(i32),
    Refused,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Balance(balance) => balance.fmt(f),
            Self::Refused => f.write_str("refused"),
        }
    }
}

type Statement = (&'static str, i32, Vec<i32>);

fn account(owner: &'static str) -> Generator<Answer, Option<Command>, Statement> {
    Generator::new(move |y| {
        let (mut balance, mut history) = (0, vec![]);
        while let Some(command) = y.yield_(Answer::Balance(balance)) {
            let amount = match command {
                Deposit(amount) => amount,
                Withdraw(amount) => -amount,
            };
            if balance + amount < 0 {
                history.push(0);
                if let Err(Insufficient) = y.try_yield(Answer::Refused) {
                    continue;
                }
            }
            balance += amount;
            history.push(amount);
        }
        (owner, balance, history)
    })
}

pub(crate) fn main() {
    let a = account("Ann");
    let send = |command| a.send(Some(command)).unwrap();
    println!("{}", a.next().unwrap());
    println!("{} {}", send(Deposit(100)), send(Withdraw(30)));
    println!("{}", send(Withdraw(500)));
    println!("{}", a.throw(Insufficient).unwrap());
    println!("{}", send(Deposit(7)));
    if a.send(None).is_none() {
        let (owner, balance, history) = a.take_return().unwrap();
        println!("{owner} {balance} {history:?}");
    }
}
