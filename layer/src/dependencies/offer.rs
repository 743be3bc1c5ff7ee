//! What the process of the function is told, so that its calls pass through the layer.

use std::sync::atomic::{AtomicBool, Ordering};

use inoculate_core::fault::Calls;
use inoculate_core::host::HostPattern;

/// A variable for the process of the function, and its value.
pub type Variable = (String, String);

/// The variables with which calls pass through the layer, if the function has the credentials that the layer has.
#[derive(Debug, Default)]
pub struct Offer {
    variables: Vec<Variable>,
    /// The id of the key of the layer. None if it gets its credentials from an address, as the function then does.
    key_id: Option<String>,
    refused: AtomicBool,
    /// The proxy for hosts, and those whose calls may meet faults there.
    proxy: Option<(Variable, Vec<HostPattern>)>,
}

impl Offer {
    /// An offer of a layer that signs with this key.
    pub fn new(variables: Vec<Variable>, key_id: Option<String>) -> Offer {
        Offer {
            variables,
            key_id,
            refused: AtomicBool::new(false),
            proxy: None,
        }
    }

    /// The same offer with a proxy for these hosts, whose address is in `variable`. It asks for no credentials.
    #[must_use]
    pub fn with_proxy(self, variable: Variable, hosts: Vec<HostPattern>) -> Offer {
        let proxy = Some((variable, hosts));
        Offer { proxy, ..self }
    }

    /// The variables for services, whoever signs.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The variable with the address of the proxy for hosts.
    pub fn proxy(&self) -> Option<&Variable> {
        self.proxy.as_ref().map(|(variable, _)| variable)
    }

    /// The variables for a function that signs with this key.
    ///
    /// # Errors
    /// Why its calls must not pass: the layer could not sign them again.
    pub fn take(&self, key_id: Option<&str>) -> Result<&[Variable], &'static str> {
        if self.variables.is_empty() || self.key_id.as_deref() == key_id {
            return Ok(&self.variables);
        }
        self.refused.store(true, Ordering::Relaxed);
        Err("the function has other credentials than the layer")
    }

    /// Why none of these calls can meet a fault: they do not pass through the layer.
    pub fn obstacle(&self, calls: &Calls) -> Option<String> {
        if let Some(host) = &calls.host {
            let mut named = self.proxy.iter().flat_map(|(_, hosts)| hosts);
            let passes = named.any(|named| named.overlaps(host));
            return (!passes)
                .then(|| format!("calls to {host} do not pass through the layer: see INOCULATE_DEPENDENCIES"));
        }
        if self.refused.load(Ordering::Relaxed) {
            return Some("no calls pass through the layer: the function has other credentials".to_owned());
        }
        let Some(service) = calls.service else {
            let none = self.variables.is_empty();
            return none.then(|| "no calls pass through the layer: INOCULATE_DEPENDENCIES names no service".to_owned());
        };
        let passes = self
            .variables
            .iter()
            .any(|(name, _)| *name == service.endpoint_variable());
        let name = service.name();
        (!passes).then(|| format!("calls to {name} do not pass through the layer: see INOCULATE_DEPENDENCIES"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(key_id: Option<&str>) -> Offer {
        let variable = ("AWS_ENDPOINT_URL_SQS".to_owned(), "http://127.0.0.1:1".to_owned());
        Offer::new(vec![variable], key_id.map(str::to_owned))
    }

    fn calls(json: &str) -> Calls {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_offer_is_for_those_with_the_same_credentials() {
        for (own, other, fits) in [
            (Some("a"), Some("a"), true),
            (None, None, true),
            (Some("a"), Some("b"), false),
            (Some("a"), None, false),
            (None, Some("a"), false),
        ] {
            let offer = offer(own);
            assert_eq!(offer.take(other).is_ok(), fits, "{own:?} {other:?}");
            assert_eq!(offer.obstacle(&calls(r#"{"service":"sqs"}"#)).is_none(), fits);
        }
        assert_eq!(Offer::default().take(Some("a")), Ok(&[][..]));
    }

    #[test]
    fn what_does_not_pass_is_said() {
        let offer = offer(None);
        assert_eq!(offer.obstacle(&calls(r#"{"region":"eu-west-1"}"#)), None);
        let other = offer.obstacle(&calls(r#"{"service":"sns"}"#)).unwrap();
        assert!(other.starts_with("calls to sns do not pass"), "{other}");
        assert!(Offer::default().obstacle(&calls(r#"{"region":"eu-west-1"}"#)).is_some());
    }

    #[test]
    fn hosts_that_do_not_pass_are_said() {
        let variable = ("HTTPS_PROXY".to_owned(), "http://127.0.0.1:2".to_owned());
        let with = offer(Some("a")).with_proxy(variable.clone(), vec!["api.example.com".parse().unwrap()]);
        assert_eq!(with.proxy(), Some(&variable));
        assert!(with.take(Some("b")).is_err(), "of the services");
        assert_eq!(with.obstacle(&calls(r#"{"host":"*.example.com"}"#)), None);
        let other = with.obstacle(&calls(r#"{"host":"example.com"}"#)).unwrap();
        assert!(other.starts_with("calls to example.com do not pass"), "{other}");
        assert!(offer(None).obstacle(&calls(r#"{"host":"api.example.com"}"#)).is_some());
    }
}
