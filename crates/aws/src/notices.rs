//! Notices through SNS.

use async_trait::async_trait;
use aws_sdk_sns::Client;
use inoculate_core::error::Result;
use inoculate_core::ports::Notices;

use crate::error::Service;

/// The most characters of a subject. Source: <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
const LONGEST_SUBJECT: usize = 100;
/// The most bytes of a message. Source: as above.
const LARGEST_BODY: usize = 256 * 1024;

/// A topic that people subscribe to; without one, nobody is told.
#[derive(Debug, Clone)]
pub(crate) struct SnsNotices {
    client: Client,
    topic_arn: Option<String>,
    service: Service,
}

impl SnsNotices {
    pub(crate) fn new(client: Client, topic_arn: Option<String>, service: Service) -> Self {
        SnsNotices {
            client,
            topic_arn,
            service,
        }
    }
}

#[async_trait]
impl Notices for SnsNotices {
    async fn publish(&self, subject: &str, body: &str) -> Result<()> {
        let Some(topic_arn) = &self.topic_arn else {
            return Ok(());
        };
        let request = self.client.publish().topic_arn(topic_arn).subject(fit_subject(subject));
        let answer = request.message(fit_body(body)).send().await;
        answer.map_err(|error| self.service.error(format_args!("publishing to {topic_arn}"), error))?;
        Ok(())
    }
}

/// A subject as SNS takes it: printable ASCII on one line, beginning with a letter, digit or sign, not too long.
fn fit_subject(subject: &str) -> String {
    let plain: String = subject
        .chars()
        .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' })
        .collect();
    let mut plain = plain.trim().to_owned();
    plain.truncate(LONGEST_SUBJECT);
    if plain.is_empty() {
        "Inoculate".to_owned()
    } else {
        plain
    }
}

/// As much of a body as SNS takes, cut between characters.
fn fit_body(body: &str) -> &str {
    let body = if body.is_empty() { "-" } else { body };
    let mut end = body.len().min(LARGEST_BODY);
    while !body.is_char_boundary(end) {
        end -= 1;
    }
    &body[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_made_to_fit() {
        assert_eq!(fit_subject("run a: upheld"), "run a: upheld");
        assert_eq!(fit_subject(" two\nlines — ünd so\t"), "two?lines ? ?nd so?");
        assert_eq!(fit_subject(""), "Inoculate");
        assert_eq!(fit_subject(&"é".repeat(300)).len(), LONGEST_SUBJECT);
    }

    #[test]
    fn a_body_is_cut_between_characters() {
        assert_eq!(fit_body("é"), "é");
        assert_eq!(fit_body(""), "-");
        let long = format!("a{}", "é".repeat(LARGEST_BODY));
        assert!(fit_body(&long).len() >= LARGEST_BODY - 1 && fit_body(&long).len() <= LARGEST_BODY);
    }
}
