//! `cairn serve`: the HTTP API over TCP and over the Unix socket of the data folder.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use cairn_server::{ServeOptions, serve};
use cairn_types::ErrorKind;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::output::Output;
use crate::wiring::Opened;

pub(crate) async fn run(opened: Opened, listen: &str, output: Output) -> Result<u8, Failure> {
    let address = resolve(listen)?;
    opened.app.may_listen(address).await?;
    let tcp = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|error| {
            Failure::new(
                ErrorKind::Unavailable,
                format!("`{address}` cannot be listened on: {error}"),
            )
            .hint("another port: `cairn serve --listen 127.0.0.1:7172`")
        })?;
    let local = tcp.local_addr().unwrap_or(address);
    let socket = opened.dir.socket();
    let unix = listen_on_socket(&socket)?;
    let shutdown = CancellationToken::new();
    tokio::spawn(stop_on_signal(shutdown.clone()));
    if output.json {
        output.value(&serde_json::json!({ "listening": local.to_string(), "socket": socket }))?;
    } else {
        output.line(format!(
            "Cairn listens on http://{local}  (API: http://{local}/docs)"
        ))?;
    }
    // Uploads are worked on in the order in which they were accepted, also those of a server that was killed.
    let mut jobs = {
        let (app, stop) = (opened.app.clone(), shutdown.clone());
        tokio::spawn(async move { app.run_jobs(stop).await })
    };
    let result = serve(
        opened.app.clone(),
        ServeOptions {
            tcp: Some(tcp),
            unix: Some(unix),
        },
        shutdown.clone(),
    )
    .await;
    shutdown.cancel();
    let ended = match tokio::time::timeout(opened.app.drain(), &mut jobs).await {
        Ok(ended) => ended,
        Err(_) => {
            // A document may take long (text recognition); its job goes back to the queue.
            opened.app.stop_parsing();
            jobs.await
        }
    };
    if let Err(error) = ended {
        tracing::error!(%error, "the loop of jobs ended unexpectedly");
    }
    // The lock is still held, so the socket is ours to remove.
    if let Err(error) = fs_err::remove_file(&socket)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "socket not removed");
    }
    result?;
    Ok(0)
}

fn resolve(listen: &str) -> Result<SocketAddr, Failure> {
    let bad = |reason: String| {
        Failure::new(
            ErrorKind::InvalidInput,
            format!(
                "`{listen}` is not an address to listen on: {reason}; expected e.g. `127.0.0.1:7171`"
            ),
        )
    };
    let mut addresses = listen
        .to_socket_addrs()
        .map_err(|error| bad(error.to_string()))?;
    addresses
        .next()
        .ok_or_else(|| bad("the name has no address".to_owned()))
}

/// A socket that only this user may open. A socket that a killed server left behind is replaced: the lock of the
/// data folder says that nobody else is using it.
fn listen_on_socket(path: &Path) -> Result<tokio::net::UnixListener, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(
            ErrorKind::Unavailable,
            format!("`{}` cannot be listened on: {error}", path.display()),
        )
        .hint("a data folder with a shorter path may help: socket paths have at most 107 bytes")
    };
    match fs_err::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let listener = tokio::net::UnixListener::bind(path).map_err(failed)?;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

async fn stop_on_signal(shutdown: CancellationToken) {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(error) => {
                tracing::warn!(%error, "SIGTERM is not listened for");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
    tracing::info!("shutting down");
    shutdown.cancel();
}
