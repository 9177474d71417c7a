//! HTTP servers for the rows of that name. All in Rust answer with the `http` example's own code: its parser, its site, its
//! answers, its buffers. sinew's serves connections with the example's own function; the others' differ in how they wait.

#[path = "../../../../examples/http/connection.rs"]
mod connection;
#[path = "../../../../examples/http/date.rs"]
mod date;
// No folder is served here.
#[allow(dead_code)]
#[path = "../../../../examples/http/files.rs"]
mod files;
#[path = "../../../../examples/http/input.rs"]
mod input;
mod on_bare;
mod on_may;
mod on_sinew;
mod on_tokio;
#[path = "../../../../examples/http/request.rs"]
mod request;
#[path = "../../../../examples/http/response.rs"]
mod response;
#[path = "../../../../examples/http/target.rs"]
mod target;

pub use on_bare::serve as on_bare;
pub use on_may::serve as on_may;
pub use on_sinew::serve as on_sinew;
pub use on_tokio::serve as on_tokio;
