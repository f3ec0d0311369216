"""The Kinesis consumer: a supervisor, the KCL daemon that it starts, and the children that serve a shard each."""
