//! Notices: to people through SNS, to programs through EventBridge.

use async_trait::async_trait;
use aws_sdk_sns::Client;
use futures_util::future::join;
use inoculate_core::error::{Error, Result};
use inoculate_core::notice::Notice;
use inoculate_core::ports::Notices;

use crate::error::Service;
use crate::events::EventBus;

/// The most characters of a subject. Source: <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
const LONGEST_SUBJECT: usize = 100;
/// The most bytes of a message. Source: as above.
const LARGEST_BODY: usize = 256 * 1024;

/// A topic and a bus, neither of which waits for the other. Without a topic no person is told, without a bus no program.
#[derive(Debug, Clone)]
pub(crate) struct AwsNotices {
    pub(crate) topic: Option<Topic>,
    pub(crate) bus: Option<EventBus>,
}

/// A topic that people subscribe to.
#[derive(Debug, Clone)]
pub(crate) struct Topic {
    pub(crate) client: Client,
    pub(crate) arn: String,
    pub(crate) service: Service,
}

#[async_trait]
impl Notices for AwsNotices {
    async fn publish(&self, notice: &Notice) -> Result<()> {
        let people = async {
            match &self.topic {
                Some(topic) => topic.publish(notice).await,
                None => Ok(()),
            }
        };
        let programs = async {
            match &self.bus {
                Some(bus) => bus.put(notice).await,
                None => Ok(()),
            }
        };
        match join(people, programs).await {
            (Err(one), Err(other)) => Err(Error::new(one.code, format!("{one}; and {other}"))),
            (people, programs) => people.and(programs),
        }
    }
}

impl Topic {
    async fn publish(&self, notice: &Notice) -> Result<()> {
        let Topic { client, arn, service } = self;
        let request = client.publish().topic_arn(arn).subject(fit_subject(&notice.subject()));
        let answer = request.message(fit_body(&notice.body())).send().await;
        answer.map_err(|error| service.error(format_args!("publishing to {arn}"), error))?;
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
    use crate::connect::{Aws, Names};
    use crate::testing::Script;
    use inoculate_core::error::Code;
    use inoculate_core::ports::Halt;
    use serde_json::{Value, json};

    const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:inoculate-notices";
    const PUBLISHED: &str =
        "<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>";
    const PUT: &str = r#"{"FailedEntryCount":0,"Entries":[{"EventId":"e"}]}"#;

    fn notice() -> Notice {
        let since = jiff::Timestamp::UNIX_EPOCH;
        let reason = "an incident".to_owned();
        Notice::halted("inoculate", &Halt { reason, since })
    }

    async fn publish(answers: [(u16, &str); 2]) -> (Result<()>, Script) {
        let http = Script::new(answers);
        let names = Names {
            notices_topic_arn: Some(TOPIC.to_owned()),
            event_bus: Some("ops".to_owned()),
            ..http.names()
        };
        let notices = Aws::with(http.config()).unwrap().ports(&names).notices;
        (notices.publish(&notice()).await, http)
    }

    /// What was sent to SNS, and the one entry that was sent to EventBridge. Fails the test when either is missing.
    fn sent(http: &Script) -> (String, Value) {
        let requests = http.requests();
        let events = requests
            .iter()
            .find(|sent| sent.operation == "AWSEvents.PutEvents")
            .unwrap();
        let people = requests
            .iter()
            .find(|sent| sent.body.contains("Action=Publish"))
            .unwrap();
        let entries: Value = serde_json::from_str(&events.body).unwrap();
        assert_eq!(entries["Entries"].as_array().unwrap().len(), 1);
        (people.body.clone(), entries["Entries"][0].clone())
    }

    #[tokio::test]
    async fn one_notice_goes_to_people_and_to_programs() {
        let (outcome, http) = publish([(200, PUBLISHED), (200, PUT)]).await;
        outcome.unwrap();
        let (people, entry) = sent(&http);
        assert!(people.contains("TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Ainoculate-notices"));
        assert!(people.contains("Subject=Inoculate%3A%20halted"), "{people}");
        let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
        assert_eq!(detail["halt"]["reason"], "an incident");
        let without_detail = json!({
            "Time": 0, "Source": "inoculate", "Resources": [], "DetailType": "Inoculate Halted", "Detail": entry["Detail"],
            "EventBusName": "ops",
        });
        assert_eq!(entry, without_detail);
    }

    /// Both are sent whatever comes of the other, and what failed is said.
    #[tokio::test]
    async fn what_fails_for_one_is_still_sent_to_the_other() {
        let denied = r#"{"__type":"AccessDeniedException","message":"no"}"#;
        let refused =
            "<ErrorResponse><Error><Code>AuthorizationError</Code><Message>no</Message></Error></ErrorResponse>";
        for (answers, says) in [
            ([(403, refused), (200, PUT)], vec!["publishing to"]),
            (
                [(200, PUBLISHED), (400, denied)],
                vec!["putting an event on the bus ops"],
            ),
            (
                [(403, refused), (400, denied)],
                vec!["publishing to", "; and putting an event on the bus ops"],
            ),
        ] {
            let (outcome, http) = publish(answers).await;
            let error = outcome.unwrap_err();
            assert_eq!(error.code, Code::AccessDenied, "{error}");
            assert!(says.iter().all(|part| error.to_string().contains(part)), "{error}");
            sent(&http);
        }
    }

    /// EventBridge answers with 200 although it did not take the event.
    #[tokio::test]
    async fn an_event_that_was_not_taken_is_an_error() {
        let failed = r#"{"FailedEntryCount":1,"Entries":[{"ErrorCode":"ThrottlingException","ErrorMessage":"slow"}]}"#;
        let (outcome, _) = publish([(200, PUBLISHED), (200, failed)]).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.code, Code::Throttled);
        assert!(error.message.contains("ThrottlingException: slow"), "{error}");
        let silent = r#"{"FailedEntryCount":1,"Entries":[]}"#;
        let (outcome, _) = publish([(200, PUBLISHED), (200, silent)]).await;
        outcome.unwrap_err();
    }

    #[tokio::test]
    async fn without_a_topic_and_a_bus_nobody_is_told() {
        let http = Script::new([]);
        http.ports().notices.publish(&notice()).await.unwrap();
        assert_eq!(http.requests().len(), 0);
    }

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
