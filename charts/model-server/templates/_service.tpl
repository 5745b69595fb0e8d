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
