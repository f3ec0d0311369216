"""vpcflow: decode AWS VPC Flow Logs in flight and index them into Elasticsearch or OpenSearch."""

__version__ = "0.1.0"
