//! Tunnels, byte for byte and with faults.

use std::io::ErrorKind;

use bytes::Bytes;
use inoculate_layer::faults::FaultKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::scene::{Calling, fault};
use super::server::{ADDRESS, pattern};
use crate::support::soon;

/// A host that does nothing by itself.
struct Host {
    listener: TcpListener,
    name: String,
}

impl Host {
    async fn new() -> Host {
        let listener = TcpListener::bind((ADDRESS, 0)).await.unwrap();
        let name = listener.local_addr().unwrap().to_string();
        Host { listener, name }
    }

    async fn accept(&self) -> TcpStream {
        soon("a connection to the host", self.listener.accept())
            .await
            .unwrap()
            .0
    }
}

async fn read(stream: &mut TcpStream, count: usize) -> Bytes {
    let mut bytes = vec![0; count];
    soon("bytes of a tunnel", stream.read_exact(&mut bytes)).await.unwrap();
    bytes.into()
}

/// What the other side says until it ends, and how it ends.
async fn rest(stream: &mut TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let ended = soon("the end of a tunnel", stream.read_to_end(&mut bytes)).await;
    (bytes, ended.err().map(|failure| failure.kind()))
}

/// A tunnel to a host that is named, opened while no invocation is under way, and its other side.
async fn before(effect: &str) -> (Calling, TcpStream, TcpStream) {
    let host = Host::new().await;
    let calling = Calling::idle(&host.name, &[fault(&host.name, effect)]).await;
    let mut tunnel = calling.tunnel(&host.name).await.unwrap();
    let mut there = host.accept().await;
    tunnel.write_all(b"before").await.unwrap();
    assert_eq!(read(&mut there, 6).await, "before");
    there.write_all(b"answered").await.unwrap();
    assert_eq!(read(&mut tunnel, 8).await, "answered");
    (calling, tunnel, there)
}

