{{/* The text of an environment variable; Helm reads whole numbers of values files as floating-point ones. */}}
{{- define "model-server.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- int64 . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{/* What the gateway is told of a setting: the caller's text, or the default that the gateway has. Takes root and name. */}}
{{- define "model-server.setting" -}}
{{- $defaults := .root.Files.Get "settings.json" | fromJson -}}
{{- include "model-server.text" (get (ternary .root.Values.env $defaults (hasKey .root.Values.env .name)) .name) -}}
{{- end -}}

{{/*
Environment of the container. Takes root and track. What the chart relies on stands in it with its default too, so that nothing
of `envFrom` says otherwise: the port, the model, and how long the end may take.
*/}}
{{- define "model-server.env" -}}
{{- $root := .root -}}
{{- $defaults := $root.Files.Get "settings.json" | fromJson -}}
{{- $env := dict "TRACK" .track -}}
{{- if eq .track "flagger" -}}
{{- /* Flagger copies the pods, and what tells the copy from them is this label alone. */ -}}
{{- $_ := set $env "TRACK" (dict "valueFrom" (dict "fieldRef" (dict "fieldPath" "metadata.labels['app.kubernetes.io/name']"))) -}}
{{- else if and (eq .track "rollout") $root.Values.httpRoute.enabled -}}
{{- /* Without the route nobody would set this header but clients. */ -}}
{{- $_ := set $env "TRACK_HEADER" (include "model-server.trackHeader" $root) -}}
{{- end -}}
{{- range list "HOST" "PORT" "MODEL_DIRECTORY" "SERVICE_FILE" "DRAIN_SECONDS" "DRAIN_IDLE_SECONDS" "EVENTS_DRAIN_SECONDS" -}}
{{- $_ := set $env . (get $defaults .) -}}
{{- end -}}
{{- $env = merge (deepCopy $root.Values.env) $env -}}
{{- if eq .track "shadow" -}}
{{- /* Whatever a copied request says, it was not the stable version or the canary that answered it. */ -}}
{{- $_ := set $env "TRACK_HEADER" "" -}}
{{- end -}}
{{- range $name, $value := $env }}
{{- if kindIs "map" $value }}
- name: {{ $name | quote }}
  {{- toYaml $value | nindent 2 }}
{{- else }}
- name: {{ $name | quote }}
  value: {{ include "model-server.text" $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Seconds that a pod may take to end: endpoints are withdrawn, requests answered, events sent; 5 for spans, the cache and the rest. */}}
{{- define "model-server.graceSeconds" -}}
{{- $worst := int .Values.preStopSeconds -}}
{{- $root := . -}}
{{- range list "DRAIN_IDLE_SECONDS" "DRAIN_SECONDS" "EVENTS_DRAIN_SECONDS" -}}
{{- $worst = add $worst (int (include "model-server.setting" (dict "root" $root "name" .))) -}}
{{- end -}}
{{- $worst = add $worst 5 -}}
{{- $given := .Values.terminationGracePeriodSeconds -}}
{{- if kindIs "invalid" $given -}}
{{- $worst -}}
{{- else if lt (int $given) (int $worst) -}}
{{- fail (printf "terminationGracePeriodSeconds is %d, and a pod may need %d seconds to end (preStopSeconds, DRAIN_IDLE_SECONDS, DRAIN_SECONDS, EVENTS_DRAIN_SECONDS, and 5 more): remove it, or set shorter ones" (int $given) (int $worst)) -}}
{{- else -}}
{{- int $given -}}
{{- end -}}
{{- end -}}

{{/* The header by which the route tells a pod of a Rollout whether the request is the canary's. */}}
{{- define "model-server.trackHeader" -}}
{{- get .Values.env "TRACK_HEADER" | default "X-Cd4ml-Track" -}}
{{- end -}}
