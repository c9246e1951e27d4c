{{/* All that the operator may do, and no more than it does; in a ClusterRole, or in a Role for each watched namespace. */}}
{{- define "rayfleet.rules" -}}
- apiGroups: [ray.io]
  resources: [rayclusters]
  verbs: [get, list, watch]
{{- if or .Values.autoscaling.targetSpec (.Values.finalizers | default dict).release }}
# For clusters that keep their sizes in `replicas`, by `target: Spec` or because Kueue counts them, and to release deleted
# clusters on which KubeRay left its finalizer.
- apiGroups: [ray.io]
  resources: [rayclusters]
  verbs: [patch]
{{- end }}
- apiGroups: [ray.io]
  resources: [rayclusters/status]
  verbs: [patch]
# If the admission plugin OwnerReferencesPermissionEnforcement is on, creating a child whose owner reference blocks the
# owner's deletion takes the right to update the owner's finalizers.
- apiGroups: [ray.io]
  resources: [rayclusters/finalizers]
  verbs: [update]
{{- if (.Values.jobs | default dict).enabled }}
# For RayJobs: each gets a cluster, and a deletionStrategy may delete the cluster, suspend its workers, or delete the RayJob.
# The patch of a RayJob takes off its finalizer.
- apiGroups: [ray.io]
  resources: [rayjobs]
  verbs: [get, list, watch, patch, delete]
- apiGroups: [ray.io]
  resources: [rayjobs/status]
  verbs: [patch]
- apiGroups: [ray.io]
  resources: [rayjobs/finalizers]
  verbs: [update]
- apiGroups: [ray.io]
  resources: [rayclusters]
  verbs: [create, patch, delete]
# The Job that submits, in K8sJobMode.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
{{- end }}
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, delete]
# The patch changes only the selector of the head's Service, when the labels of the head have changed.
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch]
{{- if .Values.tokenAuth.enabled }}
# For clusters with authOptions.mode token. Created once and never changed; read by name, never listed or watched. Neither
# right can be limited to names, because users name their clusters.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create]
{{- end }}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
# To read annotations such as rayfleet.io/max-gpus of a namespace whose clusters scale; by its name only.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
# To see whether another operator of this API is active; only its Lease.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [ray-operator-leader]
  verbs: [list]
# Such a Lease counts where the service account of its holder's pod may update RayClusters; this review asks whether it may.
# It stores nothing, and reveals only rights.
- apiGroups: [authorization.k8s.io]
  resources: [{{ .Values.watchNamespaces | empty | ternary "subjectaccessreviews" "localsubjectaccessreviews" }}]
  verbs: [create]
{{- end -}}

{{/* To say when the CRD is older than the operator; only this one. CRDs are in no namespace, so a Role cannot grant it. */}}
{{- define "rayfleet.crdRules" -}}
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames: [rayclusters.ray.io{{ if (.Values.jobs | default dict).enabled }}, rayjobs.ray.io{{ end }}]
  verbs: [get]
{{- end -}}
