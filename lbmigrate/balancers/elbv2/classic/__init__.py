"""A Classic Load Balancer as A: read by its own API (elb), and told as the document from which elbv2 makes B.

reading: what there is · translating: as an Application or Network Load Balancer has it, or why not · policies,
checks: parts of that · counting: CloudWatch's AWS/ELB · guarding: its marks and its end · side: `model.Balancer`
"""
