//! A name with several addresses: they are tried one after the other, each a little later than the
//! one before, and the first to answer wins (RFC 8305).

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::sleep;

/// How long an address is alone until the next is tried beside it (RFC 8305, 5: 250 ms). A refusal
/// ends the wait.
const HEAD_START: Duration = Duration::from_millis(250);

/// Addresses that are tried: with more, the last would begin after two seconds, half of the usual
/// `connect_timeout`.
const MAX_ADDRESSES: usize = 8;

/// The first connection that `connect` makes. All others are dropped, which closes them: nothing
/// was sent over them.
///
/// When none comes about: that one was refused, if any was, or else the last error.
pub(super) async fn race<T, F>(addresses: Vec<SocketAddr>, connect: impl Fn(SocketAddr) -> F) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut waiting = interleaved(addresses).into_iter().take(MAX_ADDRESSES);
    let mut under_way = FuturesUnordered::new();
    let mut failure = io::Error::new(ErrorKind::NotFound, "the name has no address");
    loop {
        under_way.extend(waiting.next().map(&connect));
        let is_last = waiting.len() == 0;
        tokio::select! {
            // An answer counts before the time of the next: no connection is begun in vain.
            biased;
            outcome = under_way.next() => match outcome {
                Some(Ok(connection)) => return Ok(connection),
                // A refusal says that the machine is up, which
                // tells the operator more than a timeout.
                Some(Err(error)) if failure.kind() != ErrorKind::ConnectionRefused => failure = error,
                Some(Err(_)) => {}
                None => return Err(failure),
            },
            () = sleep(HEAD_START), if !is_last => {}
        }
    }
}

/// One family after the other in turn, beginning with the first one's; within a family in the order
/// in which they came.
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().copied() else { return addresses };
    let (mut preferred, mut other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == first.is_ipv4());
    let mut mixed = Vec::with_capacity(preferred.len() + other.len());
    let (mut preferred, mut other) = (preferred.drain(..), other.drain(..));
    loop {
        let before = mixed.len();
        mixed.extend(preferred.next());
        mixed.extend(other.next());
        if mixed.len() == before {
            return mixed;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    /// What an address does, after how many milliseconds.
    #[derive(Clone, Copy)]
    enum Then {
        Connects(u64),
        Fails(u64, ErrorKind),
        Hangs,
    }

    /// Runs a race; the winner's number or the error, when it was over in ms, and when each was
    /// tried.
    async fn run(script: &[Then]) -> (Result<usize, ErrorKind>, u128, Vec<(usize, u128)>) {
        let began = Instant::now();
        let tried = Mutex::new(Vec::new());
        let addresses = (0..).take(script.len()).map(|at| SocketAddr::from(([127, 0, 0, 1], at))).collect();
        let outcome = race(addresses, |address| {
            let at = usize::from(address.port());
            tried.lock().unwrap().push((at, began.elapsed().as_millis()));
            async move {
                match script[at] {
                    Then::Connects(after) => {
                        sleep(Duration::from_millis(after)).await;
                        Ok(at)
                    }
                    Then::Fails(after, kind) => {
                        sleep(Duration::from_millis(after)).await;
                        Err(kind.into())
                    }
                    Then::Hangs => std::future::pending().await,
                }
            }
        })
        .await;
        (outcome.map_err(|error| error.kind()), began.elapsed().as_millis(), tried.into_inner().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_to_answer_wins() {
        use Then::{Connects, Fails, Hangs};
        let refused = ErrorKind::ConnectionRefused;
        for (script, winner, over, tried) in [
            (&[Connects(10), Connects(0)][..], Ok(0), 10, &[(0, 0)][..]),
            (&[Hangs, Connects(20)], Ok(1), 270, &[(0, 0), (1, 250)]),
            (&[Hangs, Hangs, Connects(5)], Ok(2), 505, &[(0, 0), (1, 250), (2, 500)]),
            (&[Connects(300), Connects(100)], Ok(0), 300, &[(0, 0), (1, 250)]),
            (&[Fails(3, refused), Connects(4)], Ok(1), 7, &[(0, 0), (1, 3)]),
            (&[Hangs, Fails(0, refused), Connects(1)], Ok(2), 251, &[(0, 0), (1, 250), (2, 250)]),
            (&[Fails(1, refused), Fails(1, ErrorKind::TimedOut)], Err(refused), 2, &[(0, 0), (1, 1)]),
            (&[], Err(ErrorKind::NotFound), 0, &[]),
        ] {
            assert_eq!(run(script).await, (winner, over, tried.to_vec()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_eight_are_tried() {
        let (outcome, over, tried) = run(&[Then::Fails(2500, ErrorKind::TimedOut); 20]).await;
        assert_eq!((outcome, over, tried.len()), (Err(ErrorKind::TimedOut), 4250, 8));
    }

    #[test]
    fn families_take_turns() {
        let addresses =
            |texts: &[&str]| -> Vec<SocketAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        let mixed = interleaved(addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1", "1.0.0.2:1"]));
        assert_eq!(mixed, addresses(&["[::1]:1", "1.0.0.1:1", "[::2]:1", "1.0.0.2:1", "[::3]:1"]));
        assert_eq!(interleaved(addresses(&["1.0.0.1:1", "[::1]:1"])), addresses(&["1.0.0.1:1", "[::1]:1"]));
    }
}
