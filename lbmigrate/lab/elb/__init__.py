"""A laboratory's Elastic Load Balancing: the wire protocol, strict where emulators are lenient, boto3 unmodified.

wire: requests and answers by boto3's own description of the API · state: what an account holds · rules: what AWS
refuses · balancing, listening, grouping, common, operations: the calls of elbv2 · beside: those of ec2, wafv2 and
CloudWatch that a migration needs · feeding: those of Auto Scaling and ECS ·
classic: Classic Load Balancers · metrics: what is counted · judging: what a
policy allows · plane: what balancers do · server: the sockets · parts: a scenario's sides
"""
