//! `select!` and `select_biased!`.
//!
//! The grammar is crossbeam-channel's. The expansion has two parts. The first, inside nested `match`es that keep each operand for as long as it is
//! needed, waits, and completes the operation that was chosen; its value is that operation's result, wrapped so as to say whose it is
//! ([`Either`](crate::channel::internal::Either)). The second matches on it and runs the arm's body, when nothing is borrowed any more.

/// Waits for several channel operations, of which one takes effect, and then runs its arm.
///
/// | arm | |
/// |---|---|
/// | `recv(receiver) -> result => body` | receives; `result` is a pattern for the `Result` of [`Receiver::recv`](crate::channel::Receiver::recv) |
/// | `send(sender, message) -> result => body` | sends; `message` is computed only once this arm was chosen |
/// | `default => body` | if none of the others is ready at once |
/// | `default(timeout) => body` | if none of them is within a `Duration` |
///
/// An operation is ready if it need not wait, which includes that it fails because its channel is disconnected. If several are ready, one of them is
/// chosen at random; by [`select_biased!`](crate::channel::select_biased), the first. Without `default` the current thread is suspended
/// until one is ready. What goes between the arms, commas and blocks, is as in `match`. The grammar is that of
/// `crossbeam_channel::select!`. For operations that are listed while the program runs, see [`Select`](crate::channel::Select).
///
/// # Cancellation
/// A thread that waits here unwinds, and no operation took effect. If it unwinds while the message of an arm that was chosen is computed,
/// that one did not either.
///
/// # Examples
/// ```
/// use sinew::channel::{bounded, select, unbounded};
/// use std::time::Duration;
///
/// let (names, to_greet) = unbounded();
/// let (greetings, _greeted) = bounded(1);
/// names.send("world").unwrap();
///
/// let name = select! {
///     recv(to_greet) -> name => name.unwrap(),
///     default(Duration::from_secs(1)) => "nobody",
/// };
/// select! {
///     send(greetings, format!("hello, {name}")) -> sent => sent.unwrap(),
///     default => panic!("there is room"),
/// }
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! channel_select {
    ($($arms:tt)*) => { $crate::channel_select_arms!(@parse false [] [] $($arms)*) };
}

/// [`select!`](crate::channel::select), but of several operations that are ready, the first is chosen.
///
/// # Examples
/// ```
/// use sinew::channel::{select_biased, unbounded};
///
/// let (urgent, now) = unbounded();
/// let (usual, later) = unbounded();
/// usual.send(1).unwrap();
/// urgent.send(2).unwrap();
/// let first = select_biased! {
///     recv(now) -> number => number,
///     recv(later) -> number => number,
/// };
/// assert_eq!(first, Ok(2));
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! channel_select_biased {
    ($($arms:tt)*) => { $crate::channel_select_arms!(@parse true [] [] $($arms)*) };
}

