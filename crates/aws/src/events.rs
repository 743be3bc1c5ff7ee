//! Events of EventBridge.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_smithy_types::DateTime;
use inoculate_core::error::Result;
use inoculate_core::notice::{Notice, SOURCE};

use crate::error::Service;

/// The bus of an account and region that is always there.
pub(crate) const DEFAULT_BUS: &str = "default";

/// A bus that programs listen to by rules.
#[derive(Debug, Clone)]
pub(crate) struct EventBus {
    pub(crate) client: Client,
    /// Its name; it is in the account and region of Inoculate.
    pub(crate) name: String,
    pub(crate) service: Service,
}

impl EventBus {
    /// Puts a notice on the bus.
    ///
    /// EventBridge answers with success although it did not take an event, and says so in the answer:
    /// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html>
    pub(crate) async fn put(&self, notice: &Notice) -> Result<()> {
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(SOURCE)
            .detail_type(notice.detail_type())
            .detail(notice.detail())
            .set_resources(Some(notice.resources.clone()))
            .time(DateTime::from_secs(notice.at.as_second()))
            .build();
        let doing = format!("putting an event on the bus {}", self.name);
        let answer = self.client.put_events().entries(entry).send().await;
        let answer = answer.map_err(|error| self.service.error(&doing, error))?;
        if answer.failed_entry_count() == 0 {
            return Ok(());
        }
        let failed = answer.entries().iter().find(|entry| entry.error_code().is_some());
        let (code, message) = failed.map_or((None, None), |entry| (entry.error_code(), entry.error_message()));
        Err(self.service.refused(doing, code, message, 200))
    }
}
