//! The oracle by chance: random bodies, resumed in random ways, do here what they do in CPython.
//!
//! A body is a small program, written out as Python source for one side and interpreted on the other. Both keep a log of
//! what the body saw and what came out of each step, and the logs must be equal, to the end after drop.

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use sinew::generator::{
    Exception, Generator, GeneratorError, GeneratorExit, GeneratorState, StopIteration, Yielder, raise, try_,
};
use std::{
    cell::RefCell,
    fmt::Write as _,
    io::{BufRead, BufReader, Lines, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    rc::{Rc, Weak},
};

#[derive(Clone, Copy, Debug)]
enum Kind {
    A,
    B,
    Exit,
    Stop,
    Runtime,
}

#[derive(Clone, Debug)]
enum Instruction {
    Yield(i32),
    /// `try: yield`, with what it catches and what it does then.
    TryYield(i32, Vec<Kind>, Block),
    /// `try:` with `except` for some, and `finally` if there is one.
    Try(Block, Vec<Kind>, Block, Option<Block>),
    Raise(Kind),
    Return(i32),
    YieldFrom(Block),
    /// `try: yield from`.
    TryYieldFrom(Block, Kind, Block),
    YieldAll(Vec<i32>),
    /// Resumes the outermost generator, which runs.
    Itself(&'static str),
    Loop(u32, Block),
}

type Block = Vec<Instruction>;

#[derive(Clone, Debug)]
enum Step {
    Next,
    Send(i32),
    Throw(Kind),
    Close,
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::A), Just(Kind::B), Just(Kind::Exit), Just(Kind::Stop)]
}

fn caught() -> impl Strategy<Value = Kind> {
    prop_oneof![3 => kind(), 1 => Just(Kind::Runtime)]
}

fn block() -> impl Strategy<Value = Block> {
    let leaf = prop_oneof![
        6 => (0..100).prop_map(Instruction::Yield),
        1 => kind().prop_map(Instruction::Raise),
        1 => (0..100).prop_map(Instruction::Return),
        1 => vec(0..100, 0..3).prop_map(Instruction::YieldAll),
        1 => prop_oneof![Just("next"), Just("throw"), Just("close")].prop_map(Instruction::Itself),
    ];
    let tree = leaf.prop_recursive(3, 16, 3, |inner| {
        let block = || vec(inner.clone(), 0..3);
        prop_oneof![
            (0..100, vec(caught(), 1..3), block()).prop_map(|(v, k, b)| Instruction::TryYield(v, k, b)),
            (block(), vec(caught(), 0..3), block(), prop::option::of(block()))
                .prop_map(|(body, kinds, handler, finally)| Instruction::Try(body, kinds, handler, finally)),
            block().prop_map(Instruction::YieldFrom),
            (block(), caught(), block()).prop_map(|(b, k, h)| Instruction::TryYieldFrom(b, k, h)),
            (1..3u32, block()).prop_map(|(n, b)| Instruction::Loop(n, b)),
            inner.clone(),
        ]
    });
    vec(tree, 0..5)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Next),
        2 => (0..100).prop_map(Step::Send),
        3 => kind().prop_map(Step::Throw),
        1 => Just(Step::Close),
    ]
}

/// The body as Python source: one function a generator.
#[derive(Default)]
struct Source {
    functions: Vec<String>,
    inner: bool,
}

