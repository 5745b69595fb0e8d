{{/*
What the gateway connects to by its settings, as a map of "redis", "kafka" and "otlp" to the port of its address ("" if that is not
known). An address out of a Secret counts by the name of its setting; one that may be of either kind has to be declared.
*/}}
{{- define "model-server.connects" -}}
{{- $found := dict -}}
{{- range $name, $value := .Values.env -}}
{{- $otlp := has $name (list "OTEL_EXPORTER_OTLP_ENDPOINT" "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") -}}
{{- if kindIs "map" $value -}}
{{- if $otlp -}}{{- $_ := set $found "otlp" "" -}}{{- else if eq $name "REDIS_URL" -}}{{- $_ := set $found "redis" "" -}}{{- end -}}
{{- else if kindIs "string" $value -}}
{{- $port := trimPrefix ":" (regexFind ":[0-9]+$" (regexFind "^[a-z]+://[^/?#]*" $value)) -}}
{{- if $otlp -}}{{- $_ := set $found "otlp" $port -}}
{{- else if regexMatch "^rediss?://" $value -}}{{- $_ := set $found "redis" $port -}}
{{- else if regexMatch "^kafka://" $value -}}{{- $_ := set $found "kafka" $port -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
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
{{- with get $found $what -}}
{{- if not (has (int .) $ports) -}}
{{- fail (printf "an address in env uses port %s, which networkPolicy.egress.%s.ports does not let through: add it" . $what) -}}
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
