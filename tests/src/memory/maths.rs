//! As much of CloudWatch's metric maths as tests need: numbers, ids, `+ - * /` and brackets.

use inoculate_core::error::{Code, Error, Result};

/// The value of an id: `None` when there is no such id, `Some(None)` when it has no data.
type Ids<'a> = &'a dyn Fn(&str) -> Option<Option<f64>>;

/// The value of an expression; `None` when data is missing or the result is not a number.
///
/// # Errors
/// [`Code::InvalidExperiment`] when the expression cannot be read.
pub(super) fn value(expression: &str, ids: Ids<'_>) -> Result<Option<f64>> {
    let mut reader = Reader {
        rest: expression.trim(),
        ids,
    };
    match reader.sum() {
        Ok(value) if reader.rest.is_empty() => Ok(value.filter(|value| value.is_finite())),
        Ok(_) => Err(reader.unreadable()),
        Err(error) => Err(error),
    }
}

struct Reader<'a> {
    rest: &'a str,
    ids: Ids<'a>,
}

impl<'a> Reader<'a> {
    fn sum(&mut self) -> Result<Option<f64>> {
        let mut value = self.product()?;
        loop {
            value = if self.took("+") {
                both(value, self.product()?, |a, b| a + b)
            } else if self.took("-") {
                both(value, self.product()?, |a, b| a - b)
            } else {
                return Ok(value);
            };
        }
    }

    fn product(&mut self) -> Result<Option<f64>> {
        let mut value = self.factor()?;
        loop {
            value = if self.took("*") {
                both(value, self.factor()?, |a, b| a * b)
            } else if self.took("/") {
                both(value, self.factor()?, |a, b| a / b)
            } else {
                return Ok(value);
            };
        }
    }

    fn factor(&mut self) -> Result<Option<f64>> {
        if self.took("-") {
            return Ok(self.factor()?.map(|value| -value));
        }
        if self.took("(") {
            let value = self.sum()?;
            return if self.took(")") {
                Ok(value)
            } else {
                Err(self.unreadable())
            };
        }
        let word = self.word();
        if let Ok(number) = word.parse() {
            return Ok(Some(number));
        }
        (self.ids)(word).ok_or_else(|| self.unreadable())
    }

    fn word(&mut self) -> &'a str {
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || "_.".contains(letter);
        let end = self.rest.find(|letter| !is_part(letter)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        word
    }

    fn took(&mut self, sign: &str) -> bool {
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn unreadable(&self) -> Error {
        let message = format!("the world in memory cannot read the expression at `{}`", self.rest);
        Error::new(Code::InvalidExperiment, message)
    }
}

fn both(a: Option<f64>, b: Option<f64>, of: impl Fn(f64, f64) -> f64) -> Option<f64> {
    Some(of(a?, b?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_come_to_their_value() {
        let ids = |id: &str| match id {
            "failed" => Some(Some(5.0)),
            "placed" => Some(Some(20.0)),
            "none" => Some(None),
            "zero" => Some(Some(0.0)),
            _ => None,
        };
        for (expression, expected) in [
            ("100 * failed / placed", Some(25.0)),
            ("100*(failed+placed)/placed - -1", Some(126.0)),
            ("2 - 1 - 1", Some(0.0)),
            ("0.5 * placed", Some(10.0)),
            ("failed / none", None),
            ("failed / zero", None),
        ] {
            assert_eq!(value(expression, &ids).unwrap(), expected, "{expression}");
        }
        for unreadable in ["", "failed +", "(failed", "unknown", "failed placed", "SUM(METRICS())"] {
            assert_eq!(
                value(unreadable, &ids).unwrap_err().code,
                Code::InvalidExperiment,
                "{unreadable}"
            );
        }
    }
}
