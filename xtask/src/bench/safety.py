"""Measures how long after each kind of stop signal requests still meet faults, on the local stack.

usage: safety.py ARGUMENTS-AS-JSON
  {"machine": ARN, "topic": ARN, "inoculate": PATH, "batches": N, "slow_batches": N, "at_once": N}

Prints {KIND: {"layer": [SECONDS, ...], "setting": [SECONDS, ...], "past_lease": [SECONDS, ...]}, ...}, and what it does on
standard error. A run has two faults: the layer answers every request of one function with an error, and the reserved
concurrency of another is 0. `layer` is from the signal to the last faulty answer that a client got, and 0 if there was none;
`setting` from the signal until Lambda says that nothing is reserved any more.
"""

import concurrent.futures
import io
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import zipfile

import boto3
from botocore.config import Config

TABLE = "inoculate"
NAMESPACE = "Bench"
FAULT = "Inoculated"
# First the rollback, which would answer to the death of all others.
ROLES = ["RollbackRole", "BaselineRole", "InjectRole", "ObserveRole", "EvaluateRole"]

# Between two requests to one function.
PACE_SECS = 0.1
# How long to watch after a signal: more than the two seconds that it may take.
WATCH_SECS = 4.0
# Between the faults being there and the signal: in which moment of the layer's second it comes is left to chance.
SETTLED_SECS, JITTER_SECS = 1.5, 2.0
# More than anything here takes.
PATIENCE_SECS = 180


def client(service):
    return boto3.client(service, config=Config(max_pool_connections=4, retries={"max_attempts": 2}))


def say(text):
    print(text, file=sys.stderr, flush=True)


def wait_for(what, ask, pause=0.05, patience=PATIENCE_SECS):
    """Asks until there is an answer."""
    end = time.time() + patience
    while time.time() < end:
        answer = ask()
        if answer:
            return answer
        time.sleep(pause)
    raise RuntimeError(f"not within {patience} s: {what}")


class Traffic:
    """One customer after the other asks one function for something, and notes when an answer was faulty."""

    def __init__(self, function):
        self.function, self.faulty, self.good = function, [], []
        self.client = client("lambda")
        threading.Thread(target=self.ask, daemon=True).start()

    def ask(self):
        payload = json.dumps({"order_id": "o", "amount_cents": 1999})
        while True:
            answer = self.client.invoke(FunctionName=self.function, Payload=payload)
            is_faulty = FAULT.encode() in answer["Payload"].read()
            (self.faulty if is_faulty else self.good).append(time.time())
            time.sleep(PACE_SECS)

    def last_fault_after(self, signal):
        return max([at - signal for at in self.faulty if at > signal], default=0.0)

    def meets_faults(self):
        return bool(self.faulty) and (not self.good or self.faulty[-1] > self.good[-1])


class Pair:
    """A function with the layer that has requests, and one whose setting is changed."""

    def __init__(self, number, like):
        self.behind, self.throttled = f"bench-{number}", f"bench-throttled-{number}"
        lambdas = client("lambda")
        variables = like["Environment"]["Variables"] | {"INOCULATE_POLL_MS": "200"}
        common = {"Runtime": like["Runtime"], "Handler": like["Handler"], "Role": like["Role"], "Tags": {"inoculate": "allow"}}
        self.arn = lambdas.create_function(
            FunctionName=self.behind, Code={"ZipFile": like["Code"]}, Environment={"Variables": variables},
            MemorySize=256, Timeout=10, **common,
        )["FunctionArn"]
        lambdas.create_function(FunctionName=self.throttled, Code={"ZipFile": like["Code"]}, **common)
        self.lambdas, self.traffic = lambdas, Traffic(self.behind)

    def is_throttled(self):
        answer = self.lambdas.get_function_concurrency(FunctionName=self.throttled)
        return answer.get("ReservedConcurrentExecutions") == 0


def shop_payments():
    """The function that all others are like, with its package."""
    lambdas = client("lambda")
    found = lambdas.get_function(FunctionName="shop-payments")
    with urllib.request.urlopen(found["Code"]["Location"]) as answer:
        return found["Configuration"] | {"Code": answer.read()}


def feed():
    """A system that never minds, so that nothing but the signal ends a run."""
    cloudwatch = client("cloudwatch")
    while True:
        point = {"MetricName": "Failed", "Value": 0.0, "StorageResolution": 1}
        cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=[point])
        time.sleep(0.3)


