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

{{/* A Deployment. Takes root, track (stable or canary), digest and replicas (nil: left to the autoscaler). */}}
{{- define "model-server.deployment" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "model-server.name" $root }}-{{ .track }}
  labels:
    {{- include "model-server.labels" $root | nindent 4 }}
    cd4ml.io/track: {{ .track }}
spec:
  {{- with .replicas }}
  replicas: {{ . }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "model-server.selector" $root | nindent 6 }}
      cd4ml.io/track: {{ .track }}
  template:
    metadata:
      labels:
        {{- include "model-server.labels" $root | nindent 8 }}
        cd4ml.io/track: {{ .track }}
        {{- with $values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        cd4ml.io/image-digest: {{ .digest | quote }}
        {{- with $values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "model-server.name" $root }}
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
      {{- with $values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        runAsNonRoot: true
        {{- range $name, $id := $values.podSecurityContext }}
        {{- if not (kindIs "invalid" $id) }}
        {{ $name }}: {{ int64 $id }}
        {{- end }}
        {{- end }}
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: model-server
          image: {{ printf "%s@%s" $values.image.repository .digest | quote }}
          imagePullPolicy: {{ $values.image.pullPolicy }}
          ports:
            - name: http
              containerPort: 8080
              protocol: TCP
          {{- with $values.env }}
          env:
            {{- range $name, $value := . }}
            - name: {{ $name | quote }}
              value: {{ $value | quote }}
            {{- end }}
          {{- end }}
          startupProbe:
            httpGet:
              path: /health/readiness
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
          lifecycle:
            preStop:
              # Endpoints are withdrawn while this waits, so that no request meets a closed port.
              exec:
                command: ["python3", "-c", "import time; time.sleep(5)"]
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: ["ALL"]
          volumeMounts:
            - name: tmp
              mountPath: /tmp
      volumes:
        - name: tmp
          emptyDir:
            sizeLimit: 256Mi
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "model-server.selector" $root | nindent 14 }}
      {{- with $values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}

{{/* A Service. Takes root, suffix ("", "-stable", "-canary") and track ("" selects both versions). */}}
{{- define "model-server.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "model-server.name" .root }}{{ .suffix }}
  labels:
    {{- include "model-server.labels" .root | nindent 4 }}
spec:
  type: ClusterIP
  ports:
    - name: http
      port: {{ .root.Values.service.port }}
      targetPort: http
      protocol: TCP
  selector:
    {{- include "model-server.selector" .root | nindent 4 }}
    {{- with .track }}
    cd4ml.io/track: {{ . }}
    {{- end }}
{{- end -}}
