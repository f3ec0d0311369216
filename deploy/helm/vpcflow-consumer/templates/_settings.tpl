{{- /* The settings as TOML. What JSON writes for text, numbers and lists of them is TOML, too; tables are written here. */ -}}
{{- define "vpcflow-consumer.toml" -}}
{{- range $section, $keys := .Values.settings }}
{{- if $keys }}
{{- $tables := dict }}
[{{ $section }}]
{{- range $key, $value := $keys }}
{{- if kindIs "map" $value }}
{{- fail (printf "settings.%s.%s: a table is no value of a setting" $section $key) }}
{{- else if and (kindIs "slice" $value) $value (kindIs "map" (first $value)) }}
{{- $_ := set $tables $key $value }}
{{- else if not (or (kindIs "invalid" $value) (and (kindIs "string" $value) (eq $value ""))) }}
{{ $key }} = {{ toRawJson $value }}
{{- end }}
{{- end }}
{{- range $key, $entries := $tables }}
{{- range $entry := $entries }}
[[{{ $section }}.{{ $key }}]]
{{- range $name, $value := $entry }}
{{ $name }} = {{ toRawJson $value }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Of `elasticsearch.api_key`: VPCFLOW_ELASTICSEARCH__API_KEY. */ -}}
{{- define "vpcflow-consumer.variable" -}}
{{- printf "VPCFLOW_%s" (replace "." "__" . | upper) }}
{{- end }}

{{- define "vpcflow-consumer.metricsPort" -}}
{{- int .Values.metrics.port }}
{{- end }}