class Bench:
    def __init__(self, machine, topic, inoculate, at_once):
        self.machine, self.topic, self.inoculate = machine, topic, inoculate
        self.states, self.sns, self.events = client("stepfunctions"), client("sns"), client("events")
        self.cloudwatch, self.iam, self.lambdas = client("cloudwatch"), client("iam"), client("lambda")
        self.table = boto3.resource("dynamodb").Table(TABLE)
        like = shop_payments()
        self.pairs = [Pair(number, like) for number in range(at_once)]
        self.runs = 0
        threading.Thread(target=feed, daemon=True).start()

    # ------------------------------------------------------------------------------------------------ runs

    def experiment(self, pair, alarm, longest, each_round):
        return {
            "name": "safety", "hypothesis": "Whatever ends it, it ends.",
            "blast_radius": {"functions": [pair.behind, pair.throttled], "percent": 100, "longest": longest},
            "windows": {"baseline": "15s", "round": each_round, "recovery": "10s"},
            "faults": [
                {"kind": "error", "function": pair.behind, "error_type": FAULT},
                {"kind": "reserved_concurrency", "function": pair.throttled, "executions": 0},
            ],
            "steady_state": [{
                "name": "failed", "unit": "share", "period": "1s",
                "metric": {"namespace": NAMESPACE, "name": "Failed", "statistic": "Average"},
                "tolerance": {"at_most": 0.5},
            }],
            "guards": {"alarms": [alarm]} if alarm else {},
        }

    def start(self, kind, pair, longest="60s", each_round="30s"):
        """Starts a run, and returns when its faults are there."""
        self.runs += 1
        run = f"{kind}-{self.runs}"
        alarm = None
        if kind == "alarm":
            alarm = f"bench-{run}"
            self.set_alarm(alarm, "OK")
        experiment = self.experiment(pair, alarm, longest, each_round)
        self.states.start_execution(stateMachineArn=self.machine, name=run, input=json.dumps({"experiment": experiment}))
        wait_for(f"{run} is injected", lambda: self.is_injected(run))
        wait_for(f"requests of {run} meet faults", lambda: pair.traffic.meets_faults())
        return run

    def record(self, run):
        return self.table.get_item(Key={"PK": f"RUN#{run}", "SK": "META"}, ConsistentRead=True).get("Item", {})

    def is_injected(self, run):
        record = self.record(run)
        if record.get("phase") in ("rolling_back", "rolled_back", "closed"):
            raise RuntimeError(f"{run} ended before the signal: {record.get('ending')}")
        return record.get("phase") == "injected"

    def execution(self, run):
        return self.machine.replace(":stateMachine:", ":execution:") + f":{run}"

    def lease(self, pair):
        return self.table.get_item(Key={"PK": f"TARGET#{pair.arn}", "SK": "LEASE"}, ConsistentRead=True)["Item"]

    def set_alarm(self, name, state):
        self.cloudwatch.put_metric_alarm(
            AlarmName=name, Namespace=NAMESPACE, MetricName="Alarm", Statistic="Sum", Period=60, EvaluationPeriods=1,
            Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore", AlarmActions=[self.topic],
        )
        self.cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="set by the benchmark")

    def command(self, *arguments, **environment):
        done = subprocess.run([self.inoculate, *arguments], env=os.environ | environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"inoculate {arguments}: {done.stdout} {done.stderr}")

    # ------------------------------------------------------------------------------------------------ signals

    def send(self, kind, run):
        """Sends the signal to end one run."""
        if kind == "abort":
            self.command("abort", run, "--reason", "bench")
        elif kind == "message":
            self.sns.publish(TopicArn=self.topic, Message=json.dumps({"run_id": run}))
        elif kind == "alarm":
            self.cloudwatch.set_alarm_state(AlarmName=f"bench-{run}", StateValue="ALARM", StateReason="the benchmark")
        elif kind == "stop":
            self.states.stop_execution(executionArn=self.execution(run), cause="the benchmark")
        else:
            raise ValueError(kind)

    def halt(self):
        """The kill switch, while Step Functions cannot be reached."""
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            dead = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        self.command("halt", "--reason", "bench", AWS_ENDPOINT_URL_SFN=dead)

    def back_after(self, pair, signal, patience=WATCH_SECS + 30):
        wait_for(f"{pair.throttled} is back", lambda: not pair.is_throttled(), pause=0.01, patience=patience)
        return time.time() - signal

    def watch(self, pair, signal):
        """What one signal brought about."""
        setting = self.back_after(pair, signal)
        time.sleep(max(0.0, signal + WATCH_SECS - time.time()))
        return {"layer": pair.traffic.last_fault_after(signal), "setting": setting}

    def each(self, work):
        """Does this with every pair at the same time."""
        with concurrent.futures.ThreadPoolExecutor(len(self.pairs)) as pool:
            return list(pool.map(work, self.pairs))

    def over(self, runs):
        """Waits until records and executions are over, so that the next runs find everything free."""
        for run in runs:
            wait_for(f"{run} is closed", lambda: self.record(run).get("phase") == "closed", pause=0.2)
            describe = lambda: self.states.describe_execution(executionArn=self.execution(run))["status"]
            wait_for(f"the execution of {run} is over", lambda: describe() != "RUNNING", pause=0.2)

    # ------------------------------------------------------------------------------------------------ batches

    def signalled(self, kind):
        """Runs that are each ended by a signal of their own."""
        runs = {}

        def one(pair):
            runs[pair] = self.start(kind, pair)
            time.sleep(SETTLED_SECS + random.random() * JITTER_SECS)
            signal = time.time()
            with concurrent.futures.ThreadPoolExecutor(1) as beside:
                sent = beside.submit(self.send, kind, runs[pair])
                seen = self.watch(pair, signal)
                sent.result()
            return seen

        seen = self.each(one)
        self.over(runs.values())
        return seen

    def halted(self):
        """Runs that are all ended by one kill switch."""
        runs = self.each(lambda pair: self.start("halt", pair))
        time.sleep(SETTLED_SECS + random.random() * JITTER_SECS)
        signal = time.time()
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            sent = beside.submit(self.halt)
            seen = self.each(lambda pair: self.watch(pair, signal))
            sent.result()
        self.command("resume")
        self.over(runs)
        return seen

    def lasted(self):
        """Runs that reach their longest time: the signal is the end of that time, by the record."""
        runs = {}

        def one(pair):
            runs[pair] = self.start("longest", pair, longest="8s", each_round="8s")
            began = self.record(runs[pair])["injecting_at"]
            return self.watch(pair, seconds(began) + 8)

        seen = self.each(one)
        self.over(runs.values())
        return seen

    def dead(self):
        """Runs whose orchestrator dies altogether: nobody may do anything, until the last lease is over."""
        runs = self.each(lambda pair: self.start("expiry", pair, each_round="2s"))
        self.mute(True)
        for role in ROLES:
            self.deny(role)
        signal = time.time()
        for run in runs:
            self.states.stop_execution(executionArn=self.execution(run), cause="the benchmark")

        def one(pair):
            end = float(self.lease(pair)["expires_at_ms"]) / 1000
            time.sleep(max(0.0, end + WATCH_SECS - time.time()))
            if not pair.is_throttled():
                raise RuntimeError(f"somebody restored {pair.throttled}")
            return {"layer": pair.traffic.last_fault_after(signal), "past_lease": pair.traffic.last_fault_after(end)}

        seen = self.each(one)
        for role in ROLES:
            self.allow(role)
        self.mute(False)
        self.lambdas.invoke(FunctionName="inoculate-rollback", Payload=json.dumps({"sweep": True}))
        self.over(runs)
        return seen

    def swept(self):
        """Runs whose execution is gone, and nobody is told: the schedule of the sweep finds them."""
        runs = self.each(lambda pair: self.start("sweep", pair))
        self.mute(True)
        time.sleep(random.random() * 60)
        signal = time.time()
        for run in runs:
            self.states.stop_execution(executionArn=self.execution(run), cause="the benchmark")

        def one(pair):
            setting = self.back_after(pair, signal, patience=PATIENCE_SECS)
            time.sleep(WATCH_SECS)
            return {"layer": pair.traffic.last_fault_after(signal), "setting": setting}

        seen = self.each(one)
        self.mute(False)
        self.over(runs)
        return seen

    # ------------------------------------------------------------------------------------------------ the world

    def mute(self, muted):
        change = self.events.disable_rule if muted else self.events.enable_rule
        change(Name="inoculate-stopped")

    def role(self, logical_id):
        answer = client("cloudformation").describe_stack_resource(StackName="inoculate", LogicalResourceId=logical_id)
        return answer["StackResourceDetail"]["PhysicalResourceId"]

    def deny(self, role):
        statement = {"Effect": "Deny", "NotAction": "logs:*", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.iam.put_role_policy(RoleName=self.role(role), PolicyName="bench-deny", PolicyDocument=policy)

    def allow(self, role):
        self.iam.delete_role_policy(RoleName=self.role(role), PolicyName="bench-deny")


def seconds(timestamp):
    """Of a time as the records have it."""
    from datetime import datetime

    return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()


# ---------------------------------------------------------------------------------------------------- what else there is

FLAGGED = """
import json, os, time, urllib.request
import boto3

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
SSM, CACHED = boto3.client("ssm"), {"at": 0.0, "value": "off"}


def flag():
    if "PARAMETER" not in os.environ:
        return os.environ.get("FLAG", "off")
    if time.time() - CACHED["at"] > float(os.environ["CACHE_SECS"]):
        found = SSM.get_parameter(Name=os.environ["PARAMETER"])["Parameter"]["Value"]
        CACHED.update(at=time.time(), value=found)
    return CACHED["value"]


while True:
    with urllib.request.urlopen(f"{API}/next") as event:
        request = event.headers["Lambda-Runtime-Aws-Request-Id"]
        event.read()
    answer = {"errorType": "%s"} if flag() == "on" else {"fine": True}
    with urllib.request.urlopen(f"{API}/{request}/response", json.dumps(answer).encode()) as done:
        done.read()
"""


class Rivals:
    """The same fault as a flag in the code of the function, as one would otherwise have it."""

    CACHE_SECS = 60

    def __init__(self, count):
        self.lambdas, self.ssm = client("lambda"), client("ssm")
        role = client("iam").create_role(RoleName="bench-flagged", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": "*"}]}
        client("iam").put_role_policy(RoleName="bench-flagged", PolicyName="read", PolicyDocument=json.dumps(policy))
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            entry = zipfile.ZipInfo("bootstrap")
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, f"#!{sys.executable}\n" + FLAGGED % FAULT)
        self.code, self.role, self.count = code.getvalue(), role, count

    def function(self, name, variables):
        self.lambdas.create_function(
            FunctionName=name, Runtime="provided.al2023", Handler="bootstrap", Role=self.role, Timeout=30,
            Code={"ZipFile": self.code}, Environment={"Variables": variables},
        )
        return Traffic(name)

    def in_parameter(self):
        """A flag in SSM that the function keeps for a minute."""

        def one(number):
            name, random_start = f"bench-ssm-{number}", random.random() * self.CACHE_SECS
            self.ssm.put_parameter(Name=name, Value="on", Type="String")
            traffic = self.function(name, {"PARAMETER": name, "CACHE_SECS": str(self.CACHE_SECS)})
            wait_for(f"{name} is at fault", traffic.meets_faults)
            time.sleep(random_start)
            signal = time.time()
            self.ssm.put_parameter(Name=name, Value="off", Type="String", Overwrite=True)
            time.sleep(self.CACHE_SECS + WATCH_SECS)
            return {"layer": traffic.last_fault_after(signal)}

        return self.each(one)

    def in_environment(self):
        """A flag in a variable of the function, which an update of the function changes."""

        def one(number):
            name = f"bench-variable-{number}"
            traffic = self.function(name, {"FLAG": "on"})
            wait_for(f"{name} is at fault", traffic.meets_faults)
            time.sleep(SETTLED_SECS + random.random() * JITTER_SECS)
            signal = time.time()
            self.lambdas.update_function_configuration(FunctionName=name, Environment={"Variables": {"FLAG": "off"}})
            time.sleep(WATCH_SECS + 6)
            return {"layer": traffic.last_fault_after(signal)}

        return self.each(one)

    def each(self, work):
        with concurrent.futures.ThreadPoolExecutor(self.count) as pool:
            return list(pool.map(work, range(self.count)))


def main(machine, topic, inoculate, batches, slow_batches, at_once):
    bench = Bench(machine, topic, inoculate, at_once)
    found = {}

    def measure(kind, times, batch):
        for number in range(times):
            for seen in batch():
                for name, value in seen.items():
                    found.setdefault(kind, {}).setdefault(name, []).append(value)
            say(f"{kind}, {number + 1} of {times}: " + ", ".join(f"{v:.2f}" for v in found[kind]["layer"][-at_once:]))

    for kind in ["abort", "message", "alarm", "stop"]:
        measure(kind, batches, lambda: bench.signalled(kind))
    measure("halt", batches, bench.halted)
    measure("longest", batches, bench.lasted)
    measure("expiry", slow_batches, bench.dead)
    measure("sweep", slow_batches, bench.swept)
    rivals = Rivals(2 * at_once)
    measure("variable", 1, rivals.in_environment)
    measure("parameter", 1, rivals.in_parameter)
    print(json.dumps(found))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
    # Customers who ask for ever.
    sys.stdout.flush()
    os._exit(0)
