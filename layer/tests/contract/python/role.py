"""Makes a role that may do everything, and prints the variables with its credentials."""

import json

import boto3

allow = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
trust = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
iam = boto3.client("iam")
role = iam.create_role(RoleName="everything", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
all_of_it = {"Effect": "Allow", "Action": "*", "Resource": "*"}
policy = json.dumps({"Version": "2012-10-17", "Statement": [all_of_it]})
iam.put_role_policy(RoleName="everything", PolicyName="all", PolicyDocument=policy)
given = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
names = {"AccessKeyId": "AWS_ACCESS_KEY_ID", "SecretAccessKey": "AWS_SECRET_ACCESS_KEY", "SessionToken": "AWS_SESSION_TOKEN"}
print(json.dumps({variable: given[name] for name, variable in names.items()}))
