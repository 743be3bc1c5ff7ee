use hyper::Request;

use super::*;

fn call(service: Service, request: &str, headers: &[(&str, &str)], body: &str) -> Call {
    let (method, uri) = request.split_once(' ').unwrap();
    let mut builder = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    of(
        service,
        &builder.body(()).unwrap().into_parts().0,
        Some(body.as_bytes()),
    )
}

#[test]
fn operations_and_resources_are_found() {
    let target = |name| [("x-amz-target", name), ("content-type", "application/x-amz-json-1.0")];
    let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let table = "arn:aws:dynamodb:eu-west-1:1:table/orders/index/by-day";
    for (service, request, headers, body, operation, resources) in [
        (
            Service::DynamoDb,
            "POST /",
            &target("DynamoDB_20120810.GetItem")[..],
            r#"{"TableName":"orders"}"#.to_owned(),
            "GetItem",
            &["orders"][..],
        ),
        (
            Service::DynamoDb,
            "POST /",
            &target("DynamoDB_20120810.Query"),
            format!(r#"{{"TableName":"{table}"}}"#),
            "Query",
            &["orders"],
        ),
        (
            Service::DynamoDb,
            "POST /",
            &target("DynamoDB_20120810.BatchGetItem"),
            r#"{"RequestItems":{"b":{},"a":{}}}"#.into(),
            "BatchGetItem",
            &["a", "b"],
        ),
        (
            Service::DynamoDb,
            "POST /",
            &target("DynamoDB_20120810.TransactWriteItems"),
            r#"{"TransactItems":[{"Put":{"TableName":"a"}},{"Delete":{"TableName":"b"}}]}"#.into(),
            "TransactWriteItems",
            &["a", "b"],
        ),
        (
            Service::Sqs,
            "POST /",
            &target("AmazonSQS.SendMessage"),
            r#"{"QueueUrl":"https://sqs.eu-west-1.amazonaws.com/1/q"}"#.into(),
            "SendMessage",
            &["q"],
        ),
        (
            Service::Sns,
            "POST /",
            &form,
            "Action=Publish&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A1%3Aorders&Message=a+b".into(),
            "Publish",
            &["orders"],
        ),
        (
            Service::EventBridge,
            "POST /",
            &target("AWSEvents.PutEvents"),
            r#"{"Entries":[{},{"EventBusName":"arn:aws:events:eu-west-1:1:event-bus/shop"}]}"#.into(),
            "PutEvents",
            &["default", "shop"],
        ),
        (
            Service::StepFunctions,
            "POST /",
            &target("AWSStepFunctions.StartExecution"),
            r#"{"stateMachineArn":"arn:aws:states:eu-west-1:1:stateMachine:pay"}"#.into(),
            "StartExecution",
            &["pay"],
        ),
        (
            Service::Ssm,
            "POST /",
            &target("AmazonSSM.GetParameters"),
            r#"{"Names":["/a/b","c"]}"#.into(),
            "GetParameters",
            &["/a/b", "c"],
        ),
        (
            Service::Kinesis,
            "POST /",
            &target("Kinesis_20131202.PutRecord"),
            r#"{"StreamARN":"arn:aws:kinesis:eu-west-1:1:stream/s"}"#.into(),
            "PutRecord",
            &["s"],
        ),
        (
            Service::Lambda,
            "POST /2015-03-31/functions/pay/invocations?Qualifier=live",
            &[],
            "{}".into(),
            "Invoke",
            &["pay"],
        ),
        (
            Service::Lambda,
            "POST /2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A1%3Afunction%3Apay%3Alive/invocations",
            &[],
            "{}".into(),
            "Invoke",
            &["pay"],
        ),
        (
            Service::Lambda,
            "GET /2015-03-31/functions/",
            &[],
            String::new(),
            "ListFunctions",
            &[],
        ),
        (
            Service::S3,
            "PUT /bucket/a/b?partNumber=1&uploadId=x",
            &[],
            String::new(),
            "UploadPart",
            &["bucket"],
        ),
        (
            Service::S3,
            "PUT /bucket/a/b?x-id=PutObject",
            &[],
            String::new(),
            "PutObject",
            &["bucket"],
        ),
        (
            Service::S3,
            "GET /bucket/?list-type=2&prefix=a",
            &[],
            String::new(),
            "ListObjectsV2",
            &["bucket"],
        ),
        (
            Service::S3,
            "GET /bucket/key?tagging",
            &[],
            String::new(),
            "",
            &["bucket"],
        ),
        (Service::S3, "GET /", &[], String::new(), "ListBuckets", &[]),
        (
            Service::CloudWatch,
            "POST /service/GraniteServiceVersion20100801/operation/PutMetricData",
            &[("smithy-protocol", "rpc-v2-cbor")],
            String::new(),
            "PutMetricData",
            &[],
        ),
        (
            Service::Sts,
            "GET /?Action=GetCallerIdentity&Version=2011-06-15",
            &form,
            String::new(),
            "GetCallerIdentity",
            &[],
        ),
        (Service::DynamoDb, "POST /", &[], "[1]".into(), "", &[]),
    ] {
        let found = call(service, request, headers, &body);
        assert_eq!(found.operation.unwrap_or_default(), operation, "{request} {body}");
        assert_eq!(found.resources, resources, "{request} {body}");
    }
}

#[test]
fn the_form_is_that_of_the_request() {
    for (service, headers, expected) in [
        (Service::CloudWatch, &[][..], Form::Aws(Protocol::AwsQuery)),
        (Service::CloudWatch, &[("smithy-protocol", "rpc-v2-cbor")], Form::Cbor),
        (
            Service::CloudWatch,
            &[("content-type", "application/x-amz-json-1.0")],
            Form::Aws(Protocol::AwsJson("1.0")),
        ),
        (
            Service::Sqs,
            &[("content-type", "application/x-www-form-urlencoded")],
            Form::Aws(Protocol::AwsQuery),
        ),
        (
            Service::Lambda,
            &[("content-type", "application/json")],
            Form::Aws(Protocol::RestJson),
        ),
        (Service::S3, &[], Form::Aws(Protocol::RestXml)),
    ] {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(Form::of(service, &head.headers), expected);
    }
}
