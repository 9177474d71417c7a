//! Backtraces from inside a green thread end cleanly at its entry.

mod harness;

use harness::is_child;
use sinew::{
    Runtime,
    coroutine::{Coroutine, on_stack, stack::DefaultStack},
    thread,
};
use std::{backtrace::Backtrace, io, process::Command};

const PORTABLE: bool = cfg!(sinew_switch = "portable")
    || cfg!(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")));

#[inline(never)]
fn frame_to_be_found() -> String {
    let text = Backtrace::force_capture().to_string();
    std::hint::black_box(text)
}

/// The names of the frames, innermost first.
fn names(text: &str) -> Vec<&str> {
    // One line a frame, "  12: name"; lines without a number tell where it is.
    text.lines()
        .filter_map(|line| line.trim_start().split_once(": "))
        .filter(|(number, _)| number.parse::<u32>().is_ok())
        .map(|(_, name)| name)
        .collect()
}

#[track_caller]
fn assert_ends_cleanly(text: &str) {
    let names = names(text);
    assert!(names.iter().any(|name| name.contains("frame_to_be_found")), "{text}");
    assert!(!names.iter().any(|name| name.contains("<unknown>")), "{text}");
    assert!(names.len() < 100, "{text}");
    if !PORTABLE {
        // Not the test's own frames, nor the worker's.
        assert!(names.last().is_some_and(|name| name.ends_with("::start")), "{text}");
        assert!(!names.iter().any(|name| name.contains("assert_ends") || name.ends_with("Worker>::run")), "{text}");
    }
}

#[test]
fn a_backtrace_ends_at_the_threads_entry() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        assert_ends_cleanly(&thread::spawn(frame_to_be_found).join().unwrap());
        // After a suspension, and on a stack that ran others before.
        for _ in 0..3 {
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    thread::spawn(|| {
                        thread::yield_now();
                        frame_to_be_found()
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| assert_ends_cleanly(&thread.join().unwrap()));
        }
    });
}

#[test]
fn a_panics_backtrace_is_printed() {
    const TEST: &str = "a_panics_backtrace_is_printed";
    if is_child() {
        let _ = thread::spawn(|| {
            if !frame_to_be_found().is_empty() {
                panic!("with a backtrace");
            }
        })
        .join();
        return;
    }
    let output = harness::child(TEST).env("RUST_BACKTRACE", "full").output().unwrap();
    let words = harness::words_of(&output);
    assert!(output.status.success(), "{words}");
    assert!(words.contains("with a backtrace") && words.contains("a_panics_backtrace_is_printed"), "{words}");
}

/// Stops for the debugger.
#[inline(never)]
fn frame_for_the_debugger() {
    // SAFETY: the debugger catches the signal.
    unsafe { libc::raise(libc::SIGTRAP) };
    std::hint::black_box(());
}

/// The frames that a debugger sees from [`frame_for_the_debugger`] on, in a test that runs in a process of its own; none if there is
/// no debugger.
#[track_caller]
fn walked(test: &str) -> Option<Vec<String>> {
    let mut gdb = Command::new("gdb");
    gdb.args(["-batch", "-nx", "-iex", "set debuginfod enabled off", "-ex", "set language c", "-ex", "run"]);
    gdb.args(["-ex", "echo \\nwalk:\\n", "-ex", "bt", "-ex", "kill", "--args"]);
    let child = harness::child(test);
    gdb.arg(child.get_program()).args(child.get_args()).env_remove("RUST_BACKTRACE");
    gdb.envs(child.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let output = match gdb.output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            println!("skipped: gdb is not installed");
            return None;
        }
        output => output.unwrap(),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let all = format!("{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let cannot = ["ptrace: ", "Could not trace", "not in executable format", "Exec format error"];
    if let Some(reason) = all.lines().find(|line| cannot.iter().any(|text| line.contains(text))) {
        println!("skipped: gdb cannot run this program here: {reason}");
        return None;
    }
    let (_, walk) = text.split_once("\nwalk:\n").unwrap_or_else(|| panic!("{all}"));
    let frames: Vec<String> = walk.lines().filter(|line| line.starts_with('#')).map(str::to_owned).collect();
    assert!(frames.iter().any(|line| line.contains("frame_for_the_debugger")), "{all}");
    for complaint in ["corrupt stack", "previous frame identical", "previous frame inner", "Cannot access memory"] {
        assert!(!all.contains(complaint), "{all}");
    }
    Some(frames)
}

#[test]
#[cfg_attr(sinew_emulated, ignore = "the debugger would see the emulator")]
fn a_debugger_walks_a_green_thread_to_its_entry() {
    const TEST: &str = "a_debugger_walks_a_green_thread_to_its_entry";
    if is_child() {
        thread::spawn(frame_for_the_debugger).join().unwrap();
        return;
    }
    if PORTABLE {
        return println!("skipped: a coroutine's backtrace goes on into its resumer");
    }
    let Some(frames) = walked(TEST) else { return };
    assert!(frames.last().is_some_and(|line| line.contains("::start")), "{frames:#?}");
}

#[inline(never)]
fn frame_of_the_resumer(f: &mut dyn FnMut()) {
    f();
    std::hint::black_box(());
}

#[test]
#[cfg_attr(sinew_emulated, ignore = "the debugger would see the emulator")]
fn a_debugger_walks_from_a_coroutine_into_its_resumer() {
    const TEST: &str = "a_debugger_walks_from_a_coroutine_into_its_resumer";
    if is_child() {
        let mut outer = Coroutine::<(), (), ()>::new(|yielder, ()| {
            yielder.suspend(());
            let mut inner = Coroutine::<(), (), ()>::new(|_, ()| {
                on_stack(DefaultStack::default(), frame_for_the_debugger);
            });
            inner.resume(());
        });
        outer.resume(());
        frame_of_the_resumer(&mut || _ = outer.resume(()));
        return;
    }
    let Some(frames) = walked(TEST) else { return };
    assert!(frames.iter().any(|line| line.contains("frame_of_the_resumer")), "{frames:#?}");
    // And on to where the OS thread began.
    assert!(frames.iter().any(|line| line.contains("thread_start") || line.contains("main")), "{frames:#?}");
}
