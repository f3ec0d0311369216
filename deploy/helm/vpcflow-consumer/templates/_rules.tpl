{{- /* What the schema cannot say. Each message: which value, what is wrong, what to do. */ -}}

{{- define "vpcflow-consumer.rules" -}}
{{- include "vpcflow-consumer.rules.settings" . -}}
{{- include "vpcflow-consumer.rules.stop" . -}}
{{- include "vpcflow-consumer.rules.deadletters" . -}}
{{- include "vpcflow-consumer.rules.scaling" . -}}
{{- end }}

{{- define "vpcflow-consumer.rules.settings" -}}
{{- $settings := .Values.settings -}}
{{- $kinesis := default dict $settings.kinesis -}}
{{- $engine := default dict $settings.elasticsearch -}}
{{- if not $kinesis.stream -}}
{{- fail "settings.kinesis.stream: name the Kinesis data stream" -}}
{{- end -}}
{{- $variables := dict -}}
{{- range .Values.extraEnv -}}
{{- $_ := set $variables .name true -}}
{{- end -}}
{{- if not (or $kinesis.region (hasKey $variables "AWS_REGION")) -}}
{{- fail "settings.kinesis.region: name the region of the stream" -}}
{{- end -}}
{{- if not (or $engine.hosts $engine.cloud_id) -}}
{{- fail "settings.elasticsearch.hosts: name the URLs of the search engine, or set settings.elasticsearch.cloud_id" -}}
{{- end -}}
{{- range list "consumer.worker_id" "consumer.run_folder" "metrics.listen" -}}
{{- $path := splitList "." . -}}
{{- if hasKey (default dict (get $settings (first $path))) (last $path) -}}
{{- fail (printf "settings.%s: the chart sets it; see workerIdPrefix and metrics in values.yaml" .) -}}
{{- end -}}
{{- end -}}
{{- range list "api_key" "bearer" "password" "proxy" -}}
{{- $value := toString (default "" (get $engine .)) -}}
{{- if and $value (not (regexMatch "^(file|aws-secretsmanager|ssm):" $value)) -}}
{{- fail (printf "settings.elasticsearch.%s: a secret does not belong into a ConfigMap: keep it in a Secret, and name that in secrets.existingSecret and its key in secrets.settings" .) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.secrets.settings (not .Values.secrets.existingSecret) -}}
{{- fail "secrets.existingSecret: name the Secret that has the keys of secrets.settings" -}}
{{- end -}}
{{- end }}

{{- define "vpcflow-consumer.rules.stop" -}}
{{- $grace := int64 (default 10000 (get (default dict .Values.settings.consumer) "shutdown_grace_milliseconds")) -}}
{{- $least := add (div (add $grace 999) 1000) 15 -}}
{{- if le (int64 .Values.terminationGracePeriodSeconds) $least -}}
{{- fail (printf "terminationGracePeriodSeconds: %d is too short: set more than %d, which is settings.consumer.shutdown_grace_milliseconds (%d) and 15 seconds for the daemon and its children to end" (int64 .Values.terminationGracePeriodSeconds) $least $grace) -}}
{{- end -}}
{{- end }}

{{- define "vpcflow-consumer.rules.deadletters" -}}
{{- $letters := default dict .Values.settings.deadletters -}}
{{- $kind := default "" $letters.kind -}}
{{- if not $kind -}}
{{- fail "settings.deadletters.kind: say where goes what nobody accepts: s3 (with settings.deadletters.bucket), sqs, index, or file with persistence.enabled" -}}
{{- end -}}
{{- if and (eq $kind "s3") (not $letters.bucket) -}}
{{- fail "settings.deadletters.bucket: name the bucket of the dead letters" -}}
{{- end -}}
{{- if and (eq $kind "sqs") (not $letters.queue_url) -}}
{{- fail "settings.deadletters.queue_url: name the URL of the queue of the dead letters; large ones want settings.deadletters.bucket, too" -}}
{{- end -}}
{{- if eq $kind "file" -}}
{{- if not .Values.persistence.enabled -}}
{{- fail "persistence.enabled: dead letters of kind file need a volume that stays; set it to true, or settings.deadletters.kind to s3, sqs or index" -}}
{{- end -}}
{{- if $letters.path -}}
{{- fail "settings.deadletters.path: the chart sets it to the volume of persistence; leave it out" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "vpcflow-consumer.rules.scaling" -}}
{{- if .Values.autoscaling.enabled -}}
{{- if not .Values.shards -}}
{{- fail "shards: autoscaling needs the number of the stream's open shards, which is the most workers that have work" -}}
{{- end -}}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.shards) -}}
{{- fail (printf "autoscaling.minReplicas: %d is more than there are shards (%d): lower it, or set shards to what the stream has" (int .Values.autoscaling.minReplicas) (int .Values.shards)) -}}
{{- end -}}
{{- if and (eq .Values.autoscaling.provider "keda") (not .Values.autoscaling.keda.serverAddress) -}}
{{- fail "autoscaling.keda.serverAddress: name the address of Prometheus, http://prometheus.monitoring:9090 for example" -}}
{{- end -}}
{{- end -}}
{{- end }}
