{{/* The backends of a rule: the version of a cohort, or both by weight. Takes root and track ("" for both). Defaults are
written out: a rule that Argo CD has to leave alone in part (the weights) is compared with the live one as a whole. */}}
{{- define "model-server.backends" -}}
{{- $root := .root -}}
{{- $rollout := eq $root.Values.rollout.engine "argo-rollouts" -}}
{{- $weight := ternary (int $root.Values.canary.weight) 0 (and $root.Values.canary.enabled (not $rollout)) -}}
{{- $weights := dict "stable" (sub 100 $weight) -}}
{{- if or $root.Values.canary.enabled $rollout -}}{{- $_ := set $weights "canary" $weight -}}{{- end -}}
{{- if .track -}}{{- $weights = dict .track 1 -}}{{- end -}}
{{- range $track := list "stable" "canary" }}
{{- if hasKey $weights $track }}
- group: ""
  kind: Service
  name: {{ include "model-server.name" $root }}-{{ $track }}
  port: {{ $root.Values.service.port }}
  weight: {{ get $weights $track }}
  {{- if $rollout }}
  filters:
    - type: RequestHeaderModifier
      requestHeaderModifier:
        set:
          - {name: {{ include "model-server.trackHeader" $root | quote }}, value: {{ $track }}}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The headers that put a request into a cohort; a cookie is looked for among all cookies of the request. */}}
{{- define "model-server.cohortHeaders" -}}
{{- range .headers }}
- {{ toYaml . | nindent 2 | trim }}
{{- end }}
{{- with .cookie }}
- name: Cookie
  type: RegularExpression
  value: {{ printf "^(.*; *)?%s=%s( *;.*)?$" (regexQuoteMeta .name) (regexQuoteMeta .value) | quote }}
{{- end }}
{{- end -}}

{{/* A rule. Takes root, track ("" for both) and headers (text). */}}
{{- define "model-server.rule" -}}
{{- $root := .root -}}
{{- $route := $root.Values.httpRoute -}}
{{- $shadow := $root.Values.shadow -}}
- matches:
    - path:
        type: PathPrefix
        value: {{ $route.path | quote }}
      {{- with .headers }}
      headers:
        {{- . | nindent 8 }}
      {{- end }}
  {{- if or $route.filters $shadow.enabled }}
  filters:
    {{- with $route.filters }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- if $shadow.enabled }}
    - type: RequestMirror
      requestMirror:
        backendRef:
          group: ""
          kind: Service
          name: {{ include "model-server.name" $root }}-shadow
          port: {{ $root.Values.service.port }}
        percent: {{ $shadow.percent }}
    {{- end }}
  {{- end }}
  {{- with $route.timeouts }}
  timeouts:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  backendRefs:
    {{- include "model-server.backends" (dict "root" $root "track" .track) | trim | nindent 4 }}
{{- end -}}
