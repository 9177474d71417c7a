//! sinew as an HTTP server: what the example's main function does. A read that must wait has a deadline of 30 s.

use sinew::cancel::CancelToken;
use sinew::net::{Server, TcpListener};

use super::connection::{self, Limits};
use super::files::Site;
use crate::host::listening;
use crate::peers::on_sinew::runtime;

pub fn serve(workers: usize) {
    let (site, stop) = (Site::greeting(), CancelToken::new());
    runtime(workers).run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listening(listener.local_addr());
        let server = Server::new(listener).max_connections(100_000).until(&stop);
        server
            .serve(|stream, _| connection::serve(stream, &site, &Limits::DEFAULT, &stop))
            .expect("the listener stands");
    });
}
