//! A tokeniser, and a calculator that reads its tokens.

use sinew::generator::{Generator, raise, try_};

#[derive(Clone, Copy)]
enum Token {
    Number(i64),
    Sign(char),
    End,
}

use Token::{End, Number, Sign};

#[derive(Debug)]
struct SyntaxError(String);

fn tokens(text: &str) -> Generator<Token> {
    let text: Vec<char> = text.chars().collect();
    Generator::new(move |y| {
        let mut at = 0;
        while at < text.len() {
            match text[at] {
                c if c.is_whitespace() => at += 1,
                c if c.is_ascii_digit() => {
                    let digits: String = text[at..].iter().take_while(|c| c.is_ascii_digit()).collect();
                    at += digits.len();
                    y.yield_(Number(digits.parse().unwrap()));
                }
                c if "+-*/()".contains(c) => {
                    y.yield_(Sign(c));
                    at += 1;
                }
                c => raise(SyntaxError(format!("{c} at {at}"))),
            }
        }
        y.yield_(End);
    })
}

struct Parser {
    tokens: Generator<Token>,
    token: Token,
}

impl Parser {
    fn new(text: &str) -> Self {
        let tokens = tokens(text);
        let token = tokens.next().unwrap();
        Self { tokens, token }
    }

    fn advance(&mut self) -> Token {
        let next = self.tokens.next().unwrap_or(End);
        std::mem::replace(&mut self.token, next)
    }

    fn sum(&mut self) -> i64 {
        let mut value = self.product();
        while let Sign(sign @ ('+' | '-')) = self.token {
            self.advance();
            let right = self.product();
            value = if sign == '+' { value + right } else { value - right };
        }
        value
    }

    fn product(&mut self) -> i64 {
        let mut value = self.atom();
        while let Sign(sign @ ('*' | '/')) = self.token {
            self.advance();
            let right = self.atom();
            value = if sign == '*' { value * right } else { value / right };
        }
        value
    }

    fn atom(&mut self) -> i64 {
        if let Number(value) = self.advance() {
            return value;
        }
        let value = self.sum();
        self.advance();
        value
    }
}

pub(crate) fn main() {
    for text in ["1 + 2 * 3", "(1+2)*3 - 20/4", "((7))", "2 * (3 + $)"] {
        match try_(|| Parser::new(text).sum()) {
            Ok(value) => println!("{text} = {value}"),
            Err(SyntaxError(what)) => println!("unexpected {what}"),
        }
    }
}
