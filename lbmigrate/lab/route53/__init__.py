"""A Route 53 for the laboratory: as strict as AWS's documents say, and it answers DNS with the weights.

sets, values: what a record set is · rules: whether a batch may be · world: zones, changes, time, faults
answers: what DNS answers from it · api: the REST-XML protocol · server: the sockets

What AWS's documents leave open is refused. Signatures of requests are not checked, only whose key it is.
"""
