//! The operations of S3, by method, path and query.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>

use hyper::http::request::Parts;

/// Questions about a bucket or an object that are operations of their own, and not told apart here.
const OTHERS: [&str; 24] = [
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "tagging",
];

/// The operation of a request. `None` if it is none of the usual ones.
pub(super) fn operation(head: &Parts) -> Option<&'static str> {
    let query = head.uri.query().unwrap_or_default();
    let names: Vec<&str> = query
        .split('&')
        .map(|pair| pair.split('=').next().unwrap_or_default())
        .collect();
    let has = |name: &str| names.contains(&name);
    if OTHERS.into_iter().any(has) {
        return None;
    }
    let path = head.uri.path().trim_start_matches('/');
    let copies = head.headers.contains_key("x-amz-copy-source");
    let method = head.method.as_str();
    match path.split_once('/').filter(|(_, key)| !key.is_empty()) {
        None if path.is_empty() => (method == "GET").then_some("ListBuckets"),
        None => bucket(method, has),
        Some(_) => object(method, copies, has),
    }
}

fn bucket(method: &str, has: impl Fn(&str) -> bool) -> Option<&'static str> {
    let asks = ["location", "uploads", "versions", "versioning", "website", "session"]
        .into_iter()
        .find(|name| has(name));
    Some(match (method, asks) {
        ("GET", None) if has("list-type") => "ListObjectsV2",
        ("GET", None) => "ListObjects",
        ("GET", Some("location")) => "GetBucketLocation",
        ("GET", Some("uploads")) => "ListMultipartUploads",
        ("GET", Some("versions")) => "ListObjectVersions",
        ("GET", Some("session")) => "CreateSession",
        ("HEAD", None) => "HeadBucket",
        ("PUT", None) => "CreateBucket",
        ("DELETE", None) => "DeleteBucket",
        ("POST", None) if has("delete") => "DeleteObjects",
        _ => return None,
    })
}

fn object(method: &str, copies: bool, has: impl Fn(&str) -> bool) -> Option<&'static str> {
    Some(match (method, has("uploadId")) {
        ("GET", false) => "GetObject",
        ("GET", true) => "ListParts",
        ("HEAD", false) => "HeadObject",
        ("PUT", true) if copies => "UploadPartCopy",
        ("PUT", true) => "UploadPart",
        ("PUT", false) if copies => "CopyObject",
        ("PUT", false) => "PutObject",
        ("POST", true) => "CompleteMultipartUpload",
        ("POST", false) if has("uploads") => "CreateMultipartUpload",
        ("DELETE", true) => "AbortMultipartUpload",
        ("DELETE", false) => "DeleteObject",
        _ => return None,
    })
}