/// How a body resumes the outermost generator. CPython is damaged by a throw into one that runs inside a `yield from`.
fn itself(how: &'static str, inner: bool) -> &'static str {
    if inner && how == "throw" { "next" } else { how }
}

impl Source {
    fn of(body: &Block) -> String {
        let mut source = Self::default();
        source.function(body);
        source.functions.concat()
    }

    fn function(&mut self, body: &Block) -> usize {
        let number = self.functions.len();
        self.functions.push(String::new());
        let mut text = format!("def g{number}(log, me):\n    if False: yield\n");
        let outer = std::mem::replace(&mut self.inner, number > 0);
        self.block(&mut text, body, 1);
        self.inner = outer;
        self.functions[number] = text;
        number
    }

    fn block(&mut self, text: &mut String, block: &Block, depth: usize) {
        let indent = "    ".repeat(depth);
        let mut line = |words: String| writeln!(text, "{indent}{words}").unwrap();
        line("pass".into());
        for instruction in block {
            let mut line = |words: String| writeln!(text, "{indent}{words}").unwrap();
            match instruction {
                Instruction::Yield(v) => line(format!("log.append(f'got {{(yield {v})}}')")),
                Instruction::TryYield(v, kinds, handler) => {
                    line(format!("try: x = yield {v}"));
                    self.except(text, kinds, handler, depth);
                    writeln!(text, "{indent}else: log.append(f'got {{x}}')").unwrap();
                }
                Instruction::Try(body, kinds, handler, finally) => {
                    line("try:".into());
                    self.block(text, body, depth + 1);
                    if !kinds.is_empty() || finally.is_none() {
                        self.except(text, kinds, handler, depth);
                    }
                    if let Some(finally) = finally {
                        writeln!(text, "{indent}finally:").unwrap();
                        self.block(text, finally, depth + 1);
                    }
                }
                Instruction::Raise(kind) => line(format!("raise {}()", python_name(*kind))),
                Instruction::Return(v) => line(format!("return {v}")),
                Instruction::YieldFrom(body) => {
                    let number = self.function(body);
                    line(format!("log.append(f'result {{(yield from g{number}(log, me))}}')"));
                }
                Instruction::TryYieldFrom(body, kind, handler) => {
                    let number = self.function(body);
                    line(format!("try: x = yield from g{number}(log, me)"));
                    self.except(text, &[*kind], handler, depth);
                    writeln!(text, "{indent}else: log.append(f'result {{x}}')").unwrap();
                }
                Instruction::YieldAll(items) => line(format!("for v in {items:?}: yield v")),
                Instruction::Itself(how) => line(format!("itself(me, '{}', log)", itself(how, self.inner))),
                Instruction::Loop(n, body) => {
                    line(format!("for _ in range({n}):"));
                    self.block(text, body, depth + 1);
                }
            }
        }
    }

    fn except(&mut self, text: &mut String, kinds: &[Kind], handler: &Block, depth: usize) {
        let indent = "    ".repeat(depth);
        let names: String = kinds.iter().map(|kind| format!("{}, ", python_name(*kind))).collect();
        writeln!(text, "{indent}except ({names}) as e:\n{indent}    log.append(f'caught {{name(e)}}')").unwrap();
        self.block(text, handler, depth + 1);
    }
}

fn python_name(kind: Kind) -> &'static str {
    match kind {
        Kind::A => "A",
        Kind::B => "B",
        Kind::Exit => "GeneratorExit",
        Kind::Stop => "StopIteration",
        Kind::Runtime => "RuntimeError",
    }
}

#[derive(Debug)]
struct A;

#[derive(Debug)]
struct B;

fn exception(kind: Kind) -> Exception {
    match kind {
        Kind::A => Exception::new(A),
        Kind::B => Exception::new(B),
        Kind::Exit => Exception::new(GeneratorExit),
        Kind::Stop => Exception::new(StopIteration),
        Kind::Runtime => unreachable!("only caught"),
    }
}

fn name(exception: &Exception) -> &'static str {
    match exception.downcast_ref() {
        Some(GeneratorError::AlreadyExecuting) => "Value",
        Some(GeneratorError::NotStarted) => "Type",
        Some(_) => "Runtime",
        None if exception.is::<A>() => "A",
        None if exception.is::<B>() => "B",
        None if exception.is::<GeneratorExit>() => "Exit",
        None => "Stop",
    }
}

type Log = Rc<RefCell<Vec<String>>>;
type Subject = Generator<i32, Option<i32>, Option<i32>>;

/// The body as it runs here. `Some` is a `return`.
struct Body {
    log: Log,
    me: Weak<Subject>,
    inner: bool,
}

type Flow = Option<Option<i32>>;

impl Body {
    fn generator(block: Block, log: Log, me: Weak<Subject>, inner: bool) -> Subject {
        Generator::new(move |y| Self { log, me, inner }.run(&block, y).flatten())
    }

    fn write(&self, text: String) {
        self.log.borrow_mut().push(text);
    }

