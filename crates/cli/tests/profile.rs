//! Whose credentials the built command uses: a profile that is named wins over the environment.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;

const PROFILES: &str = "[profile lab]
region = eu-north-1
aws_access_key_id = AKIAOFTHEPROFILE
aws_secret_access_key = secret
";

/// Answers one request with "no", and returns its head.
fn refuse_one(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    stream
        .write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        .unwrap();
    String::from_utf8(head).unwrap()
}

/// What the command signs its first request with: `AKIA.../date/region/service`.
fn signs_as(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let profiles = folder.path().join("config");
    std::fs::write(&profiles, PROFILES).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || refuse_one(&listener));
    let output = Command::new(env!("CARGO_BIN_EXE_inoculate"))
        .args(arguments)
        .env_clear()
        .env("HOME", folder.path())
        .env("AWS_CONFIG_FILE", &profiles)
        .env("AWS_ENDPOINT_URL", format!("http://{address}"))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ACCESS_KEY_ID", "AKIAOFENVIRONMENT")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    // When the command asked nobody, this ends the waiting, and the test.
    drop(TcpStream::connect(address));
    let head = server.join().unwrap();
    let signature = head.split("Credential=").nth(1).unwrap_or(&head);
    signature.split(',').next().unwrap_or_default().to_owned()
}

#[test]
fn a_named_profile_wins_over_the_environment_and_a_named_region_over_both() {
    for (arguments, key, region) in [
        (&["list"][..], "AKIAOFENVIRONMENT", "eu-west-1"),
        (&["list", "--profile", "lab"], "AKIAOFTHEPROFILE", "eu-west-1"),
        (
            &["list", "--profile", "lab", "--region", "us-east-2"],
            "AKIAOFTHEPROFILE",
            "us-east-2",
        ),
    ] {
        let signature = signs_as(arguments);
        assert!(signature.starts_with(key), "{arguments:?}: {signature}");
        assert!(
            signature.contains(&format!("/{region}/sts/")),
            "{arguments:?}: {signature}"
        );
    }
}
