//! The operations of Lambda, by method and path.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html>

use hyper::Method;

/// The operation of a request. `None` if it is none of the usual ones.
pub(super) fn operation(method: &Method, path: &str) -> Option<&'static str> {
    let (_, after) = path.split_once("/functions")?;
    let parts: Vec<&str> = after.split('/').filter(|part| !part.is_empty()).collect();
    Some(match (method.as_str(), parts.as_slice()) {
        ("POST", [_, "invocations"]) => "Invoke",
        ("POST", [_, "invoke-async"]) => "InvokeAsync",
        ("POST", [_, "response-streaming-invocations"]) => "InvokeWithResponseStream",
        ("GET", []) => "ListFunctions",
        ("POST", []) => "CreateFunction",
        ("GET", [_]) => "GetFunction",
        ("DELETE", [_]) => "DeleteFunction",
        ("GET", [_, "configuration"]) => "GetFunctionConfiguration",
        ("PUT", [_, "configuration"]) => "UpdateFunctionConfiguration",
        ("PUT", [_, "code"]) => "UpdateFunctionCode",
        ("GET", [_, "versions"]) => "ListVersionsByFunction",
        ("POST", [_, "versions"]) => "PublishVersion",
        ("GET", [_, "aliases"]) => "ListAliases",
        ("GET", [_, "aliases", _]) => "GetAlias",
        _ => return None,
    })
}

/// The function in a path, by its name.
pub(super) fn function(path: &str) -> Option<&str> {
    let (_, after) = path.split_once("/functions/")?;
    after.split('/').next().filter(|name| !name.is_empty())
}
