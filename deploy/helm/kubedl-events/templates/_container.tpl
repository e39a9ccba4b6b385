{{- define "kubedl-events.args" -}}
- "--listen-address=:8080"
- {{ printf "--max-size=%s" .Values.maxSize | quote }}
{{- if gt (int .Values.replicas) 1 }}
- "--leader-elect"
{{- end }}
{{- if ne (include "kubedl-events.fullname" .) "kubedl-events" }}
- {{ printf "--lease-name=%s" (include "kubedl-events.fullname" .) | quote }}
{{- end }}
{{- if .Values.config }}
- "--config=/etc/kubedl-events/config.yaml"
{{- end }}
{{- if .Values.aliyunSls.enabled }}
- "--event-storage"
- "aliyun-sls"
{{- end }}
{{- if .Values.graphite.enabled }}
- "--event-storage"
- "graphite"
{{- end }}
{{- range .Values.eventStorage }}
- "--event-storage"
- {{ . | quote }}
{{- end }}
{{- with .Values.customSinks }}
- "--sink-dir=/sinks"
- "--grant-dir=/grants"
{{- range . }}
- "--event-storage"
- {{ .name | quote }}
{{- end }}
{{- end }}
{{- range .Values.args }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "kubedl-events.secretVariable" -}}
- name: {{ .variable }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret | quote }}
      key: {{ .key }}
{{- end -}}

{{- define "kubedl-events.env" -}}
{{- if not (or .Values.aliyunSls.enabled .Values.graphite.enabled .Values.eventStorage .Values.customSinks (index .Values.config "event-storage")) }}
# Counts while there is no --event-storage among the arguments.
- name: KUBEDL_EVENTS_EVENT_STORAGE
  value: stdout
{{- end }}
{{- if .Values.aliyunSls.enabled }}
{{- $secret := .Values.aliyunSls.secret }}
{{ include "kubedl-events.secretVariable" (dict "variable" "SLS_ENDPOINT" "secret" $secret "key" "endpoint") }}
{{ include "kubedl-events.secretVariable" (dict "variable" "SLS_KEY_ID" "secret" $secret "key" "accessKey") }}
{{ include "kubedl-events.secretVariable" (dict "variable" "SLS_KEY_SECRET" "secret" $secret "key" "accessSecret") }}
{{ include "kubedl-events.secretVariable" (dict "variable" "SLS_PROJECT" "secret" $secret "key" "project") }}
{{ include "kubedl-events.secretVariable" (dict "variable" "SLS_LOG_STORE" "secret" $secret "key" "logStore") }}
{{- end }}
{{- if .Values.graphite.enabled }}
- name: GRAPHITE_URL
  value: {{ .Values.graphite.url | quote }}
{{ include "kubedl-events.secretVariable" (dict "variable" "GRAPHITE_TOKEN" "secret" .Values.graphite.secret "key" "token") }}
      optional: true
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "kubedl-events.volumes" -}}
{{- if not .Values.persistence.enabled }}
- name: data
  emptyDir:
    sizeLimit: {{ .Values.persistence.size }}
{{- end }}
{{- if .Values.config }}
- name: config
  configMap:
    name: {{ include "kubedl-events.fullname" . }}
{{- end }}
{{- if .Values.customSinks }}
- name: sinks
  projected:
    sources:
      {{- range .Values.customSinks }}
      - configMap:
          name: {{ .configMap | quote }}
      {{- $configMap := .configMap }}
      {{- range $part := until (int (default 2 .parts)) }}
      - configMap:
          name: {{ printf "%s-%03d" $configMap $part | quote }}
          optional: true
      {{- end }}
      {{- end }}
- name: grants
  configMap:
    name: {{ .Values.grants | quote }}
{{- end }}
{{- end -}}
