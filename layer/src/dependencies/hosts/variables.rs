//! What the process of the function is told, so that its clients of HTTP go through the layer.
//!
//! Most clients read `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, in capitals or not. Node does if `NODE_USE_ENV_PROXY` says so,
//! and a JVM has properties of its own, which `JAVA_TOOL_OPTIONS` can set. What does not know a variable ignores it, so all of
//! them are set, whatever the runtime is.
//!
//! Sources: <https://nodejs.org/api/cli.html#node_use_env_proxy1>,
//! <https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/net/doc-files/net-properties.html>,
//! <https://docs.oracle.com/en/java/javase/21/docs/specs/jvmti.html#tooloptions>

use std::ffi::OsString;

use inoculate_core::passing::{self, NO_PROXIES, PROXIES};

use super::super::offer::Variable;

/// The variable with the address of the layer's proxy, from which the others are made.
pub const PROXY: &str = "HTTPS_PROXY";

const NODE: &str = "NODE_USE_ENV_PROXY";
const JAVA: &str = "JAVA_TOOL_OPTIONS";

/// What does not pass through the proxy: this machine, where the Runtime API and the services of the layer are, and the
/// addresses from which credentials come, of which not every client understands a range.
///
/// Sources: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>,
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html>
const DIRECT: [&str; 8] = [
    "127.0.0.1",
    "localhost",
    "::1",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "169.254.100.1",
    "169.254.0.0/16",
];

/// The same for a JVM, which knows `*` instead of ranges.
const DIRECT_JAVA: [&str; 4] = ["127.0.0.1", "localhost", "[::1]", "169.254.*"];

/// Properties with which the owner has decided about proxies for the JVM.
const JAVA_OWN: [&str; 4] = [
    "-Dhttp.proxyHost=",
    "-Dhttps.proxyHost=",
    "-DsocksProxyHost=",
    "-Djava.net.useSystemProxies=true",
];

const JAVA_DIRECT: &str = "-Dhttp.nonProxyHosts=";

/// Why a function should not be led to the layer's proxy.
pub fn excuse(get: impl Fn(&str) -> Option<OsString>) -> Option<String> {
    passing::proxy_excuse(|name| get(name).map(|value| value.to_string_lossy().into_owned()))
}

/// The variables of a function for the proxy at `url` (`http://127.0.0.1:PORT`), added to what its environment has. None if
/// the function should not be led there.
pub fn all(url: &str, get: impl Fn(&str) -> Option<OsString> + Copy) -> Vec<Variable> {
    if excuse(get).is_some() {
        return Vec::new();
    }
    let mut all: Vec<Variable> = PROXIES[..4]
        .iter()
        .map(|name| ((*name).to_owned(), url.to_owned()))
        .collect();
    let direct = direct(get);
    all.extend(NO_PROXIES.map(|name| (name.to_owned(), direct.clone())));
    if get(NODE).is_none() {
        all.push((NODE.to_owned(), "1".to_owned()));
    }
    all.extend(java_options(url, get).map(|options| (JAVA.to_owned(), options)));
    all
}

/// What does not pass through the proxy, with what the owner says.
fn direct(get: impl Fn(&str) -> Option<OsString>) -> String {
    let own = NO_PROXIES.map(|name| get(name).unwrap_or_default().to_string_lossy().into_owned());
    // Some write spaces, which not all clients understand.
    let own = own
        .iter()
        .flat_map(|list| list.split(|char: char| char == ',' || char.is_whitespace()));
    let mut all: Vec<&str> = Vec::new();
    for entry in own.chain(DIRECT) {
        if !entry.is_empty() && !all.contains(&entry) {
            all.push(entry);
        }
    }
    all.join(",")
}

