//! Expressions of metric maths, taken apart just far enough to find the ids in them.
//!
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html>

/// A piece of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A run of letters, digits and `_`: an id, a function, or a number.
    Word(&'a str),
    /// Anything else. Text in quotes is one piece with its quotes, whatever it holds: `SEARCH('...')` has no ids.
    Other(&'a str),
}

/// The pieces of an expression. Together they are the expression again.
///
/// A quote that nobody closes goes on to the end: CloudWatch refuses such an expression anyway.
pub fn pieces(expression: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '"' | '\'' => rest[1..].find(first).map(|end| end + 2),
            _ if is_word(first) => rest.find(|c| !is_word(c)),
            _ => rest.find(|c| is_word(c) || c == '"' || c == '\''),
        };
        let (piece, after) = rest.split_at(end.unwrap_or(rest.len()));
        pieces.push(if is_word(first) {
            Piece::Word(piece)
        } else {
            Piece::Other(piece)
        });
        rest = after;
    }
    pieces
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::Piece::{Other, Word};
    use super::*;

    #[test]
    fn words_are_whole_and_quotes_hide_them() {
        for (expression, expected) in [
            ("", vec![]),
            (
                "a1/(b_c)-1e3",
                vec![Word("a1"), Other("/("), Word("b_c"), Other(")-"), Word("1e3")],
            ),
            ("é a", vec![Other("é "), Word("a")]),
            (
                "F('a b') c",
                vec![Word("F"), Other("("), Other("'a b'"), Other(") "), Word("c")],
            ),
            (r#"'n="a"' b"#, vec![Other(r#"'n="a"'"#), Other(" "), Word("b")]),
            ("''a", vec![Other("''"), Word("a")]),
            ("a 'b", vec![Word("a"), Other(" "), Other("'b")]),
        ] {
            assert_eq!(pieces(expression), expected, "{expression}");
        }
    }
}
