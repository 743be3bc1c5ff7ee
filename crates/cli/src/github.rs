//! The job of GitHub Actions that a command is a part of.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/variables>

use std::env::var_os;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A job of GitHub Actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The file whose Markdown is shown as the summary of the job.
    pub summary: Option<PathBuf>,
    /// Where the repository is.
    pub workspace: Option<PathBuf>,
}

impl Job {
    /// The job of this process; `None` anywhere else.
    pub fn of_process() -> Option<Job> {
        Job::of(|name| var_os(name))
    }

    /// The job that variables of the environment tell of.
    fn of(variable: impl Fn(&str) -> Option<OsString>) -> Option<Job> {
        let path = |name| variable(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        (variable("GITHUB_ACTIONS")? == "true").then(|| Job {
            summary: path("GITHUB_STEP_SUMMARY"),
            workspace: path("GITHUB_WORKSPACE"),
        })
    }

    /// How an annotation names a file: from the root of the repository.
    pub fn path(&self, file: &Path) -> String {
        let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let workspace = self.workspace.as_deref();
        let inside = workspace.and_then(|workspace| absolute.strip_prefix(workspace).ok());
        inside.unwrap_or(file).display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_tells_of_a_job() {
        let job = |variables: &[(&str, &str)]| {
            Job::of(|name| {
                let mut variables = variables.iter();
                variables.find_map(|(known, value)| (*known == name).then(|| OsString::from(value)))
            })
        };
        let (summary, workspace) = (("GITHUB_STEP_SUMMARY", "/s.md"), ("GITHUB_WORKSPACE", "/w"));
        assert_eq!(
            job(&[("GITHUB_ACTIONS", "true"), summary, workspace]),
            Some(Job {
                summary: Some("/s.md".into()),
                workspace: Some("/w".into()),
            })
        );
        let nothing = Job {
            summary: None,
            workspace: None,
        };
        assert_eq!(
            job(&[("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", "")]),
            Some(nothing)
        );
        assert_eq!(job(&[summary, workspace]), None);
        assert_eq!(job(&[("GITHUB_ACTIONS", "false"), summary]), None);
    }

    #[test]
    fn a_file_is_named_from_the_root_of_the_repository() {
        let job = |workspace: Option<&str>| Job {
            summary: None,
            workspace: workspace.map(PathBuf::from),
        };
        let file = Path::new("/w/experiments/a.yaml");
        assert_eq!(job(Some("/w")).path(file), "experiments/a.yaml");
        assert_eq!(job(Some("/elsewhere")).path(file), "/w/experiments/a.yaml");
        assert_eq!(job(None).path(Path::new("a.yaml")), "a.yaml");
    }
}
