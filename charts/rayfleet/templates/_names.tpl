{{- define "rayfleet.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "rayfleet.fullname" -}}
{{- $name := include "rayfleet.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "rayfleet.metricsName" -}}
{{- printf "%s-metrics" (include "rayfleet.fullname" . | trunc 55 | trimSuffix "-") -}}
{{- end -}}

{{- define "rayfleet.rayMetricsName" -}}
{{- printf "%s-ray-metrics" (include "rayfleet.fullname" . | trunc 51 | trimSuffix "-") -}}
{{- end -}}

{{- define "rayfleet.scalingName" -}}
{{- printf "%s-scaling" (include "rayfleet.fullname" . | trunc 55 | trimSuffix "-") -}}
{{- end -}}

{{- define "rayfleet.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "rayfleet.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "rayfleet.image" -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- with .Values.image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* Part of the Deployment's selector, which cannot be changed once it is installed. */}}
{{- define "rayfleet.selectorLabels" -}}
app.kubernetes.io/name: {{ include "rayfleet.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "rayfleet.labels" -}}
{{ include "rayfleet.selectorLabels" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}
