{{/* A name that is no longer than `most`: what is cut off leaves a hash, so that two long names stay two. */}}
{{- define "model-server.short" -}}
{{- if gt (len .text) (int .most) -}}
{{- printf "%s-%s" (.text | trunc (int (sub .most 9)) | trimSuffix "-") (.text | sha256sum | trunc 8) -}}
{{- else -}}
{{- .text | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What tells this model from others in the release: a dependency's chart goes by its alias. */}}
{{- define "model-server.model" -}}
{{- .Values.nameOverride | default .Chart.Name -}}
{{- end -}}

{{/* Name of everything that belongs to this model; `-stable` and `-canary` follow it, within 63 characters. */}}
{{- define "model-server.name" -}}
{{- $model := include "model-server.model" . -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name $model) (eq $model "model-server") -}}
{{- $name = .Values.fullnameOverride | default $name | lower | replace "_" "-" -}}
{{- include "model-server.short" (dict "text" $name "most" 45) -}}
{{- end -}}

{{/* Labels by which pods are selected: they never change between releases. */}}
{{- define "model-server.selector" -}}
app.kubernetes.io/name: {{ include "model-server.short" (dict "text" (include "model-server.model" .) "most" 63) | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* All standard labels. */}}
{{- define "model-server.labels" -}}
{{ include "model-server.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: cd4ml
helm.sh/chart: {{ include "model-server.short" (dict "text" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") "most" 63) | quote }}
{{- end -}}
