//! The same scenarios on `sinew::sync::mpsc` and on `std::sync::mpsc`.

mod on_sinew {
    use sinew::sync::mpsc;
    include!("channel/mpsc_scenarios.rs");
}

mod on_std {
    use std::sync::mpsc;
    include!("channel/mpsc_scenarios.rs");
}
