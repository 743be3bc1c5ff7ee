//! Adding the layer to a function. First the record of what was there, then the permission, then the layer: whatever
//! fails in between, nothing that a person does not know of is left, and the same call again finishes it.

use super::configuration::{Configuration, Consent, LayerVersion, Ours, role_name};
use super::merge::{Addition, add, obstacles};
use super::port::Updated;
use super::record::Record;
use super::refusal::Refusal;
use super::{Access, Mode, Outcome, Step, TRIES, carried_out, contended, ensure_changeable, existing};
use crate::error::{Code, Error, Result};
use crate::names::FunctionName;
use crate::passing::Dependency;

/// Adds the layer, its variables and its policy to a function, unless they are there. Calls to `dependencies` pass through the
/// layer then, beside those that do already.
///
/// # Errors
/// Only when the world cannot be asked, does not answer as it should, or the function cannot be changed now; a "no" is
/// an [`Outcome`].
pub async fn attach(
    access: &Access<'_>,
    function: &FunctionName,
    dependencies: &[Dependency],
    mode: Mode,
) -> Result<Outcome> {
    // What the try before was to do, when the function was another by then.
    let mut tried: Vec<Step> = Vec::new();
    for _ in 0..TRIES {
        let now = existing(access, function).await?;
        let ours = Ours::of(access.stack, &now.arn)?;
        ensure_readable_tags(function, &now)?;
        let refusals = obstacles(&now, &ours);
        if !refusals.is_empty() {
            return Ok(Outcome::refused(refusals));
        }
        let version = newest(access, &ours).await?;
        let policies = access.attachments.role_policies(&now.role).await?;
        let record = access.attachments.record(&now.arn).await?;
        let has_policy = policies.contains(&ours.policy);
        let addition = match add(&now, has_policy, &ours, &version, dependencies, record.as_ref()) {
            Ok(addition) => addition,
            Err(refusals) => return Ok(Outcome::refused(refusals)),
        };
        let left = Vec::new();
        if addition.steps.is_empty() && tried.is_empty() {
            return Ok(Outcome::Unchanged { left });
        }
        let steps = all_steps(&tried, &addition.steps);
        let Mode::Change(longest) = mode else {
            return Ok(Outcome::WouldChange { steps, left });
        };
        let updated = if addition.steps.is_empty() {
            // The answer to the try before was lost, or somebody else did the same.
            Updated::Accepted
        } else {
            ensure_changeable(function, &now)?;
            let outcome = carry_out(access, function, &now, &ours, &addition, record.as_ref()).await;
            outcome.map_err(|error| error.context(format!("attaching to {function}")))?
        };
        match updated {
            Updated::Accepted => {
                carried_out(access, function, longest).await?;
                return Ok(Outcome::Changed { steps, left });
            }
            Updated::Stale => tried = steps,
            Updated::Refused { said } => return Ok(Outcome::refused(vec![Refusal::by_lambda(said)])),
        }
    }
    Err(contended(function))
}

/// What is done with this try: all of the one before when nothing is left to do, else what is to do now, and the policy,
/// which that one gave.
fn all_steps(tried: &[Step], now: &[Step]) -> Vec<Step> {
    let done = |step: &&Step| now.is_empty() || (matches!(step, Step::Policy { .. }) && !now.contains(step));
    now.iter().chain(tried.iter().filter(done)).cloned().collect()
}

/// Tags that may not be read are not the same as no tags.
fn ensure_readable_tags(function: &FunctionName, now: &Configuration) -> Result<()> {
    match &now.consent {
        Consent::Withheld { reason } => {
            let message = format!("reading the tags of {function}: {reason}");
            Err(Error::new(Code::AccessDenied, message).help("you need the permission lambda:ListTags on the function"))
        }
        Consent::Given | Consent::NotGiven => Ok(()),
    }
}

/// The newest version of the layer.
async fn newest(access: &Access<'_>, ours: &Ours) -> Result<LayerVersion> {
    let versions = access.attachments.layer_versions(&ours.name).await?;
    versions.into_iter().next().ok_or_else(|| {
        let message = format!("there is no layer {} in this account and region", ours.name);
        let help = "is the stack deployed here, in a version that has a layer? --stack or INOCULATE_STACK is its name";
        Error::new(Code::StackMissing, message).help(help)
    })
}

/// Writes the record, then gives the policy, then changes the function. A refusal takes the first two back.
async fn carry_out(
    access: &Access<'_>,
    function: &FunctionName,
    now: &Configuration,
    ours: &Ours,
    addition: &Addition,
    before: Option<&Record>,
) -> Result<Updated> {
    let attachments = access.attachments;
    let record = addition.record.clone().next(access.clock.now());
    attachments.save_record(&record).await?;
    if addition.policy
        && let Err(error) = attachments.attach_policy(&now.role, &ours.policy).await
    {
        // Whoever gives the policy now is somebody else, so the record must not claim it.
        if !error.code.is_transient() {
            withdraw(access, &record, before).await?;
        }
        let doing = format!("giving the role {} the policy {}", role_name(&now.role), ours.name);
        return Err(error.context(doing));
    }
    if addition.change.is_empty() {
        return Ok(Updated::Accepted);
    }
    let updated = attachments.update(function, &now.revision, &addition.change).await?;
    if matches!(updated, Updated::Refused { .. }) {
        if addition.policy {
            attachments.detach_policy(&now.role, &ours.policy).await?;
        }
        withdraw(access, &record, before).await?;
    }
    Ok(updated)
}

/// Makes the record what it was before.
async fn withdraw(access: &Access<'_>, record: &Record, before: Option<&Record>) -> Result<()> {
    let Some(before) = before else {
        return access.attachments.delete_record(record).await;
    };
    let again = Record {
        version: record.version,
        ..before.clone()
    };
    access.attachments.save_record(&again.next(access.clock.now())).await
}
