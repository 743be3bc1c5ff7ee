//! Texts that may come from anybody, made fit to be told: one line each, and not too long.

/// The most bytes of a text in words.
pub(super) const TEXT: usize = 4_000;
/// The most bytes of one of many texts: a fault, a command, an ARN. The longest command that there can be is shorter, so that
/// none is ever cut.
pub(super) const LINE: usize = 800;
/// The most texts in a list. An experiment has at most 20 faults, and touches and watches at most 40 functions.
const LINES: usize = 45;

/// What stands where a text was cut.
const CUT: &str = " ...";

/// The text on one line, cut between characters if it is longer than this many bytes.
///
/// Whatever could begin a line of its own, or turn or hide what follows, becomes a blank.
pub(super) fn plain(text: &str, longest: usize) -> String {
    let mut plain = String::with_capacity(text.len().min(longest));
    for c in text.trim().chars() {
        let c = if is_unsafe(c) { ' ' } else { c };
        if plain.len() + c.len_utf8() > longest {
            cut(&mut plain, longest);
            break;
        }
        plain.push(c);
    }
    plain
}

fn cut(text: &mut String, longest: usize) {
    while text.len() + CUT.len() > longest {
        text.pop();
    }
    text.push_str(CUT);
}

/// The same for each of a list, which is cut, too; its last line says so.
pub(super) fn plain_lines(lines: &[String], longest: usize) -> Vec<String> {
    let mut plain: Vec<String> = lines
        .iter()
        .take(LINES)
        .map(|line| self::plain(line, longest))
        .collect();
    if lines.len() > LINES {
        plain.push(format!("and {} more", lines.len() - LINES));
    }
    plain
}

/// Whether a character does something else than be seen: control characters, the separators of lines and paragraphs, and the
/// marks that change the direction of what follows, with which a line can look like another one
/// (<https://trojansource.codes>).
pub fn is_unsafe(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_in_a_text_begins_a_line_of_its_own() {
        assert_eq!(
            plain("  two\nlines\r\n\u{202e}turned\u{2028}", 100),
            "two lines   turned"
        );
        assert_eq!(plain("plain — ünd so", 100), "plain — ünd so");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(plain("abcdefghij", 10), "abcdefghij");
        assert_eq!(plain("abcdefghijk", 10), "abcdef ...");
        assert_eq!(plain("ééééééé", 10), "ééé ...");
    }

    #[test]
    fn a_long_list_says_how_much_is_missing() {
        let lines: Vec<String> = (0..LINES + 3).map(|line| line.to_string()).collect();
        let cut = plain_lines(&lines, LINE);
        assert_eq!((cut.len(), cut[LINES].as_str()), (LINES + 1, "and 3 more"));
        assert_eq!(plain_lines(&lines[..LINES], LINE), lines[..LINES]);
    }

    proptest! {
        #[test]
        fn any_text_is_one_line_and_short_enough(text in any::<String>(), longest in 4usize..40) {
            let plain = plain(&text, longest);
            prop_assert!(plain.len() <= longest);
            prop_assert!(!plain.chars().any(is_unsafe));
        }
    }
}