    fn run(&self, block: &Block, y: &Yielder<i32, Option<i32>>) -> Flow {
        block.iter().find_map(|instruction| self.step(instruction, y))
    }

    fn handle(&self, e: Exception, kinds: &[Kind], handler: &Block, y: &Yielder<i32, Option<i32>>) -> Flow {
        if !kinds.iter().any(|kind| format!("{kind:?}") == name(&e)) {
            e.raise();
        }
        self.write(format!("caught {}", name(&e)));
        self.run(handler, y)
    }

    fn step(&self, instruction: &Instruction, y: &Yielder<i32, Option<i32>>) -> Flow {
        match instruction {
            Instruction::Yield(v) => {
                let got = y.yield_(*v);
                self.write(format!("got {}", shown(got)));
                None
            }
            Instruction::TryYield(v, kinds, handler) => match y.try_yield(*v) {
                Ok(got) => {
                    self.write(format!("got {}", shown(got)));
                    None
                }
                Err(e) => self.handle(e, kinds, handler, y),
            },
            Instruction::Try(body, kinds, handler, finally) => {
                let result = try_(|| match try_(|| self.run(body, y)) {
                    Ok(flow) => flow,
                    Err(e) => self.handle(e, kinds, handler, y),
                });
                if let Some(finally) = finally
                    && let returned @ Some(_) = self.run(finally, y)
                {
                    return returned;
                }
                result.unwrap_or_else(|e: Exception| e.raise())
            }
            Instruction::Raise(kind) => raise(exception(*kind)),
            Instruction::Return(v) => Some(Some(*v)),
            Instruction::YieldFrom(body) => {
                let inner = Self::generator(body.clone(), self.log.clone(), self.me.clone(), true);
                let result = y.yield_from(&inner);
                self.write(format!("result {}", shown(result)));
                None
            }
            Instruction::TryYieldFrom(body, kind, handler) => {
                let inner = Self::generator(body.clone(), self.log.clone(), self.me.clone(), true);
                match y.try_yield_from(&inner) {
                    Ok(result) => {
                        self.write(format!("result {}", shown(result)));
                        None
                    }
                    Err(e) => self.handle(e, &[*kind], handler, y),
                }
            }
            Instruction::YieldAll(items) => {
                y.yield_all(items.iter().copied());
                None
            }
            Instruction::Itself(how) => {
                // While it is dropped it cannot be reached.
                let me = self.me.upgrade()?;
                let result = match itself(how, self.inner) {
                    "next" => me.try_next().map(drop),
                    "throw" => me.try_throw(A).map(drop),
                    _ => me.try_close().map(drop),
                };
                if let Err(e) = result {
                    self.write(name(&e).into());
                }
                None
            }
            Instruction::Loop(n, body) => (0..*n).find_map(|_| self.run(body, y)),
        }
    }
}

fn shown(value: Option<i32>) -> String {
    value.map_or("None".into(), |v| v.to_string())
}

fn outcome(g: &Subject, step: &Step, minor: u32) -> String {
    let created = g.state() == GeneratorState::Created;
    let result: Result<_, Exception> = match step {
        Step::Next => g.try_next(),
        Step::Send(v) => g.try_send(Some(*v)),
        Step::Throw(kind) => g.try_throw(exception(*kind)),
        Step::Close => {
            return match g.try_close::<Exception>() {
                Ok(value) => format!("closed {}", shown(value.flatten().filter(|_| minor >= 13))),
                Err(e) => format!("raises {}", name(&e)),
            };
        }
    };
    match result {
        Ok(Some(v)) => format!("yields {v}"),
        Ok(None) => format!("returns {}", shown(g.take_return().flatten())),
        Err(e) if e.is::<StopIteration>() && created && minor < 12 => "raises Runtime".into(),
        // Thrown into one that has ended it comes back, which in Python looks like an end.
        Err(e) if e.is::<StopIteration>() => "returns None".into(),
        Err(e) => format!("raises {}", name(&e)),
    }
}

