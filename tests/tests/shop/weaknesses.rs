//! The template for each weakness against both versions of the shop's checkout, on the local stack: the naive one has every
//! weakness, the hardened one none. The files are made by `inoculate init`, as people make them; only times and numbers of
//! requests are smaller.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Mutex;

use inoculate_core::read::experiment_from_text;
use inoculate_stack::Stack;
use serde_json::{Value, json};

use super::{HARDENED, NAIVE, ORDERS, PAYMENTS, inoculate, open, traffic, turn};

/// How many shops there are, each with a local stack of its own. More are too much for two processors, on which other tests
/// run, too.
const SHOPS: usize = 2;
/// A run that has no verdict, since the machine was too busy for example, is made once more.
const TRIES: usize = 2;

/// One template and one checkout.
struct Case {
    template: String,
    options: Vec<String>,
    checkout: &'static str,
}

impl Case {
    /// What the exit code of the run must be: that of deviated or of upheld.
    fn expected(&self) -> i32 {
        i32::from(self.checkout == NAIVE)
    }

    /// The arguments that make the experiment.
    fn arguments(&self) -> Vec<&str> {
        let mut arguments = vec!["init", "--template", &self.template];
        if self.checkout == HARDENED {
            for (option, name) in [
                ("--function", HARDENED),
                ("--dependency", PAYMENTS),
                ("--table", ORDERS),
            ] {
                if self.options.iter().any(|known| known == option) {
                    arguments.extend([option, name]);
                }
            }
        }
        arguments
    }
}

/// Every template with both checkouts. Those of one template are far apart: a payments that hangs or is slow takes many
/// environments, and so much of the machine.
fn cases(stack: &Stack) -> VecDeque<Case> {
    let listed: Value = serde_json::from_slice(&inoculate(stack, &["init", "--json"]).stdout).unwrap();
    let templates = listed["templates"].as_array().unwrap();
    assert_eq!(templates.len(), 9);
    let case = |template: &Value, checkout| {
        let options = template["options"].as_array().unwrap().iter();
        Case {
            template: template["name"].as_str().unwrap().to_owned(),
            options: options.map(|option| option.as_str().unwrap().to_owned()).collect(),
            checkout,
        }
    };
    let all = |checkout| templates.iter().map(move |template| case(template, checkout));
    all(HARDENED).chain(all(NAIVE)).collect()
}

/// The experiment of a template as it is but for its times, and with more of its requests.
fn shortened(template: &Path) -> Value {
    let experiment = experiment_from_text(&std::fs::read_to_string(template).unwrap()).unwrap();
    let mut experiment = serde_json::to_value(experiment).unwrap();
    experiment["windows"] = json!({ "baseline": "15s", "round": "2s", "recovery": "10s" });
    experiment["blast_radius"]["percent"] = json!(50);
    experiment["blast_radius"]["longest"] = json!("40s");
    experiment["guards"] = json!({ "stop_when": "established" });
    for measure in experiment["steady_state"].as_array_mut().unwrap() {
        measure["layer"]["min_requests"] = json!(10);
    }
    experiment
}

/// Runs a case. Returns the exit code of the run, and what it said.
fn run(stack: &Stack, case: &Case) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let [template, experiment] = ["template.yaml", "experiment.json"].map(|name| folder.path().join(name));
    let mut arguments = case.arguments();
    arguments.push(template.to_str().unwrap());
    let made = inoculate(stack, &arguments);
    assert!(made.status.success(), "{arguments:?}: {made:?}");
    std::fs::write(&experiment, shortened(&template).to_string()).unwrap();

    // A first rush of orders would start an environment for each.
    traffic(stack, case.checkout, "3s").wait().unwrap();
    let customers = traffic(stack, case.checkout, "10m");
    let ran = inoculate(stack, &["run", experiment.to_str().unwrap()]);
    drop(customers);
    let said = [ran.stderr, ran.stdout].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let code = ran.status.code();
    println!("{} against {}: exit {code:?}", case.template, case.checkout);
    (code, said.concat())
}

/// Runs a case, and once more if it came to no verdict. Returns what is wrong with its result.
fn judge(stack: &Stack, case: &Case) -> Option<String> {
    const INCONCLUSIVE_OR_REFUSED: [Option<i32>; 2] = [Some(3), Some(4)];
    let mut said = String::new();
    for _ in 0..TRIES {
        let (code, all) = run(stack, case);
        if code == Some(case.expected()) {
            return None;
        }
        said.push_str(&format!(
            "{} against {}: exit {code:?}\n{all}\n",
            case.template, case.checkout
        ));
        if !INCONCLUSIVE_OR_REFUSED.contains(&code) {
            break;
        }
    }
    Some(said)
}

#[test]
fn the_naive_checkout_has_every_weakness_and_the_hardened_one_none() {
    let _turn = turn();
    let first = open();
    let cases = Mutex::new(cases(&first));
    let wrong = Mutex::new(Vec::new());
    let work = |stack: Stack| {
        loop {
            let next = cases.lock().unwrap().pop_front();
            let Some(case) = next else { break };
            let found = judge(&stack, &case);
            wrong.lock().unwrap().extend(found);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..SHOPS {
            scope.spawn(|| work(open()));
        }
        work(first);
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
