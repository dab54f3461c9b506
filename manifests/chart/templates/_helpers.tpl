{{- define "m365.name" -}}
{{ .Values.name }}
{{- end }}

{{- define "m365.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "m365.labels" -}}
{{ include "m365.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "m365.canary" -}}
{{ include "m365.name" . }}-canary
{{- end }}

{{- define "m365.canarySelectorLabels" -}}
app.kubernetes.io/name: {{ include "m365.canary" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* A percentage is text, and a number is not. */}}
{{- define "m365.share" -}}
{{ if contains "%" (toString .) }}{{ . | quote }}{{ else }}{{ int . }}{{ end }}
{{- end }}

{{/* An image, from the global registry if there is one. The first part of a name is a registry if it has a dot or a port. */}}
{{- define "m365.fromRegistry" -}}
{{- $registry := .root.Values.global.imageRegistry -}}
{{- $first := first (splitList "/" .image) -}}
{{- if not $registry -}}
{{ .image }}
{{- else if and (contains "/" .image) (or (contains "." $first) (contains ":" $first) (eq $first "localhost")) -}}
{{ printf "%s/%s" $registry (trimPrefix (printf "%s/" $first) .image) }}
{{- else -}}
{{ printf "%s/%s" $registry .image }}
{{- end -}}
{{- end }}

{{- define "m365.helperImage" -}}
{{- with .Values.helper.image -}}
{{ include "m365.fromRegistry" (dict "root" $ "image" .) }}
{{- else -}}
{{ include "m365.image" . }}
{{- end -}}
{{- end }}

{{- define "m365.image" -}}
{{- with .Values.image -}}
{{ include "m365.fromRegistry" (dict "root" $ "image" .repository) }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "m365.tlsSecret" -}}
{{ .Values.certificates.secretName | default (printf "%s-tls" .Values.name) }}
{{- end }}

{{/* Whether the webhook itself is installed: "true" or empty. */}}
{{- define "m365.server" -}}
{{ if not .Values.mutatingAdmissionPolicy.enabled }}true{{ end }}
{{- end }}

{{/* Namespaces that are never matched: our own pods must be able to start while no replica answers. */}}
{{- define "m365.namespaceSelector" -}}
{{- $extra := .root.Values.webhook.namespaceSelector -}}
{{- $labels := merge (dict) (.labels | default dict) ($extra.matchLabels | default dict) -}}
matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values:
      {{- range concat (list .root.Release.Namespace "kube-system" "kube-node-lease") .root.Values.webhook.excludedNamespaces | uniq }}
      - {{ . | quote }}
      {{- end }}
  {{- with $extra.matchExpressions }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $labels }}
matchLabels:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "m365.labelledPods" -}}
{{- $extra := .Values.webhook.objectSelector -}}
matchLabels:
  {{- toYaml (merge (dict "azure.workload.identity/use" "true") ($extra.matchLabels | default dict)) | nindent 2 }}
{{- with $extra.matchExpressions }}
matchExpressions:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The labels of the pod of `helm test`, as JSON: ours, and those that the selector above needs. */}}
{{- define "m365.testLabels" -}}
{{- $labels := dict -}}
{{- with .Values.webhook.objectSelector -}}
{{- range .matchExpressions -}}
{{- if eq .operator "In" -}}
{{- $_ := set $labels .key (first .values) -}}
{{- else if eq .operator "Exists" -}}
{{- $_ := set $labels .key "true" -}}
{{- end -}}
{{- end -}}
{{- $labels = merge (dict) (.matchLabels | default dict) $labels -}}
{{- end -}}
{{- merge (dict "azure.workload.identity/use" "true") $labels | toJson -}}
{{- end }}

{{- define "m365.unlabelledPods" -}}
{{- $extra := .Values.webhook.objectSelector -}}
matchExpressions:
  - key: azure.workload.identity/use
    operator: NotIn
    values: ["true", "false"]
  {{- with $extra.matchExpressions }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $extra.matchLabels }}
matchLabels:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A mirror pod is the image of a static pod: the kubelet kills it if it differs from its file. */}}
{{- define "m365.notMirrorPod" -}}
- name: not-a-mirror-pod
  expression: "!has(object.metadata.annotations) || !('kubernetes.io/config.mirror' in object.metadata.annotations)"
{{- end }}

{{/* The match condition of the policies that hold the webhook's own ServiceAccount, and no one else. */}}
{{- define "m365.webhookItself" -}}
- name: the-webhook-itself
  expression: >-
    request.userInfo.username == 'system:serviceaccount:{{ .Release.Namespace }}:{{ include "m365.name" . }}'
{{- end }}

