//! Listening: connections over TCP and the Unix socket, until a shutdown that lets requests end.
//!
//! hyper is driven directly rather than through `axum::serve`, which knows neither a limit on the number of connections nor one
//! on the time in which a request's head must arrive.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::error::ServerError;
use crate::routes::{Surface, router};

/// A request's head must arrive, and an idle connection must bring its next request, in this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// After a failure to accept (mostly: no file descriptor is free), the next attempt waits for so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Where to listen.
#[derive(Debug, Default)]
pub struct ServeOptions {
    /// TCP. The address decides how strict the server is: see [`Surface`].
    pub tcp: Option<TcpListener>,
    /// The socket of the data directory. The caller has made it with mode 0600: who can open it is the owner.
    pub unix: Option<UnixListener>,
}

/// Answers requests until `shutdown` is cancelled; then accepts no more, ends streams, and lets other requests go on for
/// `ServerSettings::drain`.
///
/// # Errors
/// Where the listener's address cannot be read, or it may not be listened on without a key.
pub async fn serve(
    app: App,
    options: ServeOptions,
    shutdown: CancellationToken,
) -> Result<(), ServerError> {
    let room = Arc::new(Semaphore::new(
        app.settings()
            .max_connections
            .clamp(1, Semaphore::MAX_PERMITS),
    ));
    let end = Ending {
        shutdown: shutdown.clone(),
        abort: CancellationToken::new(),
        open: TaskTracker::new(),
    };
    let ServeOptions { tcp, unix } = options;
    let tcp = match tcp {
        Some(listener) => {
            let addr = listener.local_addr()?;
            app.may_listen(addr).await?;
            let surface = if addr.ip().is_loopback() {
                Surface::Loopback
            } else {
                Surface::Network
            };
            Some((listener, router(app.clone(), surface)))
        }
        None => None,
    };
    let accept_tcp = async {
        let Some((listener, router)) = tcp else {
            return;
        };
        while let Some(permit) = next_permit(&room, &shutdown).await {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.cancelled() => return,
            };
            match accepted {
                Ok((stream, _)) => {
                    // Without it, small events of a stream wait for the reader's acknowledgement.
                    let _ = stream.set_nodelay(true);
                    end.open
                        .spawn(answer(stream, router.clone(), permit, end.clone()));
                }
                Err(error) => pause(&error).await,
            }
        }
    };
    // The owner's socket keeps working while strangers use up all connections.
    let own_room = Arc::new(Semaphore::new(64));
    let accept_unix = async {
        let Some(listener) = unix else { return };
        let router = router(app.clone(), Surface::Local);
        while let Some(permit) = next_permit(&own_room, &shutdown).await {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.cancelled() => return,
            };
            match accepted {
                Ok((stream, _)) => {
                    end.open
                        .spawn(answer(stream, router.clone(), permit, end.clone()));
                }
                Err(error) => pause(&error).await,
            }
        }
    };
    // With no listener at all there is still something to wait for.
    let ((), (), ()) = futures::join!(accept_tcp, accept_unix, shutdown.cancelled());
    tracing::info!("server stops: no more connections are accepted");
    app.closing().cancel();
    end.open.close();
    if tokio::time::timeout(app.settings().drain, end.open.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            connection.count = end.open.len(),
            "connections were cut at shutdown"
        );
        end.abort.cancel();
        end.open.wait().await;
    }
    app.close().await;
    Ok(())
}

#[derive(Clone)]
struct Ending {
    shutdown: CancellationToken,
    abort: CancellationToken,
    open: TaskTracker,
}

async fn next_permit(
    room: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        biased;
        () = shutdown.cancelled() => None,
        permit = room.clone().acquire_owned() => permit.ok(),
    }
}

async fn pause(error: &std::io::Error) {
    tracing::warn!(%error, "a connection was not accepted");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// Answers the requests of one connection.
async fn answer<S>(stream: S, router: Router, permit: OwnedSemaphorePermit, end: Ending)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let _permit = permit;
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let mut is_stopping = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return;
            }
            () = end.abort.cancelled() => return,
            () = end.shutdown.cancelled(), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
