//! Answers that arrive damaged. Bytes are damaged on their way, so that a streamed answer still streams.

use bytes::{Bytes, BytesMut};
use hyper::body::Frame;
use inoculate_core::fault::Corruption;

/// Damages one body, frame by frame.
#[derive(Debug)]
pub struct Garbler {
    corruption: Corruption,
    position: u64,
}

impl Garbler {
    /// Starts at the first byte of a body.
    pub fn new(corruption: Corruption) -> Garbler {
        Garbler {
            corruption,
            position: 0,
        }
    }

    /// The length of the damaged body, if the length of the whole one is known. All in bytes.
    pub fn length(&self, whole: u64) -> u64 {
        match &self.corruption {
            Corruption::Truncate { keep_bytes } => whole.min(*keep_bytes),
            Corruption::Garble { .. } => whole,
        }
    }

    /// What arrives of a frame. Frames after the end are empty: the sender is heard to its end, but not passed on.
    pub fn frame(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        frame.map_data(|data| self.data(data))
    }

    fn data(&mut self, mut data: Bytes) -> Bytes {
        let start = self.position;
        self.position += data.len() as u64;
        match &self.corruption {
            Corruption::Truncate { keep_bytes } => {
                let room = usize::try_from(keep_bytes.saturating_sub(start)).unwrap_or(usize::MAX);
                data.truncate(room);
                data
            }
            Corruption::Garble { every_bytes } => garble(&data, start, u64::from(*every_bytes).max(1)),
        }
    }
}

/// Turns over the lowest bits of every `every`-th byte of a body, of which `data` begins at `start`: enough to break
/// numbers, names, quotes and braces.
fn garble(data: &[u8], start: u64, every: u64) -> Bytes {
    let mut garbled = BytesMut::from(data);
    let first = (every - start % every) % every;
    let (first, every) = (
        usize::try_from(first).unwrap_or(usize::MAX),
        usize::try_from(every).unwrap_or(usize::MAX),
    );
    garbled
        .iter_mut()
        .skip(first)
        .step_by(every)
        .for_each(|byte| *byte ^= 0b101);
    garbled.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What arrives of `text`, sent in frames of `size` bytes.
    fn arrives(corruption: &Corruption, text: &str, size: usize) -> String {
        let mut garbler = Garbler::new(corruption.clone());
        let frames = text.as_bytes().chunks(size).map(Bytes::copy_from_slice);
        let bytes: Vec<u8> = frames.flat_map(|frame| garbler.data(frame)).collect();
        assert_eq!(bytes.len() as u64, garbler.length(text.len() as u64));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn frames_make_no_difference() {
        for size in 1..12 {
            let text = r#"{"ok":true}"#;
            assert_eq!(arrives(&Corruption::Truncate { keep_bytes: 4 }, text, size), r#"{"ok"#);
            assert_eq!(arrives(&Corruption::Truncate { keep_bytes: 0 }, text, size), "");
            assert_eq!(arrives(&Corruption::Truncate { keep_bytes: 99 }, text, size), text);
            assert_eq!(
                arrives(&Corruption::Garble { every_bytes: 4 }, text, size),
                r#"~"ok':trpe}"#
            );
        }
    }
}