/// The log, and whether the body refused to end when it was dropped: then it is leaked with what it holds, and CPython finishes
/// the inner generators one by one.
fn ours(body: &Block, steps: &[Step], minor: u32) -> (String, bool) {
    let log = Log::default();
    let g = Rc::new_cyclic(|me| Body::generator(body.clone(), log.clone(), me.clone(), false));
    for step in steps {
        let outcome = outcome(&g, step, minor);
        log.borrow_mut().push(outcome);
    }
    log.borrow_mut().push("dropped".into());
    drop(g);
    let leaked = Rc::strong_count(&log) > 1;
    (log.take().join(";"), leaked)
}

/// One CPython for all cases.
struct Oracle {
    child: Child,
    to: ChildStdin,
    from: Lines<BufReader<ChildStdout>>,
    /// Of its version. Ours is that of 3.13, where `close` gives the body's return value; since 3.12 a `StopIteration` thrown into
    /// an unstarted generator comes back as it is.
    minor: u32,
}

impl Oracle {
    fn start() -> Result<Self, &'static str> {
        let server = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/protocol_server.py");
        let mut child = Command::new("python3")
            .args(["-B", "-W", "ignore", server])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|_| "skipped: there is no python3 (apt-get install python3)")?;
        let to = child.stdin.take().unwrap();
        let mut from = BufReader::new(child.stdout.take().unwrap()).lines();
        let version = from.next().expect("it says its version").unwrap();
        let minor: u32 = version.strip_prefix("3.").and_then(|minor| minor.parse().ok()).expect("a Python 3");
        Ok(Self { child, to, from, minor })
    }

    /// Has it take over the functions of this source.
    fn define(&mut self, source: &str) {
        writeln!(self.to, "def {}", source.replace('\n', "\x01")).unwrap();
    }

    /// What the steps do to a generator of the function that was defined last.
    fn theirs(&mut self, steps: &[Step]) -> String {
        let steps: Vec<String> = steps
            .iter()
            .map(|step| match step {
                Step::Next => "next".into(),
                Step::Send(v) => format!("send {v}"),
                Step::Throw(kind) => format!("throw {kind:?}"),
                Step::Close => "close".into(),
            })
            .collect();
        writeln!(self.to, "run {}", steps.join(";")).unwrap();
        match self.from.next() {
            Some(line) => line.unwrap(),
            None => panic!("python3 ended: {:?}, at {steps:?}", self.child.wait()),
        }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Other bytes in each process.
fn random_seed() -> [u8; 32] {
    use std::hash::{BuildHasher, RandomState};
    let state = RandomState::new();
    let mut seed = [0; 32];
    for (i, part) in seed.chunks_mut(8).enumerate() {
        part.copy_from_slice(&state.hash_one(i).to_le_bytes());
    }
    seed
}

#[test]
#[cfg_attr(sinew_asan, ignore = "bodies that refuse to end are leaked")]
fn any_body_resumed_in_any_way_does_what_it_does_in_cpython() {
    let oracle = match Oracle::start() {
        Ok(oracle) => RefCell::new(oracle),
        Err(reason) => return eprintln!("{reason}"),
    };
    let mut config = Config { failure_persistence: None, ..Config::default() };
    // The same programs each time, so that a failure can be seen again; others when their number is asked for.
    let chosen = std::env::var_os("PROPTEST_CASES").is_some();
    let rng = if chosen {
        TestRng::from_seed(RngAlgorithm::ChaCha, &random_seed())
    } else {
        // One OS thread does it all, ten times as slowly under ThreadSanitizer.
        config.cases = if cfg!(sinew_tsan) { 400 } else { 4_000 };
        TestRng::deterministic_rng(RngAlgorithm::ChaCha)
    };
    // To compile a body is what takes CPython longest; so each is resumed in several ways.
    let strategy = (block(), vec(vec(step(), 1..12), 3));
    let result = TestRunner::new_with_rng(config, rng).run(&strategy, |(body, sequences)| {
        let mut oracle = oracle.borrow_mut();
        let source = Source::of(&body);
        oracle.define(&source);
        for steps in sequences {
            let theirs = oracle.theirs(&steps);
            let (ours, leaked) = ours(&body, &steps, oracle.minor);
            let end = |log: &str| if leaked { log.find("dropped").unwrap() } else { log.len() };
            if ours[..end(&ours)] != theirs[..end(&theirs)] {
                return Err(TestCaseError::fail(format!("\nours   {ours}\ntheirs {theirs}\n{source}")));
            }
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
