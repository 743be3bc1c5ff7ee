//! Taking the layer away. First the layer, then the permission, then the record of what was there before: whatever fails
//! in between, the same call again finishes it.

use super::configuration::{Configuration, Ours, role_name};
use super::merge::{Change, remove};
use super::port::{RoleUser, Updated};
use super::record::Record;
use super::refusal::{Refusal, policy_command};
use super::{Access, Mode, Note, Outcome, Step, TRIES, carried_out, contended, ensure_changeable, existing};
use crate::error::{Code, Error, Result};
use crate::lease::{Lease, LeaseRole};
use crate::names::FunctionName;

/// What becomes of the policy in one role.
struct Policy {
    /// The ARN of the role.
    role: String,
    /// Another function that still needs it, and its record to write it down in.
    kept_for: Option<(RoleUser, Option<Record>)>,
}

/// Takes away what [`attach`](super::attaching::attach) added, and puts back what was there before. `force`: also while
/// a run holds the function.
///
/// # Errors
/// [`Code::LeaseHeld`] while a run holds the function; and when the world cannot be asked, does not answer as it should,
/// or the function cannot be changed now.
pub async fn detach(access: &Access<'_>, function: &FunctionName, mode: Mode, force: bool) -> Result<Outcome> {
    // What the try before was to do, when the function was another by then.
    let mut tried: Vec<Step> = Vec::new();
    for _ in 0..TRIES {
        let now = existing(access, function).await?;
        let ours = Ours::of(access.stack, &now.arn)?;
        if !force {
            ensure_free(access, function, &now).await?;
        }
        let record = access.attachments.record(&now.arn).await?;
        let removal = remove(&now, &ours, record.as_ref());
        let policies = policies(access, &now, &ours, record.as_ref()).await?;
        // Nothing left to do: the answer to the try before was lost, or somebody else did the same.
        let mut steps = if removal.change.is_empty() {
            tried
        } else {
            removal.steps
        };
        tried = steps.clone();
        let mut left = removal.left;
        tell(&policies, &ours, &mut steps, &mut left);
        if record.is_none() {
            left.extend(unrecorded(access, &now, &ours).await);
        }
        let Mode::Change(longest) = mode else {
            return Ok(said(steps, left, true));
        };
        match change(access, function, &now, &removal.change).await? {
            Updated::Stale => continue,
            Updated::Refused { said } => return Ok(Outcome::refused(vec![Refusal::by_lambda(said)])),
            Updated::Accepted => {}
        }
        if !removal.change.is_empty() {
            carried_out(access, function, longest).await?;
        }
        finish(access, &ours, policies, record.as_ref()).await?;
        return Ok(said(steps, left, false));
    }
    Err(contended(function))
}

fn said(steps: Vec<Step>, left: Vec<Note>, dry: bool) -> Outcome {
    match (steps.is_empty(), dry) {
        (true, _) => Outcome::Unchanged { left },
        (false, true) => Outcome::WouldChange { steps, left },
        (false, false) => Outcome::Changed { steps, left },
    }
}

/// Refuses while a run holds the function: it would lose its faults and its eyes in the middle.
async fn ensure_free(access: &Access<'_>, function: &FunctionName, now: &Configuration) -> Result<()> {
    let lease = access.leases.read(&now.arn).await?;
    let Some(lease) = lease.filter(|lease| is_held(lease, access.clock.now().as_millisecond())) else {
        return Ok(());
    };
    let message = format!("run {} holds {function} right now", lease.run_id);
    let abort = access.command(&format!("abort {}", lease.run_id));
    let help = format!("wait for its end, or end it with `{abort}`; --force detaches all the same");
    Err(Error::new(Code::LeaseHeld, message).help(help))
}

/// Whether a run holds the function now.
pub(super) fn is_held(lease: &Lease, now_ms: i64) -> bool {
    lease.role != LeaseRole::Released && now_ms < lease.expires_at_ms
}