/// The two parts of a `select!`.
///
/// - `@parse BIASED [operations] [default] arms…` brings the arms into one form, operations as `{kind args pattern body}`, default as
///   `{(timeout?) body}`.
/// - `@wait BIASED [operations to bind] [bound] [default]` is the first part: it binds each operand, a level of nesting each.
/// - `@complete` completes the operation that was chosen, and wraps its result.
/// - `@run` is the second part.
#[doc(hidden)]
#[macro_export]
macro_rules! channel_select_arms {
    (@parse $biased:tt [] []) => { ::core::compile_error!("empty `select!` block") };
    (@parse $biased:tt [$($operations:tt)*] [$($default:tt)*]) => {
        match $crate::channel_select_arms!(@wait $biased [$($operations)*] [] [$($default)*]) {
            selected => $crate::channel_select_arms!(@run selected [$($operations)*] [$($default)*]),
        }
    };

    // A default arm.
    (@parse $biased:tt $operations:tt [$($default:tt)+] default $($rest:tt)*) => {
        ::core::compile_error!("there can be only one `default` case in a `select!` block")
    };
    (@parse $biased:tt $operations:tt [] default => $($rest:tt)*) => {
        $crate::channel_select_arms!(@parse $biased $operations [] default() => $($rest)*)
    };
    (@parse $biased:tt $operations:tt [] default($($timeout:expr)? $(,)?) => { $($body:tt)* }, $($rest:tt)*) => {
        $crate::channel_select_arms!(@parse $biased $operations [{($($timeout)?) {{ $($body)* }}}] $($rest)*)
    };
    (@parse $biased:tt $operations:tt [] default($($timeout:expr)? $(,)?) => $body:expr, $($rest:tt)*) => {
        $crate::channel_select_arms!(@parse $biased $operations [{($($timeout)?) {$body}}] $($rest)*)
    };
    (@parse $biased:tt $operations:tt [] default($($timeout:expr)? $(,)?) => { $($body:tt)* } $($rest:tt)*) => {
        $crate::channel_select_arms!(@parse $biased $operations [{($($timeout)?) {{ $($body)* }}}] $($rest)*)
    };
    (@parse $biased:tt $operations:tt [] default($($timeout:expr)? $(,)?) => $body:expr) => {
        $crate::channel_select_arms!(@parse $biased $operations [{($($timeout)?) {$body}}])
    };

    // An operation.
    (@parse $b:tt [$($o:tt)*] $d:tt $kind:ident($($args:tt)*) -> $result:pat => { $($body:tt)* }, $($rest:tt)*) => {
        $crate::channel_select_arms!(@parse $b [$($o)* {$kind ($($args)*) ($result) {{ $($body)* }}}] $d $($rest)*)
    };
    (@parse $b:tt [$($o:tt)*] $d:tt $kind:ident($($args:tt)*) -> $result:pat => $body:expr, $($rest:tt)*) => {
        $crate::channel_select_arms!(@parse $b [$($o)* {$kind ($($args)*) ($result) {$body}}] $d $($rest)*)
    };
    (@parse $b:tt [$($o:tt)*] $d:tt $kind:ident($($args:tt)*) -> $result:pat => { $($body:tt)* } $($rest:tt)*) => {
        $crate::channel_select_arms!(@parse $b [$($o)* {$kind ($($args)*) ($result) {{ $($body)* }}}] $d $($rest)*)
    };
    (@parse $b:tt [$($o:tt)*] $d:tt $kind:ident($($args:tt)*) -> $result:pat => $body:expr) => {
        $crate::channel_select_arms!(@parse $b [$($o)* {$kind ($($args)*) ($result) {$body}}] $d)
    };

    // What is wrong.
    (@parse $b:tt $o:tt $d:tt default $($rest:tt)*) => {
        ::core::compile_error!("expected `default => body` or `default(timeout) => body`, and a comma after a body without braces")
    };
    (@parse $b:tt $o:tt $d:tt recv($($args:tt)*) => $($rest:tt)*) => {
        ::core::compile_error!("expected `->` after `recv` case, found `=>`")
    };
    (@parse $b:tt $o:tt $d:tt send($($args:tt)*) => $($rest:tt)*) => {
        ::core::compile_error!("expected `->` after `send` operation, found `=>`")
    };
    (@parse $b:tt $o:tt $d:tt recv $($rest:tt)*) => {
        ::core::compile_error!("expected `recv(receiver) -> result => body`, and a comma after a body without braces")
    };
    (@parse $b:tt $o:tt $d:tt send $($rest:tt)*) => {
        ::core::compile_error!("expected `send(sender, message) -> result => body`, and a comma after a body without braces")
    };
    (@parse $b:tt $o:tt $d:tt $found:tt $($rest:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "expected one of `recv`, `send`, or `default`, found `",
            ::core::stringify!($found),
            "`",
        ))
    };

    // The first part.
    (@wait $b:tt [{recv ($receiver:expr $(,)?) $p:tt $body:tt} $($rest:tt)*] [$($bound:tt)*] $d:tt) => {
        match $receiver {
            ref receiver => {
                let receiver: &$crate::channel::Receiver<_> = receiver;
                let slot = $crate::channel::internal::slot(receiver);
                $crate::channel_select_arms!(@wait $b [$($rest)*] [$($bound)* {recv receiver slot}] $d)
            }
        }
    };
    (@wait $b:tt [{send ($sender:expr, $message:expr $(,)?) $p:tt $body:tt} $($rest:tt)*] [$($bound:tt)*] $d:tt) => {
        match $sender {
            ref sender => {
                let sender: &$crate::channel::Sender<_> = sender;
                $crate::channel_select_arms!(@wait $b [$($rest)*] [$($bound)* {send sender {$message}}] $d)
            }
        }
    };
    (@wait $b:tt [{recv $args:tt $p:tt $body:tt} $($rest:tt)*] $bound:tt $d:tt) => {
        ::core::compile_error!(::core::concat!("invalid argument list in `recv", ::core::stringify!($args), "`"))
    };
    (@wait $b:tt [{send $args:tt $p:tt $body:tt} $($rest:tt)*] $bound:tt $d:tt) => {
        ::core::compile_error!(::core::concat!("invalid argument list in `send", ::core::stringify!($args), "`"))
    };
    (@wait $b:tt [{$kind:ident $args:tt $p:tt $body:tt} $($rest:tt)*] $bound:tt $d:tt) => {
        ::core::compile_error!(::core::concat!(
            "expected one of `recv`, `send`, or `default`, found `",
            ::core::stringify!($kind),
            "`",
        ))
    };
    (@wait $b:tt [] [$({$kind:ident $operand:ident $more:tt})*] []) => {{
        let chosen = $crate::channel::internal::select(
            &mut [$($crate::channel_select_arms!(@arm $kind $operand $more)),*],
            $b,
        );
        $crate::channel_select_arms!(@complete chosen (0usize) [$({$kind $operand $more})*] [])
    }};
    (@wait $b:tt [] [$({$kind:ident $operand:ident $more:tt})*] [{() $body:tt}]) => {{
        let chosen = $crate::channel::internal::try_select(
            &mut [$($crate::channel_select_arms!(@arm $kind $operand $more)),*],
            $b,
        );
        $crate::channel_select_arms!(@choice chosen [$({$kind $operand $more})*])
    }};
    (@wait $b:tt [] [$({$kind:ident $operand:ident $more:tt})*] [{($timeout:expr) $body:tt}]) => {{
        let chosen = $crate::channel::internal::select_timeout(
            &mut [$($crate::channel_select_arms!(@arm $kind $operand $more)),*],
            $timeout,
            $b,
        );
        $crate::channel_select_arms!(@choice chosen [$({$kind $operand $more})*])
    }};
    (@arm recv $receiver:ident $slot:ident) => { $crate::channel::internal::recv($receiver, &$slot) };
    (@arm send $sender:ident $message:tt) => { $crate::channel::internal::send($sender) };

    // One that may be the default.
    (@choice $chosen:ident $operations:tt) => {
        match $chosen {
            ::core::option::Option::Some(chosen) => {
                $crate::channel::internal::Either::This(
                    $crate::channel_select_arms!(@complete chosen (0usize) $operations [])
                )
            }
            ::core::option::Option::None => $crate::channel::internal::Either::That(()),
        }
    };

    // The last is the chosen one if none before it is.
    (@complete $chosen:ident ($i:expr) [] []) => {{
        $crate::channel::internal::never_chosen($chosen)
    }};
    (@complete $chosen:ident ($i:expr) [{recv $receiver:ident $slot:ident} $($rest:tt)*] []) => {
        if $chosen.is($i) {
            $crate::channel::internal::Either::This($chosen.recv(&$slot))
        } else {
            $crate::channel::internal::Either::That(
                $crate::channel_select_arms!(@complete $chosen ($i + 1usize) [$($rest)*] [])
            )
        }
    };
    (@complete $chosen:ident ($i:expr) [{send $sender:ident {$message:expr}} $($rest:tt)*] []) => {
        if $chosen.is($i) {
            $crate::channel::internal::Either::This($chosen.send($sender, $message))
        } else {
            $crate::channel::internal::Either::That(
                $crate::channel_select_arms!(@complete $chosen ($i + 1usize) [$($rest)*] [])
            )
        }
    };

    // The second part.
    (@run $selected:ident $operations:tt []) => { $crate::channel_select_arms!(@body $selected $operations) };
    (@run $selected:ident $operations:tt [{$timeout:tt {$default:expr}}]) => {
        match $selected {
            $crate::channel::internal::Either::This(selected) => {
                $crate::channel_select_arms!(@body selected $operations)
            }
            $crate::channel::internal::Either::That(()) => $default,
        }
    };
    (@body $selected:ident []) => { match $selected {} };
    (@body $selected:ident [{$kind:ident $args:tt ($result:pat) {$body:expr}} $($rest:tt)*]) => {
        match $selected {
            $crate::channel::internal::Either::This(result) => {
                let $result = result;
                $body
            }
            $crate::channel::internal::Either::That(selected) => {
                $crate::channel_select_arms!(@body selected [$($rest)*])
            }
        }
    };
}
