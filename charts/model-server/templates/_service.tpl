{{/* A Service. Takes root, suffix ("", "-stable", "-canary", "-shadow") and track ("" selects both versions). */}}
{{- define "model-server.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "model-server.name" .root }}{{ .suffix }}
  labels:
    {{- include "model-server.labels" .root | nindent 4 }}
    {{- with .track }}
    cd4ml.io/track: {{ . }}
    {{- end }}
spec:
  type: ClusterIP
  ports:
    - name: http
      port: {{ .root.Values.service.port }}
      targetPort: http
      protocol: TCP
  selector:
    {{- if and .track (or (eq .track "shadow") (ne .root.Values.rollout.engine "argo-rollouts")) }}
    {{- include "model-server.trackSelector" . | nindent 4 }}
    {{- else }}
    {{- include "model-server.selector" .root | nindent 4 }}
    {{- end }}
{{- end -}}
