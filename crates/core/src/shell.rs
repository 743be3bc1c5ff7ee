//! Commands that people copy into a shell.

use std::borrow::Cow;

/// A text as one word of a POSIX shell, whatever is in it: as it is where nothing in it means something to a shell, else in
/// single quotes.
pub fn word(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.,:/@%+=".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// What a shell makes of it.
    fn read(command: &str) -> String {
        let output = Command::new("/bin/sh").args(["-c", command]).output().unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn plain_words_stay_as_they_are() {
        for plain in [
            "payments",
            "arn:aws:sqs:eu-west-1:123456789012:shop_orders.fifo",
            "a/b-1",
        ] {
            assert_eq!(word(plain), plain);
        }
        assert_eq!(word(""), "''");
        assert_eq!(word("list[0].id"), "'list[0].id'");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_shell_reads_one_word_and_does_nothing_else(text in r#"[^\x00]{0,8}|[ '"`$();&|<>*?~#!\\\n\[\]{}a]{0,12}"#) {
            prop_assert_eq!(read(&format!("printf '%s|' {} end", word(&text))), format!("{text}|end|"));
        }
    }
}
