//! Generators in green threads: bodies that wait, cancellation, other threads of the worker.

mod harness;

use harness::{LONG, OnDrop, assert_cancelled, let_others_run, on_workers, spawn_started};
use sinew::{
    Runtime,
    generator::{Exception, Generator, GeneratorError, GeneratorExit, try_},
    net::{TcpListener, TcpStream},
    thread,
};
use std::{
    cell::RefCell,
    io::{BufRead, BufReader, Write},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

#[derive(Debug)]
struct Reset;

/// Lines of a stream, as they come.
fn lines(stream: TcpStream) -> Generator<String, (), usize> {
    Generator::new(move |y| {
        let mut count = 0;
        for line in BufReader::new(stream).lines() {
            count += 1;
            y.yield_(line.expect("a line of text"));
        }
        count
    })
}

#[test]
fn a_body_waits_for_a_socket_while_others_run() {
    on_workers(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let writer = thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            for n in 0..5 {
                thread::sleep(Duration::from_millis(1));
                writeln!(stream, "line {n}").unwrap();
            }
        });
        let lines = lines(listener.accept().unwrap().0);
        assert_eq!(lines.next().unwrap(), "line 0");
        assert_eq!((&lines).count(), 4);
        assert_eq!(lines.take_return(), Some(5));
        writer.join().unwrap();
    });
}

#[test]
fn nothing_in_a_body_swallows_a_cancellation() {
    on_workers(|| {
        let caught = Arc::new(AtomicUsize::new(0));
        let count = caught.clone();
        let thread = spawn_started(move || {
            let inner = || {
                Generator::<u32>::new(|y| {
                    let _: Result<_, Exception> = try_(|| thread::sleep(LONG));
                    let _: Result<_, Exception> = y.try_yield(1);
                })
            };
            let outer = Generator::<u32>::new(move |y| {
                let _: Result<(), Exception> = try_(|| {
                    let _: Result<(), Exception> = y.try_yield_from(&inner());
                });
            });
            let _: Result<_, Exception> = outer.try_next();
            count.fetch_add(1, Ordering::SeqCst);
        });
        let_others_run();
        thread.thread().cancel();
        assert_cancelled(thread);
        assert_eq!(caught.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn a_suspended_one_is_unwound_when_its_thread_is_cancelled() {
    on_workers(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let count = dropped.clone();
        let thread = spawn_started(move || {
            let g = Generator::<u32>::new(move |y| {
                // It waits in there, as an asynchronous `finally` may.
                let _finally = OnDrop(|| {
                    thread::sleep(Duration::from_millis(1));
                    count.fetch_add(1, Ordering::SeqCst);
                });
                y.yield_(1);
            });
            g.next();
            thread::park();
        });
        let_others_run();
        thread.thread().cancel();
        assert_cancelled(thread);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn cleaning_up_may_wait_when_it_is_closed() {
    on_workers(|| {
        let g = Generator::<u32, Option<u32>, &str>::new(|y| {
            let mut n = 0;
            loop {
                thread::sleep(Duration::from_millis(1));
                match y.try_yield::<Exception>(n) {
                    Ok(step) => n += step.unwrap_or(1),
                    Err(e) if e.is::<Reset>() => n = 0,
                    Err(e) if e.is::<GeneratorExit>() => break,
                    Err(e) => e.raise(),
                }
            }
            thread::sleep(Duration::from_millis(1));
            "cleaned up"
        });
        assert_eq!((g.next(), g.send(Some(10)), g.throw(Reset)), (Some(0), Some(10), Some(0)));
        assert_eq!(g.close(), Some("cleaned up"));
    });
}

#[test]
fn another_thread_of_the_worker_finds_it_executing_while_its_body_waits() {
    Runtime::builder().workers(1).build().unwrap().run(|| {
        let g = Rc::new(Generator::<u32>::new(|y| {
            thread::park();
            y.yield_(1);
        }));
        let (theirs, me) = (g.clone(), thread::current());
        let other = thread::spawn_local(move || {
            assert_eq!(theirs.try_next(), Err(GeneratorError::AlreadyExecuting));
            me.unpark();
        });
        assert_eq!(g.next(), Some(1));
        other.join().unwrap();
        assert_eq!(g.next(), None);
    });
}

#[test]
fn a_local_that_a_body_is_inside_of_outlives_its_thread() {
    struct Local(RefCell<String>);
    impl Drop for Local {
        fn drop(&mut self) {
            self.0.borrow_mut().clear();
        }
    }
    sinew::thread_local!(static NAME: Local = Local(RefCell::new("first".into())));

    Runtime::builder().workers(1).build().unwrap().run(|| {
        let slot: Rc<RefCell<Option<Generator<String>>>> = Rc::default();
        let theirs = slot.clone();
        let first = thread::spawn_local(move || {
            let g = Generator::<String>::new(|y| {
                NAME.with(|name| {
                    y.yield_(name.0.borrow().clone());
                    y.yield_(name.0.borrow().clone());
                });
            });
            assert_eq!(g.next().unwrap(), "first");
            theirs.replace(Some(g));
        });
        first.join().unwrap();
        // Either it goes on with the value, or it is refused; it never sees it gone.
        let g = slot.take().unwrap();
        if let Ok(name) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| g.next())) {
            assert_eq!(name.as_deref(), Some("first"));
        }
    });
}

#[test]
fn a_borrow_held_across_a_yield_is_refused_to_others() {
    on_workers(|| {
        let shared = Rc::new(RefCell::new(0));
        let theirs = shared.clone();
        let g = Generator::<u32>::new(move |y| {
            let mut value = theirs.borrow_mut();
            y.yield_(1);
            *value += 1;
        });
        g.next();
        let other = shared.clone();
        thread::spawn_local(move || assert!(other.try_borrow().is_err())).join().unwrap();
        drop(g);
        assert_eq!(shared.take(), 0);
    });
}

#[test]
fn a_scope_of_threads_open_across_a_yield_ends_with_the_generator() {
    on_workers(|| {
        let g = Generator::<u32, (), u32>::new(|y| {
            let counter = AtomicUsize::new(0);
            thread::scope(|scope| {
                for _ in 0..10 {
                    scope.spawn(|| {
                        thread::yield_now();
                        counter.fetch_add(1, Ordering::SeqCst)
                    });
                }
                y.yield_(1);
            });
            counter.into_inner() as u32
        });
        assert_eq!(g.next(), Some(1));
        assert_eq!(g.next(), None);
        assert_eq!(g.take_return(), Some(10));
    });
}
