"""A Firehose stream on simulated time, strict where AWS is; what AWS does not say is listed in the README beside."""
