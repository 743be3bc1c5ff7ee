//! Which requests of a runtime the layer looks at. All others pass.

use hyper::Method;

/// The part of a path that all invocation routes share, after an optional prefix of an emulator.
const INVOCATION: &str = "/2018-06-01/runtime/invocation/";

/// A path that no Runtime API has: theirs start with a date.
pub const HEALTH: &str = "/inoculate/health";

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'a> {
    /// The next event: the long poll.
    Next,
    /// The answer to an event, by its request id.
    Response(&'a str),
    /// The failure of an event, by its request id.
    Error(&'a str),
    /// Whether the proxy is there. Only the exec wrapper asks this.
    Health,
    /// Anything else.
    Other,
}

impl<'a> Route<'a> {
    /// Reads the route of a request from its method and path.
    pub fn of(method: &Method, path: &'a str) -> Route<'a> {
        let Some(start) = path.find(INVOCATION) else {
            return if path == HEALTH { Route::Health } else { Route::Other };
        };
        let rest = &path[start + INVOCATION.len()..];
        match *method {
            Method::GET if rest == "next" => Route::Next,
            Method::POST => match rest.split_once('/') {
                Some((id, "response")) => Route::Response(id),
                Some((id, "error")) => Route::Error(id),
                _ => Route::Other,
            },
            _ => Route::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_routes_and_the_health_question_are_known() {
        for (method, path, expected) in [
            (Method::GET, "/2018-06-01/runtime/invocation/next", Route::Next),
            (Method::GET, "/emulator/2018-06-01/runtime/invocation/next", Route::Next),
            (
                Method::POST,
                "/2018-06-01/runtime/invocation/a-1/response",
                Route::Response("a-1"),
            ),
            (
                Method::POST,
                "/2018-06-01/runtime/invocation/a-1/error",
                Route::Error("a-1"),
            ),
            (Method::GET, "/inoculate/health", Route::Health),
            (Method::POST, "/2018-06-01/runtime/invocation/next", Route::Other),
            (Method::GET, "/2018-06-01/runtime/invocation/a-1/response", Route::Other),
            (Method::POST, "/2018-06-01/runtime/invocation/a-1/else", Route::Other),
            (Method::POST, "/2018-06-01/runtime/init/error", Route::Other),
            (Method::GET, "/2018-06-01/runtime/restore/next", Route::Other),
            (Method::GET, "/2019-01-01/runtime/invocation/next", Route::Other),
            (Method::GET, "/", Route::Other),
        ] {
            assert_eq!(Route::of(&method, path), expected, "{method} {path}");
        }
    }
}
