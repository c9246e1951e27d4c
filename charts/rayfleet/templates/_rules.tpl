{{/* All that the operator may do, and no more than it does; in a ClusterRole, or in a Role for each watched namespace. */}}
{{- define "rayfleet.rules" -}}
- apiGroups: [ray.io]
  resources: [rayclusters]
  verbs: [get, list, watch]
{{- if or .Values.autoscaling.targetSpec (.Values.finalizers | default dict).release }}
# For clusters that keep their sizes in `replicas`, by `target: Spec` or because Kueue counts them, and to let deleted ones
# go that KubeRay has left its finalizer on.
- apiGroups: [ray.io]
  resources: [rayclusters]
  verbs: [patch]
{{- end }}
- apiGroups: [ray.io]
  resources: [rayclusters/status]
  verbs: [patch]
# Where the admission plugin OwnerReferencesPermissionEnforcement is on, a child whose owner reference blocks the owner's
# deletion may only be created by who may update the owner's finalizers.
- apiGroups: [ray.io]
  resources: [rayclusters/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, delete]
# Patched is only what the head's Service selects by, when the labels of the head are others.
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch]
{{- if .Values.tokenAuth.enabled }}
# For clusters with authOptions.mode token. Made once and never changed; read by name, never listed nor watched. Neither can
# be bound to names, as clusters are named by their users.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create]
{{- end }}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
# To read the annotations rayfleet.io/max-gpus and its like of a namespace whose clusters scale; by its name alone.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
# To see whether another operator of this API is at work; only its Lease.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [ray-operator-leader]
  verbs: [list]
# Such a Lease counts where the service account of its holder's pod may update RayClusters: this asks whether it may. It
# stores nothing, and tells of rights only.
- apiGroups: [authorization.k8s.io]
  resources: [{{ .Values.watchNamespaces | empty | ternary "subjectaccessreviews" "localsubjectaccessreviews" }}]
  verbs: [create]
{{- end -}}