{{/* A duration such as 2h30m in seconds. */}}
{{- define "m365.seconds" -}}
{{- $seconds := 0 -}}
{{- range regexFindAll "[0-9]+[hms]" . -1 -}}
{{- $number := trimSuffix (regexFind "[hms]" .) . | atoi -}}
{{- $seconds = add $seconds (mul $number (get (dict "h" 3600 "m" 60 "s" 1) (regexFind "[hms]" .))) -}}
{{- end -}}
{{- $seconds -}}
{{- end }}

{{/* The variables of traces, as a list. Where a span comes from: POD_NAME must stand before what refers to it. */}}
{{- define "m365.tracingEnv" -}}
{{- $attributes := dict "k8s.pod.name" "$(POD_NAME)" "k8s.namespace.name" .Release.Namespace "k8s.deployment.name" .Values.name -}}
{{- $pairs := list -}}
{{- range $name, $value := merge (dict) .Values.tracing.resourceAttributes $attributes -}}
{{- $pairs = append $pairs (printf "%s=%s" $name $value) -}}
{{- end -}}
- {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: OTEL_RESOURCE_ATTRIBUTES, value: {{ join "," $pairs | quote }}}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ .Values.tracing.endpoint | quote }}}
- {name: OTEL_TRACES_SAMPLER, value: parentbased_traceidratio}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ .Values.tracing.sampleRatio | toString | quote }}}
{{- with .Values.tracing.authorities.configMap }}
- {name: OTEL_EXPORTER_OTLP_CERTIFICATE, value: /etc/m365-workload-identity/collector/ca.crt}
{{- end }}
{{- with .Values.tracing.headersSecret }}
{{- if .name }}
- {name: OTEL_EXPORTER_OTLP_HEADERS, valueFrom: {secretKeyRef: {name: {{ .name | quote }}, key: {{ .key | quote }}}}}
{{- end }}
{{- end }}
{{- end }}

