//! The leases on functions.

use inoculate_core::error::Code;
use inoculate_core::layer::{self, Stage};
use inoculate_core::lease::{Lease, LeaseRole, Terms};
use inoculate_core::names::RunId;
use inoculate_core::ports::{LeaseRequest, Taken};

use serde_json::json;

use super::Fixture;
use crate::build;

/// A function nobody holds, and two runs that may want it.
struct Case<'a> {
    fixture: &'a dyn Fixture,
    function: String,
    mine: RunId,
    other: RunId,
}

impl<'a> Case<'a> {
    fn new(fixture: &'a dyn Fixture) -> Self {
        let function = fixture.unique("leased");
        let (mine, other) = (
            build::name(&format!("{function}-mine")),
            build::name(&format!("{function}-other")),
        );
        Case {
            fixture,
            function,
            mine,
            other,
        }
    }

    fn arn(&self) -> String {
        format!("arn:aws:lambda:eu-west-1:123456789012:function:{}", self.function)
    }

    async fn take(&self, run: &RunId, expires_at_ms: i64, take_over: Option<Lease>) -> Taken {
        let request = LeaseRequest {
            function: build::name(&self.function),
            function_arn: self.arn(),
            run_id: run.clone(),
            expires_at_ms,
            take_over,
            terms: None,
        };
        self.fixture.ports().leases.take(&request).await.unwrap()
    }

    fn lease(&self, run: &RunId, fence: u64, role: LeaseRole, expires_at_ms: i64) -> Lease {
        Lease {
            schema_version: 1,
            function: build::name(&self.function),
            function_arn: self.arn(),
            run_id: run.clone(),
            fence,
            role,
            expires_at_ms,
            terms: None,
        }
    }

    async fn read(&self) -> Lease {
        self.fixture
            .ports()
            .leases
            .read(&self.arn())
            .await
            .unwrap()
            .expect("there is a lease")
    }

    async fn release(&self, run: &RunId) {
        self.fixture.ports().leases.release(&self.arn(), run).await.unwrap();
    }
}

/// The first taking has fence 1 and the role `observe`.
pub async fn a_free_lease_is_taken(fixture: &dyn Fixture) {
    let case = Case::new(fixture);
    assert_eq!(fixture.ports().leases.read(&case.arn()).await.unwrap(), None);
    assert_eq!(case.take(&case.mine, 9_000, None).await, Taken::Yes { fence: 1 });
    assert_eq!(case.read().await, case.lease(&case.mine, 1, LeaseRole::Observe, 9_000));
}

/// A replay of the opening step must not raise the fence.
pub async fn a_lease_taken_again_by_its_holder_is_renewed(fixture: &dyn Fixture) {
    let case = Case::new(fixture);
    case.take(&case.mine, 9_000, None).await;
    assert_eq!(case.take(&case.mine, 10_000, None).await, Taken::Yes { fence: 1 });
    assert_eq!(case.read().await, case.lease(&case.mine, 1, LeaseRole::Observe, 10_000));
}

/// Whether it has expired is for the caller to judge; a taking that names no lease never takes over.
pub async fn a_held_lease_is_not_taken(fixture: &dyn Fixture) {
    let case = Case::new(fixture);
    case.take(&case.mine, 9_000, None).await;
    let held = case.lease(&case.mine, 1, LeaseRole::Observe, 9_000);
    assert_eq!(
        case.take(&case.other, i64::MAX / 2, None).await,
        Taken::No { found: held.clone() }
    );
    assert_eq!(case.read().await, held);
}

/// The fence rises for another run and for the same one.
pub async fn a_released_lease_is_free_and_the_fence_rises(fixture: &dyn Fixture) {
    let case = Case::new(fixture);
    case.take(&case.mine, 9_000, None).await;
    case.release(&case.mine).await;
    assert_eq!(case.read().await.role, LeaseRole::Released);
    assert_eq!(case.take(&case.other, 10_000, None).await, Taken::Yes { fence: 2 });
    case.release(&case.other).await;
    assert_eq!(case.take(&case.other, 11_000, None).await, Taken::Yes { fence: 3 });
    assert_eq!(
        case.read().await,
        case.lease(&case.other, 3, LeaseRole::Observe, 11_000)
    );
}

/// Who names the lease that was found takes over; who names another one lost a race.
pub async fn an_expired_lease_is_taken_over_only_as_it_was_found(fixture: &dyn Fixture) {
    let case = Case::new(fixture);
    case.take(&case.mine, 9_000, None).await;
    let found = case.lease(&case.mine, 1, LeaseRole::Observe, 9_000);
    let other = case.lease(&case.mine, 7, LeaseRole::Observe, 9_000);
    let refused = Taken::No { found: found.clone() };
    assert_eq!(case.take(&case.other, 10_000, Some(other)).await, refused);
    assert_eq!(
        case.take(&case.other, 10_000, Some(found.clone())).await,
        Taken::Yes { fence: 2 }
    );
    assert_eq!(
        case.read().await,
        case.lease(&case.other, 2, LeaseRole::Observe, 10_000)
    );
    assert!(matches!(
        case.take(&case.mine, 10_000, Some(found)).await,
        Taken::No { .. }
    ));
}