#[tokio::test]
async fn many_tunnels_carry_every_byte_both_ways_and_end_half_by_half() {
    let host = Host::new().await;
    // Named, and with a fault for another host.
    let calling = Calling::new(&host.name, &[fault("other.example.com", r#"{"effect":"hang"}"#)]).await;
    let sent = pattern(300_000);
    let mut all = JoinSet::new();
    for _ in 0..60 {
        let mut tunnel = calling.tunnel(&host.name).await.unwrap();
        let mut there = host.accept().await;
        let (from_here, from_there) = (sent.clone(), sent.slice(7..));
        all.spawn(async move {
            there.write_all(&from_there).await.unwrap();
            let (heard, ended) = rest(&mut there).await;
            assert_eq!((heard.len(), ended), (from_here.len(), None));
            assert!(heard == from_here, "bytes of the caller");
            there.write_all(b"the last word").await.unwrap();
        });
        let sent = sent.clone();
        all.spawn(async move {
            let (mut reading, mut writing) = tunnel.split();
            let write = async {
                writing.write_all(&sent).await.unwrap();
                writing.shutdown().await.unwrap();
            };
            let mut heard = Vec::new();
            let (ended, ()) = tokio::join!(reading.read_to_end(&mut heard), write);
            ended.unwrap();
            assert!(heard == [&sent[7..], b"the last word"].concat(), "bytes of the host");
        });
    }
    soon("all tunnels", all.join_all()).await;
}

#[tokio::test]
async fn a_tunnel_of_before_meets_the_faults_of_an_invocation_and_no_longer() {
    let (mut calling, mut tunnel, mut there) = before(r#"{"effect":"hang"}"#).await;
    calling.begin().await;
    tunnel.write_all(b"call").await.unwrap();
    calling.scene.interceptor.injecting(FaultKind::Dependency).await;
    assert_eq!(there.try_read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::WouldBlock);
    calling.end().await;
    assert_eq!(read(&mut there, 4).await, "call", "the fault ends with its invocation");
    there.write_all(b"late").await.unwrap();
    assert_eq!(read(&mut tunnel, 4).await, "late");
    let outcome = calling.scene.interceptor.outcome("r").await;
    assert_eq!(outcome.injected, [FaultKind::Dependency]);
    assert_eq!(calling.scene.runtime.next().await.request_id, "other");
    tunnel.write_all(b"next").await.unwrap();
    assert_eq!(read(&mut there, 4).await, "next");
}

#[tokio::test]
async fn a_fault_ends_with_the_release() {
    let (mut calling, mut tunnel, mut there) = before(r#"{"effect":"hang"}"#).await;
    calling.begin().await;
    tunnel.write_all(b"call").await.unwrap();
    calling.scene.interceptor.injecting(FaultKind::Dependency).await;
    calling.scene.interceptor.release();
    assert_eq!(read(&mut there, 4).await, "call");
    calling.end().await;
    assert!(calling.scene.interceptor.outcome("r").await.cut_short);
}

#[tokio::test]
async fn a_host_does_not_see_a_call_that_its_caller_has_given_up() {
    let (mut calling, mut tunnel, mut there) = before(r#"{"effect":"hang"}"#).await;
    calling.begin().await;
    tunnel.write_all(b"call").await.unwrap();
    calling.scene.interceptor.injecting(FaultKind::Dependency).await;
    drop(tunnel);
    assert_eq!(rest(&mut there).await.0, b"");
}

#[tokio::test]
async fn a_tunnel_breaks_in_the_middle_of_an_answer() {
    let (mut calling, mut tunnel, mut there) = before(r#"{"effect":"reset"}"#).await;
    calling.begin().await;
    tunnel.write_all(b"call").await.unwrap();
    assert_eq!(read(&mut there, 4).await, "call", "the host sees it");
    there.write_all(b"answer").await.unwrap();
    let (heard, ended) = rest(&mut tunnel).await;
    assert_eq!(
        (heard.as_slice(), ended),
        (&b"ans"[..], Some(ErrorKind::ConnectionReset))
    );
}

#[tokio::test]
async fn a_call_in_a_tunnel_finds_nobody() {
    let (mut calling, mut tunnel, mut there) = before(r#"{"effect":"refuse"}"#).await;
    calling.begin().await;
    tunnel.write_all(b"call").await.unwrap();
    assert_eq!(rest(&mut tunnel).await, (vec![], Some(ErrorKind::ConnectionReset)));
    assert_eq!(rest(&mut there).await.0, b"");
}

#[tokio::test]
async fn little_bandwidth_ends_with_its_invocation() {
    let (mut calling, mut tunnel, mut there) = before(r#"{"effect":"bandwidth","bytes_per_second":20}"#).await;
    calling.begin().await;
    tunnel.write_all(b"!").await.unwrap();
    assert_eq!(read(&mut there, 1).await, "!");
    let answer = pattern(2_000_000);
    let sent = answer.clone();
    let host = tokio::spawn(async move { there.write_all(&sent).await.unwrap() });
    assert_eq!(read(&mut tunnel, 3).await, answer[..3], "a day is left");
    calling.end().await;
    let (all, ended) = {
        drop(calling);
        tokio::join!(read(&mut tunnel, answer.len() - 3), host)
    };
    ended.unwrap();
    assert!(all == answer[3..], "the same bytes");
}

#[tokio::test]
async fn only_the_calls_of_a_certain_invocation_meet_faults() {
    let (mut calling, mut tunnel, mut there) = before(r#"{"effect":"refuse"}"#).await;
    tunnel.write_all(b"none").await.unwrap();
    assert_eq!(read(&mut there, 4).await, "none", "no invocation is under way");
    there.write_all(b"!").await.unwrap();
    assert_eq!(read(&mut tunnel, 1).await, "!");
    calling.begin().await;
    // What the host says, and what TLS needs, is no call.
    there.write_all(b"?").await.unwrap();
    assert_eq!(read(&mut tunnel, 1).await, "?");
    let alert = [&[23, 3, 3, 0, 19][..], &[7; 19]].concat();
    tunnel.write_all(&alert).await.unwrap();
    assert_eq!(read(&mut there, 24).await, alert);
    calling.end().await;
    assert_eq!(calling.scene.interceptor.outcome("r").await.injected, []);
}

#[tokio::test]
async fn the_percent_is_drawn_once_for_a_tunnel_and_its_first_call() {
    let host = Host::new().await;
    let calls = format!(r#"{{"host":"{}","percent":50}}"#, host.name);
    let half = format!(r#"{{"kind":"dependency","calls":{calls},"effect":{{"effect":"refuse"}}}}"#);
    let calling = Calling::new(&host.name, &[half]).await;
    let mut opened = 0;
    for _ in 0..60 {
        let Ok(mut tunnel) = calling.tunnel(&host.name).await else {
            continue;
        };
        let mut there = host.accept().await;
        tunnel.write_all(b"call").await.unwrap();
        assert_eq!(read(&mut there, 4).await, "call");
        opened += 1;
    }
    // Of the binomial distribution: anything else is less likely than one in a billion.
    assert!((8..53).contains(&opened), "{opened}");
}

#[tokio::test]
async fn where_nobody_is_the_connection_is_reset() {
    let gone = Host::new().await.name;
    let calling = Calling::new(&gone, &[]).await;
    for host in [gone.as_str(), "nowhere.invalid:443"] {
        let failed = calling.tunnel(host).await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::ConnectionReset, "{host}");
    }
}

#[tokio::test]
async fn a_new_tunnel_of_an_invocation_finds_nobody_or_waits() {
    for effect in ["refuse", "hang"] {
        let host = Host::new().await;
        let calling = Calling::new(&host.name, &[fault(&host.name, &format!(r#"{{"effect":"{effect}"}}"#))]).await;
        if effect == "refuse" {
            let failed = calling.tunnel(&host.name).await.unwrap_err();
            assert_eq!(failed.kind(), ErrorKind::ConnectionReset);
            continue;
        }
        tokio::select! {
            opened = calling.tunnel(&host.name) => panic!("{opened:?}"),
            () = calling.scene.interceptor.injecting(FaultKind::Dependency) => {}
        }
    }
}
