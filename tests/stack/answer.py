"""Calls functions of a script, one after the other, so that Python and boto3 are loaded once.

usage: answer.py SCRIPT   (a line {"action": NAME, "arguments": {...}} in, a line {"answer": VALUE} or {"error": TEXT} out)
"""

import json
import sys
import traceback

functions = {"__name__": "script"}
exec(compile(sys.argv[1], "script", "exec"), functions)
for line in sys.stdin:
    question = json.loads(line)
    try:
        said = json.dumps({"answer": functions[question["action"]](**question["arguments"])})
    except Exception:
        said = json.dumps({"error": traceback.format_exc()})
    print(said, flush=True)
