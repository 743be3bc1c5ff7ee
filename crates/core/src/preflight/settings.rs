//! The settings that faults would change: are they there, do they allow it, and would anything change?

use super::{CurrentSetting, Guard, Preflight};
use crate::error::{Code, Result};
use crate::experiment::Experiment;
use crate::names::FunctionName;
use crate::ports::Ports;
use crate::setting::Setting;
use crate::shell::word;

pub(super) async fn check(ports: &Ports, experiment: &Experiment, found: &mut Preflight) -> Result<()> {
    for fault in &experiment.faults {
        let function = fault.function();
        if !found.functions.iter().any(|known| &known.name == function) {
            continue;
        }
        let Some((setting, to)) = fault.setting() else { continue };
        let now = match ports.targets.read(function, &setting).await {
            Err(error) if error.code == Code::TargetNotFound => {
                found.refuse(Guard::TargetMissing, error.to_string());
                continue;
            }
            answer => match found.answered(answer)? {
                Some(reading) => reading.value,
                None => continue,
            },
        };
        let mapping_arn = check_mapping(ports, function, &setting, found).await?;
        if now == to {
            let detail = format!("the {setting} of {function} is {now} already, so the fault would change nothing");
            found.refuse(Guard::NoChange, detail);
        }
        found.settings.push(CurrentSetting {
            function: function.clone(),
            setting,
            now,
            to,
            mapping_arn,
        });
    }
    Ok(())
}

/// A mapping has tags of its own, and IAM asks for them: said here, before anything is injected.
async fn check_mapping(
    ports: &Ports,
    function: &FunctionName,
    setting: &Setting,
    found: &mut Preflight,
) -> Result<Option<String>> {
    let Setting::EventSource { source } = setting else {
        return Ok(None);
    };
    let Some(mapping) = found.answered(ports.targets.mapping(function, source).await)? else {
        return Ok(None);
    };
    if !mapping.allowed {
        let detail = format!(
            "the {setting} of {function} does not allow experiments; tag the event source mapping itself: \
             aws lambda tag-resource --resource {} --tags inoculate=allow",
            word(&mapping.arn)
        );
        found.refuse(Guard::NotAllowed, detail);
        return Ok(None);
    }
    Ok(Some(mapping.arn))
}
