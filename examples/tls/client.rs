//! The client: one request, whose answer is printed as it comes.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sinew::net::TcpStream;
use sinew::time::timeout;

use crate::explain;

/// Gets `target`, which is `HOST:PORT/PATH`, from a server whose certificate one of `ca` vouches for.
pub(crate) fn get(target: &str, ca: &Path, patience: Duration) -> io::Result<()> {
    let (address, path) = target.split_once('/').unwrap_or((target, ""));
    let host = address.rsplit_once(':').map_or(address, |(host, _port)| host);
    // IPv6 addresses stand in brackets here, and in certificates they do not.
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(explain(ca.display()))? {
        let certificate = certificate.map_err(explain(ca.display()))?;
        roots.add(certificate).map_err(explain(ca.display()))?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(explain(host))?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(explain(host))?;
    timeout(patience, || {
        let stream = TcpStream::connect(address).map_err(explain(format!("cannot connect to {address}")))?;
        let mut tls = StreamOwned::new(connection, stream);
        write!(tls, "GET /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        // An end that the server does not announce is an error: somebody may have cut the answer short.
        // std's standard output would have the worker wait for a slow reader, and the timeout with it.
        let mut stdout = sinew::io::stdout();
        io::copy(&mut tls, &mut stdout)?;
        stdout.flush()
    })?
}
