{{- define "hookbudget.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 50 characters, so that the longest suffix still fits into 63. */}}
{{- define "hookbudget.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "hookbudget.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Where everything runs. */}}
{{- define "hookbudget.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{/* Takes a dict of root and component. */}}
{{- define "hookbudget.selectorLabels" -}}
app.kubernetes.io/name: {{ include "hookbudget.name" .root | toYaml }}
app.kubernetes.io/instance: {{ .root.Release.Name | toYaml }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "hookbudget.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{ include "hookbudget.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "hookbudget.image" -}}
{{- with .Values.image -}}
{{- if .registry }}{{ trimSuffix "/" .registry }}/{{ end }}{{ .repository }}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end -}}
{{- end -}}
{{- end -}}

{{- define "hookbudget.certSecret" -}}
{{- default (printf "%s-webhook-tls" (include "hookbudget.fullname" .)) .Values.certs.secretName -}}
{{- end -}}

{{/* Probes have no client certificate: where one is asked for, they go to the metrics port. */}}
{{- define "hookbudget.probe" -}}
path: {{ .path }}
{{- if .root.Values.certs.clientAuth.configMap }}
port: metrics
{{- else }}
port: https
scheme: HTTPS
{{- end }}
{{- end -}}

{{/* Fails where no replica may ever be evicted: no node that has one could be drained. A percentage is rounded up
(kubernetes pkg/controller/disruption). How many an autoscaler keeps is not known. Takes a dict of root and
minAvailable. */}}
{{- define "hookbudget.drainable" -}}
{{- with .root.Values.webhook.replicaCount -}}
{{- $stay := $.minAvailable -}}
{{- if kindIs "string" $stay -}}
{{- $stay = div (add (mul (trimSuffix "%" $stay | int) (int .)) 99) 100 -}}
{{- end -}}
{{- if ge (int $stay) (int .) -}}
{{- fail (printf "webhook.podDisruptionBudget.minAvailable %v keeps all %d replicas: no node with one of them could be drained; at most %d, or take maxUnavailable" $.minAvailable (int .) (sub (int .) 1)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Metadata of what lives for one command of Helm; takes a dict of root, component, event, weight. */}}
{{- define "hookbudget.hookAnnotations" -}}
helm.sh/hook: {{ .event }}
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{/* The webhook's mounts, whole directories: a subPath mount never sees a renewed certificate. */}}
{{- define "hookbudget.webhookMounts" -}}
{{- if ne .Values.certs.mode "self" }}
- {name: tls, mountPath: /var/run/hookbudget/tls, readOnly: true}
{{- end }}
{{- if .Values.certs.clientAuth.configMap }}
- {name: clients, mountPath: /var/run/hookbudget/clients, readOnly: true}
{{- end }}
- {name: policy, mountPath: /etc/hookbudget, readOnly: true}
{{- with .Values.webhook.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The volumes of these mounts. */}}
{{- define "hookbudget.webhookVolumes" -}}
{{- if ne .Values.certs.mode "self" }}
- name: tls
  secret:
    secretName: {{ include "hookbudget.certSecret" . | toYaml }}
    defaultMode: 0444
{{- end }}
{{- with .Values.certs.clientAuth.configMap }}
- name: clients
  configMap: {name: {{ . | toYaml }}}
{{- end }}
- name: policy
  configMap: {name: {{ include "hookbudget.fullname" . }}-policy}
{{- with .Values.webhook.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What the restricted Pod security standard asks for, and over it what the component's values say. */}}
{{- define "hookbudget.podSecurityContext" -}}
{{- $restricted := dict "runAsNonRoot" true "runAsUser" 65532 "runAsGroup" 65532 "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- mergeOverwrite $restricted (index .root.Values .component).podSecurityContext | toYaml -}}
{{- end -}}

{{- define "hookbudget.securityContext" -}}
{{- $restricted := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) -}}
{{- mergeOverwrite $restricted (index .root.Values .component).securityContext | toYaml -}}
{{- end -}}

{{- define "hookbudget.policy" -}}
apiVersion: hookbudget.dev/v1alpha1
kind: Policy
{{- with .Values.policy }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A mode of the policy as a word: YAML reads a bare off as false. */}}
{{- define "hookbudget.mode" -}}
{{- if kindIs "bool" . }}off{{ else }}{{ . }}{{ end -}}
{{- end -}}

{{- define "hookbudget.defaultMode" -}}
{{- $policy := .Values.policy | default dict -}}
{{- if hasKey $policy "defaultMode" }}{{ include "hookbudget.mode" $policy.defaultMode }}{{ else }}warn{{ end -}}
{{- end -}}

{{/* What a mode does, for whoever installs. */}}
{{- define "hookbudget.modeMeans" -}}
{{- get (dict
  "off" "nothing is judged and nothing is rewritten"
  "audit" "findings go to the audit log and the metrics, nobody is warned and nothing is rewritten"
  "warn" "findings are warnings, nothing is denied"
  "enforce" "a Job with an error that is certain is DENIED"
) . -}}
{{- end -}}

{{/* Annotations of the Pods; takes a dict of root and component. */}}
{{- define "hookbudget.podAnnotations" -}}
{{- with (index .root.Values .component).podAnnotations }}
{{- toYaml . }}
{{- end -}}
{{- end -}}

{{/* Not empty where objects of the Prometheus operator are to be rendered; takes a dict of root, kind, settings. */}}
{{- define "hookbudget.rendersMonitoring" -}}
{{- $there := .root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/%s/%s" (.kind | eq "AlertmanagerConfig" | ternary "v1alpha1" "v1") .kind) -}}
{{- if and (not $there) (eq .settings.renderMode "failIfMissing") -}}
{{- fail (printf "the cluster has no %s of monitoring.coreos.com/v1: install the Prometheus operator, or set renderMode to skipIfMissing or alwaysRender" .kind) -}}
{{- end -}}
{{- if or $there (eq .settings.renderMode "alwaysRender") -}}
yes
{{- end -}}
{{- end -}}

{{/* The settings that both Deployments share; takes a dict of root and component. */}}
{{- define "hookbudget.placement" -}}
{{- if not .root.Values.hostUsers }}
hostUsers: false
{{- end }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with index .root.Values .component }}
{{- with .priorityClassName }}
priorityClassName: {{ . | toYaml }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Never dropped: a webhook that judges its own namespace or kube-system can block its own recovery. */}}
{{- define "hookbudget.namespaceSelector" -}}
matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values: {{- concat (list (include "hookbudget.namespace" .) "kube-system" "kube-node-lease") (.Values.webhook.excludedNamespaces | default list) | uniq | toYaml | nindent 6 }}
  - key: hookbudget.dev/mode
    operator: NotIn
    values: ["off"]
{{- end -}}

{{/* What both webhooks have in common. */}}
{{- define "hookbudget.webhook" -}}
admissionReviewVersions: [v1]
sideEffects: None
failurePolicy: {{ .Values.webhook.failurePolicy }}
timeoutSeconds: {{ .Values.webhook.timeoutSeconds }}
matchPolicy: Equivalent
namespaceSelector: {{- include "hookbudget.namespaceSelector" . | nindent 2 }}
rules:
  - apiGroups: [batch]
    apiVersions: [v1]
    resources: [jobs]
    operations: [CREATE]
    scope: Namespaced
  - apiGroups: [batch]
    apiVersions: [v1]
    resources: [cronjobs]
    operations: [CREATE, UPDATE]
    scope: Namespaced
matchConditions:
  # The CronJob is judged instead, once, where its owner sees the answer. Anybody may write another kind of this name.
  - name: not-owned-by-a-cronjob
    expression: >-
      !has(object.metadata.ownerReferences) ||
      !object.metadata.ownerReferences.exists(o,
      o.kind == 'CronJob' && o.apiVersion.startsWith('batch/') && has(o.controller) && o.controller)
  - name: run-by-the-job-controller
    expression: "!has(object.spec.managedBy) || object.spec.managedBy == 'kubernetes.io/job-controller'"
{{- end -}}

{{- define "hookbudget.clientConfig" -}}
service:
  namespace: {{ include "hookbudget.namespace" .root | toYaml }}
  name: {{ include "hookbudget.fullname" .root }}-webhook
  port: 443
  path: {{ .path }}
{{- /* Absent, not empty, where somebody else writes it: an upgrade then leaves it alone. */}}
{{- if eq .root.Values.certs.mode "provided" }}
caBundle: {{ .root.Values.certs.caBundle }}
{{- end }}
{{- end -}}

{{- define "hookbudget.injectCa" -}}
{{- if eq .Values.certs.mode "cert-manager" -}}
cert-manager.io/inject-ca-from: {{ include "hookbudget.namespace" . }}/{{ default (printf "%s-webhook" (include "hookbudget.fullname" .)) .Values.certs.certificateName }}
{{- end -}}
{{- end -}}

{{/* Who is told, by the label route; takes alertmanagerConfig. */}}
{{- define "hookbudget.alertRoutes" -}}
{{- if .routes -}}
routes:
{{- range $route, $receiver := .routes }}
  - receiver: {{ $receiver | quote }}
    matchers: [{name: route, matchType: "=", value: {{ $route }}}]
{{- end }}
{{- end }}
{{- end -}}
