{{/*
What the gateway connects to by its settings, as a map of "redis", "kafka" and "otlp" to a list of settings, each with its ports (none
if they are not known). An address out of a Secret counts by the name of its setting; one that may be of either kind has to be declared.
*/}}
{{- define "model-server.connects" -}}
{{- $found := dict -}}
{{- $kinds := dict "redis" "redis" "rediss" "redis" "kafka" "kafka" -}}
{{- range $name, $value := .Values.env -}}
{{- $scheme := "" -}}
{{- if kindIs "string" $value -}}{{- $scheme = regexFind "^[A-Za-z]+://" $value | trimSuffix "://" | lower -}}{{- end -}}
{{- $what := get $kinds $scheme -}}
{{- if has $name (list "OTEL_EXPORTER_OTLP_ENDPOINT" "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") -}}{{- $what = ternary "otlp" "" (not (empty $value)) -}}
{{- else if and (eq $name "REDIS_URL") (kindIs "map" $value) -}}{{- $what = "redis" -}}
{{- end -}}
{{- if $what -}}
{{- $ports := list -}}
{{- if $scheme -}}{{- $ports = include "model-server.portsOf" $value | fromJsonArray -}}{{- end -}}
{{- $_ := set $found $what (append (get $found $what | default list) (dict "name" $name "ports" $ports)) -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{/* The ports of an address as a list: of each of its servers, what it says or what its scheme stands for. Takes the address. */}}
{{- define "model-server.portsOf" -}}
{{- $default := get (dict "redis" 6379 "rediss" 6379 "kafka" 9092 "http" 80 "https" 443) (regexFind "^[A-Za-z]+" . | lower) -}}
{{- $authority := regexFind "://[^/?#]*" . | trimPrefix "://" -}}
{{- $servers := regexReplaceAll "^.*@" $authority "" | splitList "," -}}
{{- $ports := list -}}
{{- range $servers -}}{{- $ports = append $ports (regexFind ":[0-9]+$" . | trimPrefix ":" | default $default) -}}{{- end -}}
{{- toJson $ports -}}
{{- end -}}

{{/* Whether a setting may name a Redis or a broker in a place that the chart cannot read. */}}
{{- define "model-server.unreadable" -}}
{{- if kindIs "map" .Values.env.EVENTS -}}env.EVENTS{{- else if kindIs "map" .Values.env.FEATURE_STORE_URL -}}env.FEATURE_STORE_URL{{- else if .Values.envFrom -}}envFrom{{- end -}}
{{- end -}}

{{/* The rules of egress: what settings ask for, what is switched on, name resolution for them, and the caller's own. */}}
{{- define "model-server.egress" -}}
{{- $root := . -}}
{{- $egress := .Values.networkPolicy.egress -}}
{{- $found := include "model-server.connects" . | fromJson -}}
{{- $rules := list -}}
{{- range $what := list "redis" "kafka" "otlp" -}}
{{- $rule := get $egress $what -}}
{{- $known := hasKey $found $what -}}
{{- $asked := ternary $known $rule.enabled (kindIs "invalid" $rule.enabled) -}}
{{- if and $known (not $asked) -}}
{{- fail (printf "networkPolicy.egress.%s.enabled is false, and the settings in env need it: leave it out" $what) -}}
{{- end -}}
{{- if and (kindIs "invalid" $rule.enabled) (not $known) (include "model-server.unreadable" $root) -}}
{{- fail (printf "networkPolicy.egress.%s.enabled must say true or false: %s may name an address that the chart cannot read" $what (include "model-server.unreadable" $root)) -}}
{{- end -}}
{{- if $asked -}}
{{- $ports := list -}}
{{- range $rule.ports -}}{{- $ports = append $ports (int .) -}}{{- end -}}
{{- range $setting := get $found $what -}}
{{- range $port := $setting.ports -}}
{{- if not (has (int $port) $ports) -}}
{{- fail (printf "env.%s uses port %d, which networkPolicy.egress.%s.ports does not let through: add it" $setting.name (int $port) $what) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $rules = append $rules (dict "ports" $ports "protocols" (list "TCP") "to" $rule.to) -}}
{{- end -}}
{{- end -}}
{{- if and (regexMatch "^https?://" (toString .Values.env.FEATURE_STORE_URL)) (not $egress.extra) -}}
{{- fail "env.FEATURE_STORE_URL names a server that networkPolicy.egress does not let through: add a rule to networkPolicy.egress.extra" -}}
{{- end -}}
{{- if or $rules $egress.extra -}}
{{- $rules = prepend $rules (dict "ports" (list 53) "protocols" (list "UDP" "TCP") "to" $egress.dns.to) -}}
{{- end -}}
{{- range $rule := $rules }}
- ports:
    {{- range $port := $rule.ports }}
    {{- range $protocol := $rule.protocols }}
    - port: {{ $port }}
      protocol: {{ $protocol }}
    {{- end }}
    {{- end }}
  {{- with $rule.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- with $egress.extra }}
{{ toYaml . }}
{{- end }}
{{- end -}}