/// The options of a JVM, after those that the owner has given. `None` if the owner has decided about proxies, or the options
/// cannot be passed on.
fn java_options(url: &str, get: impl Fn(&str) -> Option<OsString>) -> Option<String> {
    let (host, port) = url.strip_prefix("http://")?.split_once(':')?;
    let own = get(JAVA).unwrap_or_default().into_string().ok()?;
    if own.contains(['\n', '\r']) || JAVA_OWN.iter().any(|option| own.contains(option)) {
        return None;
    }
    let unquoted = |option: &str| option.trim_matches(['"', '\'']).to_owned();
    let mut direct: Vec<String> = own
        .split_whitespace()
        .filter_map(|option| unquoted(option).strip_prefix(JAVA_DIRECT).map(str::to_owned))
        .collect();
    direct.extend(DIRECT_JAVA.map(str::to_owned));
    // Of two values of a property the last counts.
    let ours = format!(
        "-Dhttp.proxyHost={host} -Dhttp.proxyPort={port} -Dhttps.proxyHost={host} -Dhttps.proxyPort={port} \
         {JAVA_DIRECT}{}",
        direct.join("|")
    );
    Some(format!("{own} {ours}").trim_start().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://127.0.0.1:4000";
    const OURS: &str =
        "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=4000 -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=4000";

    fn variables(pairs: &[(&str, &str)]) -> Vec<Variable> {
        all(URL, |name| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        })
    }

    fn value(pairs: &[(&str, &str)], name: &str) -> Option<String> {
        let found = variables(pairs).into_iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }

    #[test]
    fn every_client_is_told() {
        let all = variables(&[]);
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "HTTP_PROXY",
                "http_proxy",
                "HTTPS_PROXY",
                "https_proxy",
                "NO_PROXY",
                "no_proxy",
                "NODE_USE_ENV_PROXY",
                "JAVA_TOOL_OPTIONS"
            ]
        );
        assert!(all[..4].iter().all(|(_, value)| value == URL));
        assert_eq!(
            all[4].1,
            "127.0.0.1,localhost,::1,169.254.169.254,169.254.170.2,169.254.170.23,169.254.100.1,169.254.0.0/16"
        );
        assert_eq!(
            all[7].1,
            format!("{OURS} -Dhttp.nonProxyHosts=127.0.0.1|localhost|[::1]|169.254.*")
        );
    }

    #[test]
    fn what_the_owner_has_set_stays() {
        let own = [("NO_PROXY", "a.internal, localhost"), ("no_proxy", ".b,a.internal")];
        let direct = value(&own, "no_proxy").unwrap();
        assert!(direct.starts_with("a.internal,localhost,.b,127.0.0.1,::1,"), "{direct}");
        assert_eq!(value(&own, "NO_PROXY").unwrap(), direct);
        assert_eq!(value(&[("NODE_USE_ENV_PROXY", "0")], "NODE_USE_ENV_PROXY"), None);
        assert_eq!(
            value(
                &[("JAVA_TOOL_OPTIONS", "-Xmx200m -Dhttp.nonProxyHosts=*.internal|x")],
                "JAVA_TOOL_OPTIONS"
            )
            .unwrap(),
            format!(
                "-Xmx200m -Dhttp.nonProxyHosts=*.internal|x {OURS} \
                 -Dhttp.nonProxyHosts=*.internal|x|127.0.0.1|localhost|[::1]|169.254.*"
            )
        );
    }

    #[test]
    fn a_function_with_a_proxy_of_its_own_is_left_alone() {
        for own in [
            ("https_proxy", "http://proxy:3128"),
            ("ALL_PROXY", "socks5://proxy"),
            ("no_proxy", "*"),
        ] {
            assert_eq!(variables(&[own]), [], "{own:?}");
        }
        for options in [
            "-Dhttps.proxyHost=proxy",
            "-DsocksProxyHost=proxy",
            "-Djava.net.useSystemProxies=true",
            "-Da=b\n-Dc=d",
        ] {
            let own = [("JAVA_TOOL_OPTIONS", options)];
            assert_eq!(value(&own, "JAVA_TOOL_OPTIONS"), None, "{options}");
            assert_eq!(value(&own, "HTTPS_PROXY").as_deref(), Some(URL));
        }
        assert_eq!(variables(&[("HTTPS_PROXY", "")]).len(), 8, "nothing is set");
    }
}
