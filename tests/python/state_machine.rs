//! A state machine whose states are places in the code: a scanner that strips comments.

use sinew::generator::Generator;

fn stripper() -> Generator<String, char> {
    Generator::new(|y| {
        let skip = || y.yield_(String::new());
        let mut out = String::new();
        loop {
            let c = y.yield_(out);
            out = match c {
                '/' => match skip() {
                    '*' => {
                        let mut last = skip();
                        loop {
                            let this = skip();
                            if (last, this) == ('*', '/') {
                                break;
                            }
                            last = this;
                        }
                        " ".into()
                    }
                    '/' => {
                        while skip() != '\n' {}
                        "\n".into()
                    }
                    d => format!("{c}{d}"),
                },
                '"' => {
                    let mut c = y.yield_(c.into());
                    while c != '"' {
                        c = y.yield_(c.into());
                    }
                    c.into()
                }
                c => c.into(),
            };
        }
    })
}

fn strip(text: &str) -> String {
    let machine = stripper().primed();
    text.chars().map(|c| machine.send(c).unwrap()).collect()
}

const SOURCE: &str = "int a = 4/2; // half
char *s = \"/* kept */\"; /* gone **/ int b;
/* all
gone */ end";

pub(crate) fn main() {
    println!("{}", strip(SOURCE));
}
