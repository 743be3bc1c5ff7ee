//! Against the example of AWS, and against the signatures of `aws-sigv4`, which SDKs make.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use hyper::Request;

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

fn head(request: Request<()>) -> Parts {
    request.into_parts().0
}

fn is_right(head: &Parts, secret: &str, body_hash: &str) -> Option<PathForm> {
    let signature = Signature::of(head).unwrap();
    let signer = signature.signer(secret).unwrap();
    let canonical = Canonical {
        head,
        signature: &signature,
        body_hash,
    };
    let right = |form: &PathForm| signer.request(&canonical.text(*form)) == signature.value;
    PathForm::ALL.into_iter().find(right)
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>
#[test]
fn the_example_of_aws_is_right() {
    let empty = sha256(b"");
    let request = Request::get("/test.txt")
        .header("host", "examplebucket.s3.amazonaws.com")
        .header("range", "bytes=0-9")
        .header("x-amz-content-sha256", &empty)
        .header("x-amz-date", "20130524T000000Z")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        )
        .body(())
        .unwrap();
    let head = head(request);
    assert_eq!(Signature::of(&head).unwrap().region(), "us-east-1");
    assert!(is_right(&head, SECRET, &empty).is_some());
    assert_eq!(is_right(&head, "another secret", &empty), None);
    assert_eq!(is_right(&head, SECRET, "another body"), None);
}

/// Signs as an SDK does.
fn signed(uri: &str, place: SignatureLocation, s3: bool, body: &[u8]) -> Parts {
    let mut request = Request::post(uri)
        .header("host", "127.0.0.1:4000")
        .header("x-amz-target", "A.B")
        .header("x-thing", "  two   spaces ")
        .body(())
        .unwrap();
    let mut settings = SigningSettings::default();
    settings.signature_location = place;
    if s3 {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    if place == SignatureLocation::QueryParams {
        settings.expires_in = Some(Duration::from_secs(60));
    }
    let identity = Credentials::new("AKID", SECRET, Some("to/ken+=".to_owned()), None, "test").into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-west-1")
        .name("service")
        .time(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let signable = SignableRequest::new(
        "POST",
        format!("http://127.0.0.1:4000{uri}"),
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())),
        SignableBody::Bytes(body),
    );
    let (instructions, _) = sign(signable.unwrap(), &parameters).unwrap().into_parts();
    instructions.apply_to_request_http1x(&mut request);
    head(request)
}

#[test]
fn what_sdks_sign_is_right_and_nothing_else() {
    for uri in [
        "/",
        "/?",
        "/a/b?x=1&a=%20b&a=A&empty=&none",
        "/key%20with/%C3%BCml%C3%A4ut/%2Fslash?list-type=2&prefix=a%2Fb%2Bc~",
        "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A1%3Afunction%3Af/invocations?Qualifier=%24LATEST",
        "/a//b/../c/./d/",
    ] {
        for (place, s3) in [
            (SignatureLocation::Headers, false),
            (SignatureLocation::Headers, true),
            (SignatureLocation::QueryParams, false),
            (SignatureLocation::QueryParams, true),
        ] {
            let mut head = signed(uri, place, s3, b"body");
            let hash = sha256(b"body");
            let what = format!("{uri} {place:?} {s3}");
            assert!(is_right(&head, SECRET, &hash).is_some(), "{what}: {head:?}");
            assert_eq!(is_right(&head, SECRET, &sha256(b"Body")), None, "{what}");
            head.headers.insert("host", HeaderValue::from_static("127.0.0.1:4001"));
            assert_eq!(is_right(&head, SECRET, &hash), None, "{what}");
        }
    }
}

#[test]
fn a_signature_is_replaced_where_it_stands() {
    for place in [SignatureLocation::Headers, SignatureLocation::QueryParams] {
        let mut head = signed("/a?b=c", place, false, b"");
        let before = Signature::of(&head).unwrap();
        let (key_id, value) = (before.key_id.clone(), "0".repeat(64));
        before.replace(&mut head, &value);
        assert_eq!(
            (key_id.as_str(), Signature::of(&head).unwrap()),
            ("AKID", Signature { value, ..before })
        );
    }
}

#[test]
fn what_is_no_signature_is_none() {
    for authorization in [
        "Bearer x",
        "AWS4-ECDSA-P256-SHA256 Credential=A/20130524/s3/aws4_request, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=A/20130524/eu-west-1/s3/aws4_request, SignedHeaders=range, Signature=0",
        "AWS4-HMAC-SHA256 Credential=A, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256",
    ] {
        let request = Request::get("/")
            .header("x-amz-date", "20130524T000000Z")
            .header("authorization", authorization);
        assert_eq!(Signature::of(&head(request.body(()).unwrap())), None, "{authorization}");
    }
    for day in ["", "2013", "20131399", "2013052ä"] {
        assert_eq!(super::day(day), None);
    }
}
