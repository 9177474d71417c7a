//! Coroutines: functions with a stack of their own that stop in the middle and go on later. They need no runtime.
//!
//! [`Coroutine::resume`] runs one until it calls [`Yielder::suspend`] or returns; a value goes in with each resume, and one comes
//! out with each suspension. It may suspend at any depth of calls, and be resumed by anybody on its OS thread.
//!
//! ```
//! use sinew::coroutine::{Coroutine, CoroutineResult};
//!
//! let mut average = Coroutine::new(|yielder, first: f64| {
//!     let (mut sum, mut count) = (first, 1.0);
//!     loop {
//!         sum += yielder.suspend(sum / count);
//!         count += 1.0;
//!         if count > 3.0 {
//!             return "enough";
//!         }
//!     }
//! });
//! assert_eq!(average.resume(10.0), CoroutineResult::Yield(10.0));
//! assert_eq!(average.resume(20.0), CoroutineResult::Yield(15.0));
//! assert_eq!(average.resume(60.0), CoroutineResult::Yield(30.0));
//! assert_eq!(average.resume(0.0), CoroutineResult::Return("enough"));
//! ```
//!
//! # Coming from corosensei
//!
//! Names, signatures and meaning are those of the [`corosensei`](https://docs.rs/corosensei/0.3) crate, version 0.3: put
//! `sinew::coroutine` where the `use` line says `corosensei`. What differs:
//!
//! - [`DefaultStack`](stack::DefaultStack) comes from a pool and goes back to it, so creating a coroutine maps no memory. By default
//!   it has 240 KiB, not 1 MiB; [`DefaultStack::new`](stack::DefaultStack::new) takes another size.
//! - [`Coroutine`] is never `Sync`.
//! - A coroutine that panics while it is unwound by `drop` lets the panic out of `drop`, as other destructors do. corosensei aborts.
//! - With `panic = "abort"`, a suspended coroutine that is dropped is leaked with its stack, and a line on stderr says so once;
//!   a scoped one aborts the process, since it may borrow.
//! - A closure that does not fit on its stack is refused with a panic.
//!
//! # Where it may be used
//!
//! On OS threads, in green threads, and inside other coroutines. What a coroutine calls may block: in a green thread that suspends the
//! whole thread, coroutine and all, and others run meanwhile. Nothing else can resume the coroutine then, because `resume` borrows
//! it.
//!
//! A coroutine stays on the OS thread that made it; so one that a green thread left in a `std::thread_local!` may be
//! resumed by another green thread of that worker. What the coroutine then asks of its surroundings (`thread::current`, green locals) it is
//! told of the thread that resumes it. A scope of threads that it has open waits in whichever thread ends it, and a green
//! local that it is inside the `with` of stays until it is out, even if the thread that the local belonged to has ended.
//!
//! Timeouts, shields and tokens that the coroutine is in when it suspends itself hold for it alone, not for who has resumed it.
//! They go on to count, and come into force again when it is resumed, in whichever thread that is: if a timeout's time was up meanwhile,
//! the coroutine is unwound as far as the timeout at the first suspension of the *thread* in it, or at a
//! [`checkpoint`](crate::cancel::checkpoint). `suspend` itself raises no cancellation, as the value of the resume would be lost.
//!
//! # What a switch keeps
//!
//! What the processor's calling convention has a call keep: the stack pointer, the callee-saved registers, and where to go on. All else
//! belongs to the OS thread, and is at a suspension and at a resume left as it is:
//!
//! - The words that control floating-point arithmetic: MXCSR and the x87 control word on x86-64, FPCR on AArch64, `fcsr` on RISC-V.
//!   (corosensei does not switch them either.) Rust takes their defaults for granted; code in another language that changes one
//!   puts it back before it suspends.
//! - The signal mask, and `errno`.
//! - std's count of panics: while a coroutine is suspended in a destructor that an unwind runs, [`std::thread::panicking`] says yes on its
//!   whole OS thread, and a `std::sync::Mutex` that is released there meanwhile is poisoned.
//! - Thread-local storage; see the next section.
//!
//! # One condition
//!
//! Some code puts something into thread-local storage for the time of a call, and takes for granted that such calls end in the reverse order
//! of their beginnings: `set` of the `scoped-tls` crate, a `tokio` runtime that was entered, an entered `tracing` span. A
//! coroutine that suspends inside lets its resumer find what it has set, and two that do so may end in any order, after which
//! such code may restore what is no more. No bound on a type can say that, so [`suspend`](Yielder::suspend), and `yield_` of a
//! [generator](crate::generator), are sound on a condition that the program keeps: **no coroutine suspends under a guard that lives in
//! thread-local storage**, unless its guards may end in any order. [`spawn`](crate::spawn) has the like.
//!
//! Of `std::thread_local!` this means:
//!
//! - **A coroutine must not suspend inside its initialiser.** Whoever asks for the same value meanwhile runs the initialiser again.
//! - It may suspend inside `with`, but **must not be left so if it is itself kept in a `std::thread_local!`**, because std
//!   may drop the first when the OS thread ends and the coroutine after it.
//!
//! Values of this crate's [`thread_local!`](crate::thread_local) are not concerned: an initialiser that is suspended refuses those who ask
//! meanwhile, and a value that is borrowed stays.
//!
//! # Panics, cancellation, backtraces
//!
//! A panic in a coroutine goes on in whoever resumed it, and so does the cancellation of a green thread that was raised there. A
//! backtrace taken inside a coroutine continues in its resumer, in `std::backtrace` and in debuggers.
//!
//! # After fork
//!
//! In a child of `fork` the coroutines of the OS thread that forked go on, and new ones can be made: a fork waits until no other thread is
//! in the pool of stacks. What other threads' coroutines hold is lost there. (A green thread's child must
//! [`exec`](crate::guide::soundness).)
//!
//! # Overflow
//!
//! Below each pooled stack lies a guard. Running into it is reported on stderr, with the thread and the size, and aborts
//! the process. That takes an alternate signal stack, as the coroutine's own is full: std gives one to the main thread and
//! to each that `std::thread` starts, and sinew to its workers. A thread that was started by other means (a callback of a C
//! library) has to call [`sigaltstack`](https://man7.org/linux/man-pages/man2/sigaltstack.2.html) itself, with at least
//! `sysconf(_SC_MINSIGSTKSZ)` bytes and better 64 KiB; else the process dies of a bare `SIGSEGV`.
#![allow(clippy::module_inception, reason = "the module is named for the type that it is about")]

pub(crate) mod baggage;
mod coroutine;
mod on_stack;
mod scoped;
pub mod stack;
pub mod trap;
mod unwind;
mod word;
mod yielder;

pub use coroutine::{Coroutine, CoroutineResult};
pub use on_stack::on_stack;
pub use scoped::{ScopedCoroutine, ScopedCoroutineRef};
pub use yielder::Yielder;
