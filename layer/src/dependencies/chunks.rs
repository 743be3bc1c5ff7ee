//! Bodies whose chunks are signed one by one: uploads to S3 over plain HTTP.
//!
//! Each signature goes into the next, and the first is that of the request. So when the request is signed again, all
//! of them are. The length of the body stays the same.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>

use bytes::{Buf, Bytes, BytesMut};
use sha2::{Digest, Sha256};

use super::signature::{Signer, sha256, written};

/// The largest chunk, of which one is held in memory. SDKs make chunks of 64 KB to 1 MB.
const MAX_CHUNK: usize = 64 * 1024 * 1024;

/// The longest line before a chunk, and the most that comes after the last.
const MAX_LINE: usize = 16 * 1024;

const SIGNATURE: &str = ";chunk-signature=";
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature:";

/// A body that is not of this form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a body with signed chunks is not understood")]
pub struct BadChunk;

/// Signs the chunks of a body again.
#[derive(Debug)]
pub struct Resigner {
    signer: Signer,
    /// The last signature of the caller, and the last one of ours.
    previous: (String, String),
    held: BytesMut,
    /// The chunk that `held` begins with, as soon as the line before it is there.
    chunk: Option<Chunk>,
    /// The last chunk is over: only trailers follow.
    ended: bool,
}

/// A chunk of which a part is there.
#[derive(Debug)]
struct Chunk {
    /// How long it is, as it is written.
    size: String,
    /// Its signature.
    given: String,
    /// Where it begins and ends in what is held.
    begin: usize,
    end: usize,
    /// The hash of what is there of it, up to this place. Taken as it comes: all at once would keep everybody waiting.
    hash: Sha256,
    hashed: usize,
}

impl Resigner {
    /// For the body of a request that had the signature `old` and has `new` now.
    pub fn new(signer: Signer, old: String, new: String) -> Resigner {
        Resigner {
            signer,
            previous: (old, new),
            held: BytesMut::new(),
            chunk: None,
            ended: false,
        }
    }

    /// Takes a part of the body as it came. Returns what can go on: whole chunks.
    ///
    /// # Errors
    /// When it is not of this form.
    pub fn take(&mut self, data: &[u8]) -> Result<Bytes, BadChunk> {
        self.held.extend_from_slice(data);
        let mut out = BytesMut::new();
        while !self.ended {
            let Some(chunk) = self.next_chunk()? else {
                break;
            };
            out.extend_from_slice(&chunk);
        }
        if self.ended && self.held.len() > MAX_LINE {
            return Err(BadChunk);
        }
        Ok(out.freeze())
    }

