//! How servers among the examples begin and stop: they say where they listen; the first Ctrl-C (or SIGTERM) lets them
//! drain, a second one ends the process. It is shared by the examples through `#[path]`.

use std::io::{self, Write};

use sinew::cancel::CancelToken;
use sinew::net::TcpListener;
use sinew::signal::{SIGINT, SIGTERM, Signals};

/// Listens on an address, and tells it with the scheme that clients are to use. The token is cancelled when the server
/// is to stop.
pub(crate) fn listen(scheme: &str, addr: &str) -> io::Result<(TcpListener, CancelToken)> {
    let listener = TcpListener::bind(addr)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {addr}: {error}")))?;
    let stop = on_ctrl_c()?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {scheme}://{}", listener.local_addr()?)?;
    stdout.flush()?;
    Ok((listener, stop))
}

/// A token that the first Ctrl-C cancels. `sinew::signal::ctrl_c` would do for one; of two in a row, it could miss the
/// second between its calls, which a listener that stays does not.
fn on_ctrl_c() -> io::Result<CancelToken> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let stop = CancelToken::new();
    let token = stop.clone();
    sinew::spawn(move || {
        drop(signals.wait());
        token.cancel_with("the server is closing");
        // `eprintln!` would panic where nobody reads it any more, and a second signal be in vain.
        let _ = writeln!(io::stderr(), "stopping; once more to stop at once");
        drop(signals.wait());
        std::process::exit(130);
    });
    Ok(stop)
}