/// The fence stays the same when a lease is renewed, so it alone would not tell.
pub async fn a_lease_that_was_renewed_after_it_was_found_is_not_taken_over(fixture: &dyn Fixture) {
    let case = Case::new(fixture);
    case.take(&case.mine, 9_000, None).await;
    let found = case.read().await;
    let renewed = case.lease(&case.mine, 1, LeaseRole::Fault, 20_000);
    fixture.ports().leases.renew(&found, &renewed).await.unwrap();
    let taken = case.take(&case.other, 30_000, Some(found)).await;
    assert_eq!(taken, Taken::No { found: renewed.clone() });
    assert_eq!(case.read().await, renewed);
}

/// A run that lost the lease learns it; a lease that was released is not held either.
pub async fn only_the_holder_renews(fixture: &dyn Fixture) {
    let case = Case::new(fixture);
    let leases = &fixture.ports().leases;
    let lease = |run: &RunId, fence, expires| case.lease(run, fence, LeaseRole::Fault, expires);
    let lost = async |found: &Lease, to: Lease| leases.renew(found, &to).await.unwrap_err().code;
    let taken = case.lease(&case.mine, 1, LeaseRole::Observe, 9_000);
    let renewed = lease(&case.mine, 1, 20_000);
    assert_eq!(
        lost(&taken, renewed.clone()).await,
        Code::LeaseHeld,
        "there is no lease"
    );

    case.take(&case.mine, 9_000, None).await;
    leases.renew(&taken, &renewed).await.unwrap();
    assert_eq!(case.read().await, renewed);

    let other = lease(&case.other, 1, 30_000);
    assert_eq!(lost(&renewed, other).await, Code::LeaseHeld, "another run");
    let fence = lease(&case.mine, 2, 30_000);
    assert_eq!(lost(&renewed, fence).await, Code::LeaseHeld, "another fence");
    let stale = lease(&case.mine, 1, 30_000);
    assert_eq!(lost(&taken, stale.clone()).await, Code::LeaseHeld, "not as it was read");
    assert_eq!(case.read().await, renewed);
    case.release(&case.mine).await;
    assert_eq!(lost(&renewed, stale.clone()).await, Code::LeaseHeld, "released");
    let released = case.read().await;
    assert_eq!(
        lost(&released, stale).await,
        Code::LeaseHeld,
        "read when it was released"
    );
    assert_eq!(case.read().await, released);
}

/// What a lease says to the layer comes back as it was written, and changes with the stage of the run.
pub async fn a_lease_says_to_the_layer_what_it_was_given(fixture: &dyn Fixture) {
    let case = Case::new(fixture);
    let leases = &fixture.ports().leases;
    let fault = json!({ "match": [{ "test": "prefix", "field": "/a", "value": "x" }],
        "fault": { "kind": "latency", "delay": { "distribution": "fixed", "ms": 1000 }, "at": "before" } });
    let terms = |stage, faults: &[serde_json::Value]| Terms {
        stage,
        salt: "s@2026-01-01T00:00:00Z".to_owned(),
        percent: 12.5,
        key: Some("/order_id".to_owned()),
        faults: serde_json::from_value(faults.into()).unwrap(),
    };
    let request = LeaseRequest {
        function: build::name(&case.function),
        function_arn: case.arn(),
        run_id: case.mine.clone(),
        expires_at_ms: 9_000,
        take_over: None,
        terms: Some(terms(Stage::Baseline, &[])),
    };
    assert_eq!(leases.take(&request).await.unwrap(), Taken::Yes { fence: 1 });
    let baseline = Lease {
        terms: request.terms.clone(),
        ..case.lease(&case.mine, 1, LeaseRole::Observe, 9_000)
    };
    assert_eq!(case.read().await, baseline);

    let injection = Lease {
        role: LeaseRole::Fault,
        terms: Some(terms(Stage::Injection, std::slice::from_ref(&fault))),
        ..baseline.clone()
    };
    leases.renew(&baseline, &injection).await.unwrap();
    assert_eq!(case.read().await, injection);
    leases.renew(&baseline, &injection).await.unwrap();
    let late = Lease {
        expires_at_ms: 10_000,
        ..injection.clone()
    };
    let late = leases.renew(&baseline, &late).await;
    assert_eq!(late.unwrap_err().code, Code::LeaseHeld, "the stage is another one");
    assert_eq!(case.read().await, injection);
    let read = layer::read(&serde_json::to_value(case.read().await).unwrap(), &case.arn())
        .unwrap()
        .unwrap();
    assert_eq!(serde_json::to_value(&read.lease().faults).unwrap(), json!([fault]));
}

/// Giving back is idempotent, and what another run holds stays.
pub async fn a_lease_is_given_back_once_and_only_by_its_holder(fixture: &dyn Fixture) {
    let case = Case::new(fixture);
    case.release(&case.mine).await;
    assert_eq!(
        fixture.ports().leases.read(&case.arn()).await.unwrap(),
        None,
        "a release makes no lease"
    );
    case.take(&case.mine, 9_000, None).await;
    case.release(&case.other).await;
    assert_eq!(case.read().await.role, LeaseRole::Observe);
    case.release(&case.mine).await;
    case.release(&case.mine).await;
    assert_eq!(case.read().await, case.lease(&case.mine, 1, LeaseRole::Released, 9_000));
}
