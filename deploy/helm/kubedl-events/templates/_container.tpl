{{/* Values that name destinations where arguments and variables do: they win over the file of config. */}}
{{- define "kubedl-events.destinations" -}}
{{- $named := list -}}
{{- if .Values.aliyunSls.enabled }}{{ $named = append $named "aliyunSls.enabled" }}{{ end -}}
{{- if .Values.graphite.enabled }}{{ $named = append $named "graphite.enabled" }}{{ end -}}
{{- if .Values.eventStorage }}{{ $named = append $named "eventStorage" }}{{ end -}}
{{- if .Values.customSinks }}{{ $named = append $named "customSinks" }}{{ end -}}
{{- range .Values.args }}{{ if regexMatch "^--event-storage(=|$)" . }}{{ $named = append $named "args" }}{{ end }}{{ end -}}
{{- range .Values.env }}{{ if eq .name "KUBEDL_EVENTS_EVENT_STORAGE" }}{{ $named = append $named "env" }}{{ end }}{{ end -}}
{{- $named | uniq | join ", " -}}
{{- end -}}

{{/* Refuses what would be dropped without a word, or end the container: settings that are given twice. */}}
{{- define "kubedl-events.refuse" -}}
{{- if index .Values.config "event-storage" }}
{{- with include "kubedl-events.destinations" . }}
{{- fail (printf "config.event-storage would be dropped, since these win over it: %s. Name all destinations in one place. Without config.event-storage, what each gets may stand in config.select; with it, the variables of its sinks stand under env or envFrom." .) }}
{{- end }}
{{- end }}
{{- $own := dict "listen-address" "leave it out, the probes need :8080" "max-size" "set the value maxSize" "lease-name" "set the value leaseName" "heartbeat" "set the value heartbeat, which gives the right to it, too" -}}
{{- if gt (int .Values.replicas) 1 }}{{ $_ := set $own "leader-elect" "leave it out while replicas is above 1" }}{{ end -}}
{{- if .Values.config }}{{ $_ := set $own "config" "what is under the value config is the file" }}{{ end -}}
{{- range $flag, $instead := $own }}
{{- range $.Values.args }}
{{- if regexMatch (printf "^--%s(=|$)" $flag) . }}
{{- fail (printf "args has --%s, which the chart gives itself: %s." $flag $instead) }}
{{- end }}
{{- end }}
{{- /* `leader-elect: true` says the same. */}}
{{- if and (hasKey $.Values.config $flag) (ne (index $.Values.config $flag | toString) "true") }}
{{- fail (printf "config has %s, but the argument that the chart gives itself would win: %s." $flag $instead) }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "kubedl-events.args" -}}
- "--listen-address=:8080"
- {{ printf "--max-size=%s" .Values.maxSize | quote }}
{{- if gt (int .Values.replicas) 1 }}
- "--leader-elect"
{{- end }}
{{- if ne (include "kubedl-events.leaseName" .) "kubedl-events" }}
- {{ printf "--lease-name=%s" (include "kubedl-events.leaseName" .) | quote }}
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
{{- with .Values.heartbeat }}
- {{ printf "--heartbeat=%s" . | quote }}
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
{{- if not (or (include "kubedl-events.destinations" .) (index .Values.config "event-storage")) }}
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
