//! A parser that is sent characters and yields rows when they are complete.

use sinew::generator::{Generator, Yielder, raise, try_};

type Row = Vec<String>;

#[derive(Debug)]
struct BadQuote(String);

fn parser() -> Generator<Option<Row>, char> {
    Generator::new(|y| {
        let (mut row, mut field, mut done) = (Row::new(), String::new(), None);
        loop {
            let mut c = y.yield_(done.take());
            if c == '"' {
                if !field.is_empty() {
                    raise(BadQuote(field));
                }
                field += &quoted(y);
                c = y.yield_(None);
                while c == '"' {
                    field.push('"');
                    field += &quoted(y);
                    c = y.yield_(None);
                }
            }
            match c {
                ',' => row.push(std::mem::take(&mut field)),
                '\n' => {
                    row.push(std::mem::take(&mut field));
                    done = Some(std::mem::take(&mut row));
                }
                c => field.push(c),
            }
        }
    })
}

fn quoted(y: &Yielder<Option<Row>, char>) -> String {
    std::iter::repeat_with(|| y.yield_(None)).take_while(|&c| c != '"').collect()
}

fn rows(text: &'static str) -> Generator<Row> {
    Generator::new(|y| {
        let p = parser().primed();
        for c in text.chars() {
            y.yield_all(p.send(c).unwrap());
        }
    })
}

pub(crate) fn main() {
    let text = "name,said\nAnn,\"hello, you\"\nBob,\"he said \"\"no\"\"\nand left\"\n,\nx\"y\n";
    let printed = try_(|| {
        for row in rows(text) {
            println!("{} {}", row.len(), row.join("; "));
        }
    });
    if let Err(BadQuote(field)) = printed {
        println!("a quote after {field}");
    }
}
