//! Conversations with those who have a place, one request of each at a time.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::access::Access;
use super::activity::Activity;
use super::connections::Place;
use super::site::{Newcomer, Phase, Sent, Site};
use super::socket::Socket;

/// Gives newcomers a place in the order in which they came, until it is told to stop; ends when all are answered.
pub(super) async fn receive(
    mut newcomers: mpsc::Receiver<Newcomer>,
    site: &Arc<Site>,
    stopped: &watch::Receiver<Phase>,
) {
    let mut tasks = JoinSet::new();
    // Ends with the lobby, which hands over until it has served all.
    while let Some(Newcomer { stream, began, client }) = newcomers.recv().await {
        let place = site.connections.enter().await;
        while tasks.try_join_next().is_some() {}
        match TcpStream::from_std(stream) {
            Ok(stream) => {
                tasks.spawn(converse(Arc::clone(site), stream, client, began, place, stopped.clone()));
            }
            Err(problem) => debug!(%problem, "an HTTP client left at once"),
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// Serves one connection until it ends, takes too long, is evicted, or the server stops.
async fn converse(
    site: Arc<Site>,
    stream: TcpStream,
    client: SocketAddr,
    began: Bytes,
    place: Place,
    mut stopped: watch::Receiver<Phase>,
) {
    let activity = Activity::new(place, Arc::clone(&site.large_heads), client, !began.is_empty());
    let phase = stopped.clone();
    let service = service_fn(|request| answer(&site, request, &activity, &phase));
    let connection = http1::Builder::new()
        .max_header_size(site.limits.head_size)
        .max_headers(site.limits.head_fields)
        .half_close(true)
        .serve_connection(Socket::new(stream, began, Arc::clone(&activity)), service);
    let mut connection = pin!(connection);
    let mut evicted = pin!(activity.place().evicted());
    let mut stop = pin!(stopped.changed());
    let mut stopping = false;
    let mut deadline = pin!(sleep_until(Instant::now() + site.limits.head_timeout));
    poll_fn(|context| {
        if evicted.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let mut ended = connection.as_mut().poll(context);
        // Behind a look at what the client has said: hyper takes one that it has not read from yet for idle.
        if !stopping && ended.is_pending() && stop.as_mut().poll(context).is_ready() {
            stopping = true;
            connection.as_mut().graceful_shutdown();
            ended = connection.as_mut().poll(context);
        }
        if let Poll::Ready(result) = ended {
            if let Err(problem) = result {
                debug!(%problem, "an HTTP connection ended early");
            }
            return Poll::Ready(());
        }
        activity.settle();
        let Some(due) = activity.deadline(&site.limits) else { return Poll::Pending };
        if due < deadline.deadline() {
            deadline.as_mut().reset(due);
        }
        // Most requests put it off: the timer is set anew when it is over, rather than for each of them.
        while deadline.as_mut().poll(context).is_ready() {
            if due <= deadline.deadline() {
                return Poll::Ready(());
            }
            deadline.as_mut().reset(due);
        }
        Poll::Pending
    })
    .await;
}

async fn answer(
    site: &Site,
    request: hyper::Request<Incoming>,
    activity: &Arc<Activity>,
    stopped: &watch::Receiver<Phase>,
) -> Result<hyper::Response<Sent>, Infallible> {
    let answering = activity.begin_request();
    let access = Access::begin(activity.client(), &request);
    activity.turn().await;
    let response = site.answer(request, activity, Some(stopped)).await;
    Ok(site.finish(response, activity.place().is_contended(), answering, access))
}
