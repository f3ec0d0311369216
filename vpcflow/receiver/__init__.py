"""Receives what Amazon Data Firehose sends to an HTTP endpoint: a request is answered with 200 once all of it is settled."""
