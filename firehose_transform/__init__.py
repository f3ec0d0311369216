"""The Amazon Data Firehose transformation Lambda. `handler.handler` is its entry point."""
