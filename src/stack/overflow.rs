//! The report about a fault in a guard, and the way of all other faults to the handler that stood before.
//!
//! A handler for `SIGSEGV` and `SIGBUS` is installed once per process. If the address lies in a guard of the
//! [`registry`], and the stack pointer fits, it says on stderr who overflowed, in std's words, and aborts as std does.
//! All else belongs to the action that stood before: std's own handler, which knows the guards of OS threads, a
//! user's, or the default, by which the process dies of the signal.
//!
//! The handler allocates nothing, takes no lock and switches nowhere (rule 5). It runs on the alternate signal stack,
//! for the thread's own is full.
//!
//! Who runs on a stack is known to the layers above; they register a [`Describer`].

use super::registry::{self, Place, Tenant};
use crate::sys::report::Text;
use crate::sys::signal;
use std::fmt::Write;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Who runs on a stack, for the report. Left as it is, it says `<unnamed>`.
#[derive(Debug)]
pub(crate) struct Describe {
    /// The thread's name; empty if it has none. Longer ones are cut.
    pub(crate) name: Text<64>,
    /// The thread's id, if a thread runs there.
    pub(crate) id: Option<u64>,
    /// What sets the stack's size.
    pub(crate) raise: &'static str,
}

/// Tells who runs on the stack that ends at the address. It is called in a signal handler: it must not allocate, lock
/// or panic, and it finds the stack as the overflow left it.
pub(crate) type Describer = fn(top: usize, out: &mut Describe);

const SIGNALS: [libc::c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// The action that stood before ours, of each of [`SIGNALS`]; null for the default.
static BEFORE: [AtomicPtr<libc::sigaction>; 2] = [const { AtomicPtr::new(ptr::null_mut()) }; 2];
/// What [`BEFORE`] held first: never freed, since a handler may hold it, and kept here so that it is no leak.
static FIRST: [AtomicPtr<libc::sigaction>; 2] = [const { AtomicPtr::new(ptr::null_mut()) }; 2];
/// A [`Describer`], or null.
static DESCRIBER: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Registers who can tell what runs on a stack. The last one counts.
pub(crate) fn set_describer(describer: Describer) {
    DESCRIBER.store(describer as *mut (), Ordering::Release);
}

/// Installs the handlers, the first time. If the kernel refuses, overflows end in a bare `SIGSEGV`.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for ((signal, before), first) in SIGNALS.into_iter().zip(&BEFORE).zip(&FIRST) {
            // Known before ours stands, so that a fault in between already finds its way; and once more after, for
            // another thread may have changed it just then. Both are kept for ever: a handler may hold either.
            let keep = |action| before.store(Box::leak(Box::new(action)), Ordering::Release);
            if signal::current(signal).map(keep).is_ok() {
                first.store(before.load(Ordering::Relaxed), Ordering::Relaxed);
                let _ = signal::install(signal, on_fault).map(keep);
            }
        }
    });
}

extern "C" fn on_fault(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: both are the kernel's arguments to this handler, which is installed for SIGSEGV and SIGBUS only; whoever
    // stood in between and called it passes on what it was given.
    let (address, pointer) = unsafe { (signal::fault_address(info), signal::stack_pointer(context)) };
    match address.and_then(|address| overflown(address, pointer)) {
        Some(place) => {
            report(place);
            // SAFETY: it never returns; abort is async-signal-safe.
            unsafe { libc::abort() }
        }
        None => pass_on(signal, address.is_some(), info, context),
    }
}

/// The stack in whose guard the address lies, if whoever touched it was running on that stack. The stack pointer may
/// have run past the guard already, by a large frame whose first touched byte lay in it; one that is elsewhere belongs
/// to a stray pointer, which is no overflow.
fn overflown(address: usize, pointer: Option<usize>) -> Option<Place> {
    let place = registry::find(address).filter(|place| address < place.limit)?;
    let reach = place.guard.saturating_sub(place.top - place.guard)..=place.top;
    pointer.is_none_or(|pointer| reach.contains(&pointer)).then_some(place)
}

fn report(place: Place) {
    let (whose, raise) = match place.tenant {
        Tenant::Threads => ("", "sinew::thread::Builder::stack_size"),
        Tenant::Coroutines => ("a coroutine of ", "sinew::coroutine::stack::DefaultStack::new"),
    };
    let mut who = Describe { name: Text::new(), id: None, raise };
    let describer = DESCRIBER.load(Ordering::Acquire);
    if !describer.is_null() {
        // SAFETY: only `set_describer` stores here, and what it stores is a `Describer`.
        let describer = unsafe { std::mem::transmute::<*mut (), Describer>(describer) };
        describer(place.top, &mut who);
    }
    // A coroutine may run on an OS thread that no runtime knows.
    if place.tenant == Tenant::Coroutines && who.id.is_none() {
        let _ = who.name.write_str(signal::os_thread_name(&mut [0; 16]));
    }
    let name = match who.name.as_str() {
        "" => "<unnamed>",
        name => name,
    };
    let mut text = Text::<320>::new();
    // A text of fixed capacity takes everything, and cuts.
    let _ = write!(text, "\n{whose}thread '{name}'");
    if let Some(id) = who.id {
        let _ = write!(text, " ({id})");
    }
    let _ = write!(
        text,
        " has overflowed its stack\nits size is {} bytes; {} raises it\n\
         fatal runtime error: stack overflow, aborting\n",
        place.top - place.limit,
        who.raise
    );
    text.to_stderr();
}

/// Does with a signal what the action would have done that stood before ours.
fn pass_on(signal: libc::c_int, is_fault: bool, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let slot = &BEFORE[usize::from(signal != SIGNALS[0])];
    let action = slot.load(Ordering::Acquire);
    // SAFETY: null, or an action that is kept for ever.
    let Some(before) = (unsafe { action.as_ref() }) else { return die(signal, is_fault) };
    match before.sa_sigaction {
        libc::SIG_DFL => return die(signal, is_fault),
        // The kernel lets nobody ignore a fault.
        libc::SIG_IGN if is_fault => return die(signal, is_fault),
        libc::SIG_IGN => return,
        _ => {}
    }
    if before.sa_flags & libc::SA_RESETHAND != 0 {
        slot.store(ptr::null_mut(), Ordering::Release);
    }
    // The signals that it wants blocked are blocked; the kernel unblocks them when our handler returns.
    // SAFETY: the set is a live one.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const before.sa_mask, ptr::null_mut()) };
    if before.sa_flags & libc::SA_NODEFER != 0 {
        unblock(signal);
    }
    if before.sa_flags & libc::SA_SIGINFO != 0 {
        // SAFETY: neither SIG_DFL nor SIG_IGN, so by its flags it is a handler of three arguments.
        let handler = unsafe { std::mem::transmute::<usize, signal::Handler>(before.sa_sigaction) };
        handler(signal, info, context);
    } else {
        // SAFETY: neither SIG_DFL nor SIG_IGN, so by its flags it is a handler of one argument.
        let handler = unsafe { std::mem::transmute::<usize, extern "C" fn(libc::c_int)>(before.sa_sigaction) };
        handler(signal);
    }
}

/// Lets the process die of the signal: the instruction faults again on return, and what a `kill` sent is sent again.
fn die(signal: libc::c_int, is_fault: bool) {
    signal::restore_default(signal);
    if !is_fault {
        // SAFETY: it takes an integer. The signal is blocked here, so it is delivered when the handler returns.
        unsafe { libc::raise(signal) };
    }
}

fn unblock(signal: libc::c_int) {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set, which is ours, before the others read it.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut());
    }
}
