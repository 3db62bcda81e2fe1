{{- define "tcp-state-exporter.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "tcp-state-exporter.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "tcp-state-exporter.name" .) .Release.Name -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name (include "tcp-state-exporter.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "tcp-state-exporter.namespace" -}}
{{ .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{- define "tcp-state-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tcp-state-exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tcp-state-exporter.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/component: metrics
app.kubernetes.io/part-of: {{ include "tcp-state-exporter.name" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{ include "tcp-state-exporter.selectorLabels" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tcp-state-exporter.serviceAccountName" -}}
{{ .Values.serviceAccount.name | default (ternary (include "tcp-state-exporter.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "tcp-state-exporter.image" -}}
{{ .Values.image.registry }}/{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "tcp-state-exporter.configuration" -}}
{{- $ours := dict }}
{{- with .Values.everyNamespace }}
{{- if .enabled }}
{{- $ours = dict "namespaces" (dict "which" "all" "max" .max "ports" .ports) }}
{{- end }}
{{- end }}
{{- toYaml (mergeOverwrite $ours .Values.config) }}
{{- end }}
