//! Backtraces from inside a context end at its entry, for `std::backtrace` and for gdb, and a debugger can walk a
//! suspended context.

use super::{Context, Handle, entered, switch};
use std::{
    backtrace::Backtrace,
    cell::RefCell,
    env,
    process::Command,
    ptr,
    rc::Rc,
    sync::atomic::{AtomicPtr, Ordering},
};

/// The frame that a backtrace must show, whatever is inlined into it.
#[inline(never)]
fn frame_to_be_found(write: &dyn Fn()) {
    write();
    std::hint::black_box(());
}

#[test]
fn a_backtrace_ends_at_the_entry() {
    let text = Rc::new(RefCell::new(String::new()));
    let text_inside = text.clone();
    let guest = Handle::new(move |_| {
        frame_to_be_found(&|| *text_inside.borrow_mut() = Backtrace::force_capture().to_string());
    });
    guest.resume();
    assert!(guest.finished());
    guest.end();

    let text = text.borrow();
    // One line a frame, "  12: name"; lines without a number tell where it is.
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim_start().split_once(": "))
        .filter(|(number, _)| number.parse::<u32>().is_ok())
        .map(|(_, name)| name)
        .collect();
    let found = names.iter().position(|name| name.contains("frame_to_be_found"));
    let entry = names.iter().position(|name| name.contains("guest_entry"));
    assert!(found.is_some() && found < entry, "{text}");
    assert!(!names.iter().any(|name| name.contains("<unknown>")), "{text}");
    // The portable port's goes on into the root loop, as a coroutine's does into its resumer.
    if super::super::port::NAME != "portable" {
        let last = names.last().expect("not empty");
        assert!(last.ends_with("::start"), "{text}");
        assert!(names.len() < 20, "{text}");
    }
    assert!(names.len() < 100, "{text}");
}

/// Where the debugged process shows its debugger the suspended context.
#[unsafe(export_name = "sinew_test_suspended_context")]
static SUSPENDED: AtomicPtr<Context> = AtomicPtr::new(ptr::null_mut());

/// Set in a process that runs under a debugger.
const DEBUGGED: &str = "SINEW_TEST_DEBUGGED";

struct Two {
    outside: Context,
    inside: Context,
}

unsafe extern "C" fn debugged_entry(argument: *mut ()) -> ! {
    entered();
    debugged_body(argument.cast());
    unreachable!()
}

/// Stops for the debugger inside the context, then goes outside.
#[inline(never)]
fn debugged_body(two: *mut Two) {
    // SAFETY: the debugger catches the signal. `two` outlives the context, and the outside is suspended.
    unsafe {
        libc::raise(libc::SIGTRAP);
        switch(&raw mut (*two).inside, &raw const (*two).outside);
    }
}

/// What the debugger runs: stops once inside the context, and once outside while it is suspended.
fn debugged() {
    let stack = super::HeapStack::new();
    let mut two = Two { outside: Context::EMPTY, inside: Context::EMPTY };
    let two = &raw mut two;
    // SAFETY: the stack outlives the context, which is discarded below and whose frames hold nothing to drop.
    unsafe {
        (*two).inside.prepare(stack.top(), stack.0, debugged_entry, two.cast());
        switch(&raw mut (*two).outside, &raw const (*two).inside);
        SUSPENDED.store(&raw mut (*two).inside, Ordering::Relaxed);
        libc::raise(libc::SIGTRAP);
        (*two).inside.discard();
    }
}

/// The registers of a context, in its order; none where the port has no such thing.
const REGISTERS: &[&str] = if cfg!(any(sinew_switch = "portable", windows)) {
    &[]
} else if cfg!(target_arch = "x86_64") {
    &["rip", "rsp", "rbp", "rbx"]
} else if cfg!(target_arch = "aarch64") {
    &["pc", "sp", "x29", "x19"]
} else if cfg!(target_arch = "riscv64") {
    &["pc", "sp", "fp", "s1"]
} else {
    &[]
};

#[test]
#[cfg_attr(sinew_emulated, ignore = "the debugger would see the emulator")]
fn a_debugger_walks_a_running_and_a_suspended_context() {
    if env::var_os(DEBUGGED).is_some() {
        return debugged();
    }
    if REGISTERS.is_empty() {
        return println!("skipped: a context of this port does not hold registers");
    }
    let own_name = "arch::tests::backtrace::a_debugger_walks_a_running_and_a_suspended_context";
    let mut gdb = Command::new("gdb");
    gdb.args(["-batch", "-nx", "-iex", "set debuginfod enabled off", "-ex", "set language c", "-ex", "run"]);
    gdb.args(["-ex", "echo \\nrunning:\\n", "-ex", "bt", "-ex", "continue", "-ex", "echo \\nsuspended:\\n"]);
    gdb.args(["-ex", "set $context = *(unsigned long **)&sinew_test_suspended_context"]);
    for (index, register) in REGISTERS.iter().enumerate() {
        gdb.args(["-ex", &format!("set ${register} = $context[{index}]")]);
    }
    gdb.args(["-ex", "bt", "-ex", "kill", "--args"]).arg(env::current_exe().expect("a test binary has a path"));
    gdb.args(["--exact", own_name, "--nocapture", "--test-threads=1"]).env(DEBUGGED, "1");
    let output = match gdb.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return println!("skipped: gdb is not installed"),
        output => output.expect("gdb starts"),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let all = format!("{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let cannot = ["ptrace: ", "Could not trace", "not in executable format", "Exec format error"];
    if let Some(reason) = all.lines().find(|line| cannot.iter().any(|text| line.contains(text))) {
        return println!("skipped: gdb cannot run this program here: {reason}");
    }
    let (_, rest) = text.split_once("\nrunning:\n").expect("gdb runs its script");
    let (running, suspended) = rest.split_once("\nsuspended:\n").unwrap_or_else(|| panic!("{all}"));
    for walk in [running, suspended] {
        let frames: Vec<&str> = walk.lines().filter(|line| line.starts_with('#')).collect();
        assert!(frames.iter().any(|line| line.contains("debugged_body")), "{all}");
        assert!(frames.last().is_some_and(|line| line.contains("::start")), "{all}");
    }
    println!("{running}\n\nSuspended:\n{suspended}");
    for complaint in ["corrupt stack", "previous frame identical", "previous frame inner", "Cannot access memory"] {
        assert!(!all.contains(complaint), "{all}");
    }
}
