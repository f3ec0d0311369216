#!/bin/sh
# What Lambda's image starts: the runtime client, with the handler that is the image's command.
export _HANDLER="$1"
exec /var/lang/bin/python3 -m awslambdaric "$_HANDLER"
