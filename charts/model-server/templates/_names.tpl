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

{{/* Labels by which pods that answer are selected: they never change between releases. */}}
{{- define "model-server.selector" -}}
app.kubernetes.io/name: {{ include "model-server.short" (dict "text" (include "model-server.model" .) "most" 63) | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* Those of one version's pods. A shadow goes by a name of its own: no Service of requests may find it. Takes root and track. */}}
{{- define "model-server.trackSelector" -}}
{{- $labels := include "model-server.selector" .root | fromYaml -}}
{{- if eq .track "flagger" -}}
{{- /* Flagger's copy of the pods goes by this name and "-primary", so it has to be the release's own. */ -}}
{{- $_ := set $labels "app.kubernetes.io/name" (include "model-server.name" .root) -}}
{{- else if eq .track "shadow" -}}
{{- $name := printf "%s-shadow" (include "model-server.model" .root) -}}
{{- $_ := set $labels "app.kubernetes.io/name" (include "model-server.short" (dict "text" $name "most" 63)) -}}
{{- end -}}
{{- if has .track (list "stable" "canary" "shadow") -}}
{{- $_ := set $labels "cd4ml.io/track" .track -}}
{{- end -}}
{{- toYaml $labels -}}
{{- end -}}

{{/* A selector of all pods of this model, those of a shadow among them. */}}
{{- define "model-server.everyPod" -}}
{{- $names := list -}}
{{- if eq .Values.rollout.engine "flagger" -}}
{{- $names = list (include "model-server.name" .) (printf "%s-primary" (include "model-server.name" .)) -}}
{{- else -}}
{{- range $track := list "stable" "shadow" -}}
{{- $names = append $names (get (include "model-server.trackSelector" (dict "root" $ "track" $track) | fromYaml) "app.kubernetes.io/name") -}}
{{- end -}}
{{- end -}}
matchLabels:
  app.kubernetes.io/instance: {{ .Release.Name | quote }}
matchExpressions:
  - {key: app.kubernetes.io/name, operator: In, values: {{ toJson $names }}}
{{- end -}}

{{/* All standard labels. */}}
{{- define "model-server.labels" -}}
{{ include "model-server.selector" . }}
{{ include "model-server.about" . }}
{{- end -}}

{{/* Those of a version's pods. Takes root and track. */}}
{{- define "model-server.trackLabels" -}}
{{ include "model-server.trackSelector" . }}
{{ include "model-server.about" .root }}
{{- end -}}

{{/* Labels that say more about an object, by which nothing is selected. */}}
{{- define "model-server.about" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: cd4ml
helm.sh/chart: {{ include "model-server.short" (dict "text" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") "most" 63) | quote }}
{{- end -}}

{{/* A regular expression of the names of this model's pods. */}}
{{- define "model-server.podNames" -}}
{{- $name := include "model-server.name" . -}}
{{- $made := "[a-z0-9]+-[a-z0-9]{5}" -}}
{{- if eq .Values.rollout.engine "flagger" -}}
{{ $name }}-(primary-)?{{ $made }}
{{- else if eq .Values.rollout.engine "argo-rollouts" -}}
{{ $name }}-(shadow-)?{{ $made }}
{{- else -}}
{{ $name }}-(stable|canary|shadow)-.+
{{- end -}}
{{- end -}}
