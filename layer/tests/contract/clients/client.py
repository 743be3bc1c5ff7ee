"""Calls each URL, with `requests` or with the standard library, and says what came: `ok STATUS SHA256` or `failed ...`.

The arguments: which client, and then `SECONDS|URL` for each call.
"""

import hashlib
import sys
import urllib.request


def with_requests(url, seconds):
    import requests

    answer = requests.get(url, timeout=seconds)
    return answer.status_code, answer.content


def with_the_standard_library(url, seconds):
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read()


client = {"requests": with_requests, "urllib": with_the_standard_library}[sys.argv[1]]
for call in sys.argv[2:]:
    seconds, url = call.split("|")
    try:
        status, body = client(url, float(seconds))
        print("ok", status, hashlib.sha256(body).hexdigest(), flush=True)
    except OSError as error:
        print("failed", type(error).__name__, flush=True)
    except Exception as error:  # of http.client
        print("failed", type(error).__name__, flush=True)
