{{/* What scales a version: Kubernetes' autoscaler or KEDA's. Takes root, track, minimum and maximum. */}}
{{- define "model-server.autoscaler" -}}
{{- $scaling := .root.Values.autoscaling -}}
{{- $engine := .root.Values.rollout.engine -}}
{{- $name := include "model-server.name" .root -}}
{{- if eq $engine "none" -}}{{- $name = printf "%s-%s" $name .track -}}{{- end -}}
{{- if $scaling.keda.enabled -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
{{- else -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
{{- end }}
metadata:
  name: {{ $name }}
  labels:
    {{- include "model-server.labels" .root | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: {{ ternary "argoproj.io/v1alpha1" "apps/v1" (eq $engine "argo-rollouts") }}
    kind: {{ ternary "Rollout" "Deployment" (eq $engine "argo-rollouts") }}
    name: {{ $name }}
  {{- if $scaling.keda.enabled }}
  minReplicaCount: {{ .minimum }}
  maxReplicaCount: {{ .maximum }}
  pollingInterval: {{ $scaling.keda.pollingInterval }}
  cooldownPeriod: {{ $scaling.keda.cooldownPeriod }}
  {{- with $scaling.behavior }}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        {{- toYaml . | nindent 8 }}
  {{- end }}
  triggers:
    {{- toYaml $scaling.keda.triggers | nindent 4 }}
  {{- else }}
  minReplicas: {{ .minimum }}
  maxReplicas: {{ .maximum }}
  {{- with $scaling.behavior }}
  behavior:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ $scaling.targetCPUUtilizationPercentage }}
    {{- with $scaling.metrics }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
{{- end -}}
