{{/* A security context: what the chart asks for, and beside it what the caller sets. Whatever is null is left to the cluster. Takes ours and theirs. */}}
{{- define "model-server.securityContext" -}}
{{- $context := dict -}}
{{- range $name, $value := mergeOverwrite .ours (deepCopy (.theirs | default dict)) -}}
{{- if kindIs "float64" $value -}}
{{- $_ := set $context $name (int64 $value) -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- $_ := set $context $name $value -}}
{{- end -}}
{{- end -}}
{{- toYaml $context -}}
{{- end -}}

{{/* Name of the service account of the pods. */}}
{{- define "model-server.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "model-server.name" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* What waits until endpoints are withdrawn, so that no request meets a closed port. */}}
{{- define "model-server.preStop" -}}
{{- $seconds := int .Values.preStopSeconds -}}
{{- if semverCompare ">=1.30-0" .Capabilities.KubeVersion.Version -}}
sleep:
  seconds: {{ $seconds }}
{{- else -}}
exec:
  command: ["python3", "-c", "import time; time.sleep({{ $seconds }})"]
{{- end -}}
{{- end -}}

{{/* Spread over nodes, as far as there are some; constraints of the caller that select nothing select these pods. Takes root and track. */}}
{{- define "model-server.topologySpread" -}}
{{- $selector := dict "matchLabels" (include "model-server.trackSelector" . | fromYaml) -}}
{{- $given := .root.Values.topologySpreadConstraints -}}
{{- $default := dict "maxSkew" 1 "topologyKey" "kubernetes.io/hostname" "whenUnsatisfiable" "ScheduleAnyway" -}}
{{- range $constraint := ternary (list $default) $given (kindIs "invalid" $given) }}
- {{ toYaml (merge (deepCopy $constraint) (dict "labelSelector" $selector)) | nindent 2 | trim }}
{{- end }}
{{- end -}}

{{/* The template of a pod. Takes root, track (stable, canary or shadow; rollout or flagger where an engine moves pods) and digest. */}}
{{- define "model-server.podTemplate" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
metadata:
  labels:
    {{- include "model-server.trackLabels" . | nindent 4 }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    cd4ml.io/image-digest: {{ .digest | quote }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "model-server.serviceAccount" $root }}
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: {{ include "model-server.graceSeconds" $root }}
  {{- with $values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- $ours := dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") }}
    {{- include "model-server.securityContext" (dict "ours" $ours "theirs" $values.podSecurityContext) | nindent 4 }}
  containers:
    - name: model-server
      image: {{ printf "%s@%s" $values.image.repository .digest | quote }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      ports:
        - name: http
          containerPort: {{ include "model-server.setting" (dict "root" $root "name" "PORT") }}
          protocol: TCP
      env:
        {{- include "model-server.env" (dict "root" $root "track" .track) | trim | nindent 8 }}
      {{- with $values.envFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      startupProbe:
        httpGet:
          path: {{ $values.startupPath }}
          port: http
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: {{ div (add $values.startupSeconds 4) 5 }}
      readinessProbe:
        httpGet:
          path: /health/readiness
          port: http
        periodSeconds: 5
        timeoutSeconds: 3
      livenessProbe:
        httpGet:
          path: /health/liveness
          port: http
        periodSeconds: 10
        timeoutSeconds: 3
      {{- if $values.preStopSeconds }}
      lifecycle:
        preStop:
          {{- include "model-server.preStop" $root | nindent 10 }}
      {{- end }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      securityContext:
        {{- $ours := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) }}
        {{- include "model-server.securityContext" (dict "ours" $ours "theirs" $values.securityContext) | nindent 8 }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: 256Mi
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with include "model-server.topologySpread" . | trim }}
  topologySpreadConstraints:
    {{- . | nindent 4 }}
  {{- end }}
  {{- range $name := list "runtimeClassName" "priorityClassName" }}
  {{- with get $values $name }}
  {{ $name }}: {{ . | quote }}
  {{- end }}
  {{- end }}
  {{- range $name := list "nodeSelector" "tolerations" "affinity" }}
  {{- with get $values $name }}
  {{ $name }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
{{- end -}}

{{/* A Deployment. Takes root, track (stable, canary or shadow), digest and replicas (nil: left to the autoscaler). */}}
{{- define "model-server.deployment" -}}
{{- $root := .root -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "model-server.name" $root }}{{ ternary "" (printf "-%s" .track) (eq .track "flagger") }}
  labels:
    {{- include "model-server.trackLabels" . | nindent 4 }}
spec:
  {{- with .replicas }}
  replicas: {{ . }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "model-server.trackSelector" . | nindent 6 }}
  template:
    {{- include "model-server.podTemplate" . | nindent 4 }}
{{- end -}}
