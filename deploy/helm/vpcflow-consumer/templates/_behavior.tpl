{{- /* How fast replicas may change, in the words of both autoscalers. */ -}}
{{- define "vpcflow-consumer.behavior" -}}
{{- range $direction := list "scaleUp" "scaleDown" }}
{{- $rule := get $.Values.autoscaling $direction }}
{{ $direction }}:
  stabilizationWindowSeconds: {{ int $rule.stabilizationWindowSeconds }}
  policies:
    - type: Pods
      value: {{ int $rule.pods }}
      periodSeconds: {{ int $rule.periodSeconds }}
{{- end }}
{{- end }}
