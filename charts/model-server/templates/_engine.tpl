{{/* Refuses what an engine could not do, or would do otherwise than it looks. */}}
{{- define "model-server.checkEngine" -}}
{{- $engine := .Values.rollout.engine -}}
{{- $route := .Values.httpRoute -}}
{{- if and .Values.canary.enabled .Release.IsInstall (not .Values.rollout.installed) -}}
{{- fail (printf "the first pods of rollout.engine: %s get all of the traffic unjudged, and they would be the canary's: install with canary.enabled: false first. If the release runs already and `helm template` renders it (as Argo CD does), set rollout.installed: true" $engine) -}}
{{- end -}}
{{- $last := 0 -}}
{{- range .Values.rollout.steps -}}
{{- if le (int .) (int $last) -}}
{{- fail (printf "rollout.steps must ascend: %d comes after %d" (int .) (int $last)) -}}
{{- end -}}
{{- $last = int . -}}
{{- end -}}
{{- if eq $engine "argo-rollouts" -}}
{{- if .Values.rollout.analysis.webhooks -}}
{{- fail "rollout.analysis.webhooks are Flagger's; with rollout.engine: argo-rollouts use rollout.analysis.metrics" -}}
{{- end -}}
{{- if $route.cohorts -}}
{{- fail "httpRoute.cohorts and rollout.engine: argo-rollouts exclude each other: Argo sets the weights of every rule, and a cohort whose version has weight 0 would get errors" -}}
{{- end -}}
{{- if and $route.enabled (kindIs "map" .Values.env.TRACK_HEADER) -}}
{{- fail "env.TRACK_HEADER must be a text with rollout.engine: argo-rollouts: the route sets this header" -}}
{{- end -}}
{{- else -}}
{{- if not $route.enabled -}}
{{- fail "rollout.engine: flagger needs httpRoute.enabled: Flagger makes the route, and splits by it" -}}
{{- end -}}
{{- if or $route.cohorts $route.filters .Values.shadow.enabled -}}
{{- fail "rollout.engine: flagger makes the route itself: httpRoute.cohorts, httpRoute.filters and shadow are not possible with it" -}}
{{- end -}}
{{- if ge (int (first .Values.rollout.steps)) 100 -}}
{{- fail "rollout.steps needs a step below 100 with rollout.engine: flagger: it would judge nothing before it promotes" -}}
{{- end -}}
{{- end -}}
{{- end -}}
