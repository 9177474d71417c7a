//! The same scenarios on `sinew::channel` and on crossbeam-channel: what compiles and holds for one does for the other.

#![allow(dead_code, reason = "what one text uses")]

mod on_sinew {
    use sinew::channel::{
        Receiver, RecvError, RecvTimeoutError, Select, SendError, SendTimeoutError, TryRecvError, TrySendError, after,
        at, bounded, never, select, select_biased, tick, unbounded,
    };
    include!("channel/scenarios.rs");
}

mod on_crossbeam {
    use crossbeam_channel::{
        Receiver, RecvError, RecvTimeoutError, Select, SendError, SendTimeoutError, TryRecvError, TrySendError, after,
        at, bounded, never, select, select_biased, tick, unbounded,
    };
    include!("channel/scenarios.rs");
}
