{{- define "vpcflow-consumer.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- /* 50 characters: behind it comes a hash of 10, in a label of the pods that has room for 63. */ -}}
{{- define "vpcflow-consumer.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{- $name := include "vpcflow-consumer.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end -}}
{{- end -}}
{{- end }}

{{- /* Of a StatefulSet they cannot be changed: nothing that an upgrade changes may stand here. */ -}}
{{- define "vpcflow-consumer.selector" -}}
app.kubernetes.io/name: {{ include "vpcflow-consumer.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "vpcflow-consumer.labels" -}}
{{ include "vpcflow-consumer.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: consumer
app.kubernetes.io/part-of: vpcflow-stream
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "vpcflow-consumer.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "vpcflow-consumer.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{- default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "vpcflow-consumer.image" -}}
{{- $repository := required "image.repository: name the image that you built from docker/consumer.Dockerfile and pushed" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest }}
{{- else -}}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end -}}
{{- end }}
