"""The smallest Python function with the AWS SDK, up to its first event: what `bench cold-start` compares with.

usage: cold_start.py [SERVICE...]   (makes a client for each service first, as functions do before their first event)
"""

import http.client
import os
import sys

import boto3

clients = [boto3.client(service) for service in sys.argv[1:]]
connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
connection.request("GET", "/2018-06-01/runtime/invocation/next")
connection.getresponse()