/// What becomes of the policy in every role that got it by attaching this function.
async fn policies(
    access: &Access<'_>,
    now: &Configuration,
    ours: &Ours,
    record: Option<&Record>,
) -> Result<Vec<Policy>> {
    let mut found = Vec::new();
    for role in record.iter().flat_map(|record| &record.roles) {
        match access.attachments.role_policies(role).await {
            Ok(policies) if policies.contains(&ours.policy) => {}
            Err(error) if error.code != Code::TargetNotFound => return Err(error),
            // Somebody else took it away, or deleted the role.
            Ok(_) | Err(_) => continue,
        }
        let users = access.attachments.functions_with_role(role).await?;
        let needs = |user: &RoleUser| {
            let has_layer = user.layers.iter().any(|arn| ours.is_layer(arn));
            user.arn != now.arn && (has_layer || user.table.as_deref().is_some_and(|table| ours.is_table(table)))
        };
        let mut kept_for = None;
        for user in users.into_iter().filter(needs) {
            let record = access.attachments.record(&user.arn).await?;
            let recorded = record.is_some();
            // One with a record can take the policy away later, so it is the better one to name.
            if recorded || kept_for.is_none() {
                kept_for = Some((user, record));
            }
            if recorded {
                break;
            }
        }
        found.push(Policy {
            role: role.clone(),
            kept_for,
        });
    }
    Ok(found)
}

/// Says what becomes of the policy.
fn tell(policies: &[Policy], ours: &Ours, steps: &mut Vec<Step>, left: &mut Vec<Note>) {
    for Policy { role, kept_for } in policies {
        match kept_for {
            None => steps.push(Step::Policy {
                role: role.clone(),
                policy: ours.policy.clone(),
                attached: false,
            }),
            Some((user, Some(_))) => left.push(Note::new(format!(
                "the role {} keeps the policy {} as long as {} has the layer; detaching that takes it away",
                role_name(role),
                ours.name,
                user.name
            ))),
            Some((user, None)) => left.push(
                Note::new(format!(
                    "the role {} keeps the policy {}: {} needs it, too, and has no record of `attach`; once it does not:",
                    role_name(role),
                    ours.name,
                    user.name
                ))
                .line(policy_command("detach", role, &ours.policy)),
            ),
        }
    }
}

/// What to say of a policy that nobody recorded. Only a hint, so a role that cannot be read is no error.
async fn unrecorded(access: &Access<'_>, now: &Configuration, ours: &Ours) -> Option<Note> {
    let policies = access.attachments.role_policies(&now.role).await.ok()?;
    policies.contains(&ours.policy).then(|| {
        let detail = format!(
            "the role {} keeps the policy {}: there is no record that `attach` gave it; to take it away:",
            role_name(&now.role),
            ours.name
        );
        Note::new(detail).line(policy_command("detach", &now.role, &ours.policy))
    })
}

async fn change(access: &Access<'_>, function: &FunctionName, now: &Configuration, change: &Change) -> Result<Updated> {
    if change.is_empty() {
        return Ok(Updated::Accepted);
    }
    ensure_changeable(function, now)?;
    access.attachments.update(function, &now.revision, change).await
}

/// Takes the policy from the roles that nobody else needs it in, and deletes the record. Where it stays, the function
/// that it stays for takes over the record of it.
async fn finish(access: &Access<'_>, ours: &Ours, policies: Vec<Policy>, record: Option<&Record>) -> Result<()> {
    for Policy { role, kept_for } in policies {
        match kept_for {
            None => access.attachments.detach_policy(&role, &ours.policy).await?,
            Some((_, Some(mut other))) => {
                if other.roles.insert(role) {
                    access.attachments.save_record(&other.next(access.clock.now())).await?;
                }
            }
            Some((_, None)) => {}
        }
    }
    match record {
        Some(record) => access.attachments.delete_record(record).await,
        None => Ok(()),
    }
}
