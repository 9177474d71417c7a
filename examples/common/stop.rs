//! How servers among the examples stop: the first Ctrl-C (or SIGTERM) lets them drain, a second one ends the process.
//! It is shared by the examples through `#[path]`.

use std::io;

use sinew::cancel::CancelToken;
use sinew::signal::{SIGINT, SIGTERM, Signals};

/// A token that the first Ctrl-C cancels. `sinew::signal::ctrl_c` would do for one; of two in a row, it could miss the
/// second between its calls, which a listener that stays does not.
pub(crate) fn on_ctrl_c() -> io::Result<CancelToken> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let stop = CancelToken::new();
    let token = stop.clone();
    sinew::spawn(move || {
        signals.next();
        eprintln!("stopping; once more to stop at once");
        token.cancel_with("the server is closing");
        signals.next();
        std::process::exit(130);
    });
    Ok(stop)
}