    /// The body is over. Returns what is left.
    ///
    /// # Errors
    /// When it ended too early.
    pub fn end(&mut self) -> Result<Bytes, BadChunk> {
        if !self.ended {
            return Err(BadChunk);
        }
        let rest = self.held.split();
        let rest = std::str::from_utf8(&rest).map_err(|_| BadChunk)?;
        let Some((trailers, given)) = rest.split_once(TRAILER_SIGNATURE) else {
            return Ok(Bytes::copy_from_slice(rest.as_bytes()));
        };
        let (given, after) = given.split_once("\r\n").unwrap_or((given, ""));
        let lines = trailers.split("\r\n").filter(|line| !line.is_empty());
        let mut canonical: Vec<String> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| format!("{}:{}\n", name.trim().to_ascii_lowercase(), value.trim()))
            .collect();
        canonical.sort_unstable();
        let (old, new) = &self.previous;
        let hash = sha256(canonical.concat().as_bytes());
        // What is wrong stays wrong.
        let right = self.signer.trailer(old, &hash) == given.trim();
        let signed = if right {
            self.signer.trailer(new, &hash)
        } else {
            given.to_owned()
        };
        Ok(format!("{trailers}{TRAILER_SIGNATURE}{signed}\r\n{after}").into())
    }

    /// The next whole chunk, signed again. `None` if it is not there yet.
    fn next_chunk(&mut self) -> Result<Option<Bytes>, BadChunk> {
        let mut chunk = match self.chunk.take() {
            Some(chunk) => chunk,
            None => match self.begun()? {
                Some(chunk) => chunk,
                None => return Ok(None),
            },
        };
        let there = self.held.len().min(chunk.end);
        chunk.hash.update(&self.held[chunk.hashed..there]);
        chunk.hashed = there;
        // The line break of the last chunk is that of the trailers.
        let is_last = chunk.begin == chunk.end;
        let whole = if is_last { chunk.end } else { chunk.end + 2 };
        if self.held.len() < whole {
            self.chunk = Some(chunk);
            return Ok(None);
        }
        let hash = written(chunk.hash);
        let (old, new) = (
            self.signer.chunk(&self.previous.0, &hash),
            self.signer.chunk(&self.previous.1, &hash),
        );
        // What is wrong stays wrong.
        let signed = if old == chunk.given { new } else { chunk.given.clone() };
        let mut out = BytesMut::from(format!("{}{SIGNATURE}{signed}\r\n", chunk.size).as_bytes());
        out.extend_from_slice(&self.held[chunk.begin..whole]);
        self.previous = (chunk.given, signed);
        self.held.advance(whole);
        self.ended = is_last;
        Ok(Some(out.freeze()))
    }

    /// The chunk that `held` begins with. `None` if the line before it is not there yet.
    fn begun(&self) -> Result<Option<Chunk>, BadChunk> {
        let Some(end) = self.held.windows(2).position(|pair| pair == b"\r\n") else {
            let too_long = self.held.len() > MAX_LINE;
            return if too_long { Err(BadChunk) } else { Ok(None) };
        };
        let line = std::str::from_utf8(&self.held[..end]).map_err(|_| BadChunk)?;
        let (size, given) = line.split_once(SIGNATURE).ok_or(BadChunk)?;
        let length = usize::from_str_radix(size, 16).map_err(|_| BadChunk)?;
        if length > MAX_CHUNK {
            return Err(BadChunk);
        }
        let begin = end + 2;
        Ok(Some(Chunk {
            size: size.to_owned(),
            given: given.to_owned(),
            begin,
            end: begin + length,
            hash: Sha256::new(),
            hashed: begin,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        let signature = super::super::signature::Signature {
            place: super::super::signature::Place::Header,
            key_id: "AKID".into(),
            scope: "20231114/eu-west-1/s3/aws4_request".into(),
            time: "20231114T000000Z".into(),
            headers: vec!["host".into()],
            value: "old".into(),
        };
        signature.signer("secret").unwrap()
    }

    /// A body of these chunks, signed after `seed`.
    fn body(seed: &str, chunks: &[&str]) -> String {
        let (signer, mut previous, mut body) = (signer(), seed.to_owned(), String::new());
        for chunk in chunks.iter().chain(&[""]) {
            previous = signer.chunk(&previous, &sha256(chunk.as_bytes()));
            body += &format!("{:x};chunk-signature={previous}\r\n{chunk}", chunk.len());
            body += if chunk.is_empty() { "" } else { "\r\n" };
        }
        body + "\r\n"
    }

    #[test]
    fn parts_make_no_difference() {
        let (old, new) = (
            body("old", &["hello", "\r\n\r\n0"]),
            body("new", &["hello", "\r\n\r\n0"]),
        );
        for size in 1..old.len() {
            let mut resigner = Resigner::new(signer(), "old".into(), "new".into());
            let mut out = Vec::new();
            for part in old.as_bytes().chunks(size) {
                out.extend(resigner.take(part).unwrap());
            }
            out.extend(resigner.end().unwrap());
            assert_eq!(String::from_utf8(out).unwrap(), new);
        }
    }

    #[test]
    fn what_is_no_such_body_is_not_passed_on() {
        let mut resigner = Resigner::new(signer(), "old".into(), "new".into());
        assert_eq!(resigner.end(), Err(BadChunk), "it ended too early");
        for wrong in [
            "5\r\nhello\r\n",
            "x;chunk-signature=0\r\n",
            "fffffffff;chunk-signature=0\r\n",
            &"5".repeat(MAX_LINE + 1),
        ] {
            let mut resigner = Resigner::new(signer(), "old".into(), "new".into());
            assert_eq!(resigner.take(wrong.as_bytes()), Err(BadChunk), "{}", &wrong[..5]);
        }
    }
}