{{/* What the schema cannot say: values that contradict each other. All of them at once. */}}
{{- define "m365.validate" -}}
{{- $wrong := list -}}
{{- with .Values.certificates -}}
{{- if and (eq .mode "files") (not .secretName) -}}
{{- $wrong = append $wrong "certificates.mode is files: name the Secret with tls.crt and tls.key in certificates.secretName" -}}
{{- end -}}
{{- if and .caBundle (ne .mode "files") -}}
{{- $wrong = append $wrong (printf "certificates.caBundle is set, but certificates.mode is %s, which writes it itself: leave it empty" .mode) -}}
{{- end -}}
{{- if and .certManager.issuerRef (ne .mode "cert-manager") -}}
{{- $wrong = append $wrong (printf "certificates.certManager.issuerRef is set, but certificates.mode is %s: use cert-manager" .mode) -}}
{{- end -}}
{{- end -}}
{{- with .Values.clientCertificates -}}
{{- if and .configMapName .secretName -}}
{{- $wrong = append $wrong "clientCertificates.configMapName and clientCertificates.secretName are both set: name one" -}}
{{- end -}}
{{- if and .names (not (or .configMapName .secretName)) -}}
{{- $wrong = append $wrong "clientCertificates.names is set without an authority: name its ConfigMap in clientCertificates.configMapName" -}}
{{- end -}}
{{- end -}}
{{- with .Values.podDisruptionBudget -}}
{{- if and (ne (toString .minAvailable) "") (ne (toString .maxUnavailable) "") -}}
{{- $wrong = append $wrong "podDisruptionBudget.minAvailable and podDisruptionBudget.maxUnavailable are both set: Kubernetes accepts one" -}}
{{- end -}}
{{- end -}}
{{- if not .Values.enabled -}}
{{- $wrong = append $wrong "enabled is false, which a parent chart reads: give its dependency `condition: m365-workload-identity.enabled`" -}}
{{- end -}}
{{- if eq (int .Values.port) (int .Values.operationsPort) -}}
{{- $wrong = append $wrong (printf "port and operationsPort are both %d: they must differ" (int .Values.port)) -}}
{{- end -}}
{{- with .Values.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- $wrong = append $wrong (printf "autoscaling.minReplicas is %d, more than maxReplicas, %d" (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- if and (include "m365.server" .) .Values.networkPolicy.enabled (not .Values.networkPolicy.apiServerTo) -}}
{{- $wrong = append $wrong "networkPolicy.enabled needs networkPolicy.apiServerTo, or the webhook could reach everything: set the API server's addresses, from kubectl get endpointslices -n default -l kubernetes.io/service-name=kubernetes" -}}
{{- end -}}
{{- with .Values.tracing -}}
{{- if and .endpoint $.Values.networkPolicy.enabled (not $.Values.networkPolicy.collectorTo) -}}
{{- $wrong = append $wrong "networkPolicy.enabled with tracing.endpoint needs networkPolicy.collectorTo, or no span reaches the collector: set the peers that are the collector" -}}
{{- end -}}
{{- if and (not .endpoint) (or .headersSecret.name .authorities.configMap .resourceAttributes) -}}
{{- $wrong = append $wrong "tracing has values, but no tracing.endpoint, so no traces are sent: set the URL of the collector" -}}
{{- end -}}
{{- end -}}
{{- $actions := .Values.validatingAdmissionPolicy.actions -}}
{{- if and (has "Deny" $actions) (has "Warn" $actions) -}}
{{- $wrong = append $wrong "validatingAdmissionPolicy.actions has Deny and Warn: Kubernetes accepts only one of them" -}}
{{- end -}}
{{- if and (include "m365.server" .) (has .Values.test.namespace (concat (list .Release.Namespace "kube-system" "kube-node-lease") .Values.webhook.excludedNamespaces)) -}}
{{- $wrong = append $wrong (printf "test.namespace is %s, whose pods are left alone: name another" .Values.test.namespace) -}}
{{- end -}}
{{/* Names go into the manifests without quotes, so YAML must read them as text. */}}
{{- range $what, $name := dict "the namespace" .Release.Namespace "the release" .Release.Name "name" .Values.name -}}
{{- if not (kindIs "string" (get (printf "is: %s" $name | fromYaml) "is")) -}}
{{- $wrong = append $wrong (printf "%s is %s, which YAML does not read as text: choose another" $what $name) -}}
{{- end -}}
{{- end -}}
{{- range $key := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "helm.sh/chart" -}}
{{- range $what := list "commonLabels" "podLabels" -}}
{{- if hasKey (get $.Values $what) $key -}}
{{- $wrong = append $wrong (printf "%s has %s, which the chart sets: remove it" $what $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $variables := list -}}
{{- range .Values.extraEnv -}}
{{- if has .name $variables -}}
{{- $wrong = append $wrong (printf "extraEnv has %s twice: leave one" .name) -}}
{{- end -}}
{{- $variables = append $variables .name -}}
{{- end -}}
{{- if and .Values.resourceQuota.enabled (not .Values.priorityClassName) -}}
{{- $wrong = append $wrong "resourceQuota.enabled needs a priorityClassName" -}}
{{- end -}}
{{- with .Values.federation -}}
{{- if .enabled -}}
{{- if not .clientId -}}
{{- $wrong = append $wrong "federation.enabled needs federation.clientId: the application with which it signs in (docs/federation.md)" -}}
{{- end -}}
{{- if not (or .tenantId $.Values.tenantId) -}}
{{- $wrong = append $wrong "federation.enabled needs a tenant: set federation.tenantId, or tenantId" -}}
{{- end -}}
{{- if gt (len $.Values.name) 41 -}}
{{- $wrong = append $wrong "federation.enabled needs a name of at most 41 letters: Kubernetes allows 52 for a CronJob" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.canary -}}
{{- if .enabled -}}
{{- if not .clientId -}}
{{- $wrong = append $wrong "canary.enabled needs canary.clientId: the application as which it signs in (docs/canary.md)" -}}
{{- end -}}
{{- if not (or .tenantId $.Values.tenantId) -}}
{{- $wrong = append $wrong "canary.enabled needs a tenant: set canary.tenantId, or tenantId" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if .Values.mutatingAdmissionPolicy.enabled -}}
{{- if ne .Values.scope "pod-label" -}}
{{- $wrong = append $wrong (printf "mutatingAdmissionPolicy supports the scope pod-label only, not %s" .Values.scope) -}}
{{- end -}}
{{- if semverCompare "<1.36.0-0" .Capabilities.KubeVersion.Version -}}
{{- $wrong = append $wrong (printf "mutatingAdmissionPolicy needs Kubernetes 1.36, this is %s (helm template: --kube-version)" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "\n%s" (join "\n" $wrong)) -}}
{{- end -}}
{{- end }}
