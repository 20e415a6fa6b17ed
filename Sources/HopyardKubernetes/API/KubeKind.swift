import HopyardContainers
import HopyardUserland

/// A kind of objects that the API server has by itself.
public struct KubeKind: Sendable {
  /// Its name.
  public var name: String
  /// The names of its resource: plural, singular, short ones.
  public var resources: [String]
  /// The API groups and versions under which it may be written, the current one first.
  public var versions: [String]
  /// Whether its objects are in namespaces.
  public var isNamespaced: Bool

  /// The API group, with a point before it; nothing for the core group.
  public var groupSuffix: String {
    let parts = versions[0].split(separator: "/")
    return parts.count > 1 ? "." + parts[0] : ""
  }

  private init(_ name: String, _ resources: String, _ versions: String, _ isNamespaced: Bool) {
    self.name = name
    self.resources = resources.split(separator: " ").map(String.init)
    self.versions = versions.split(separator: " ").map(String.init)
    self.isNamespaced = isNamespaced
  }

  private static func kind(
    _ name: String,
    _ resources: String,
    _ versions: String,
    _ isNamespaced: Bool = true
  ) -> KubeKind { KubeKind(name, resources, versions, isNamespaced) }

  // MARK: The list

  /// The kinds of Kubernetes 1.32, and those of before that manifests still have.
  public static let all: [KubeKind] =
    workloads + network + configuration + access + storage + policy

  private static let workloads: [KubeKind] = [
    kind("Pod", "pods pod po", "v1"),
    kind(
      "Deployment",
      "deployments deployment deploy",
      "apps/v1 apps/v1beta2 apps/v1beta1 extensions/v1beta1"
    ),
    kind(
      "ReplicaSet",
      "replicasets replicaset rs",
      "apps/v1 apps/v1beta2 extensions/v1beta1"
    ),
    kind("StatefulSet", "statefulsets statefulset sts", "apps/v1 apps/v1beta2 apps/v1beta1"),
    kind("DaemonSet", "daemonsets daemonset ds", "apps/v1 apps/v1beta2 extensions/v1beta1"),
    kind("ReplicationController", "replicationcontrollers replicationcontroller rc", "v1"),
    kind("Job", "jobs job", "batch/v1"),
    kind("CronJob", "cronjobs cronjob cj", "batch/v1 batch/v1beta1 batch/v2alpha1"),
    kind("ControllerRevision", "controllerrevisions controllerrevision", "apps/v1"),
    kind("PodTemplate", "podtemplates podtemplate", "v1"),
    kind(
      "HorizontalPodAutoscaler",
      "horizontalpodautoscalers horizontalpodautoscaler hpa",
      "autoscaling/v2 autoscaling/v1 autoscaling/v2beta2 autoscaling/v2beta1"
    ),
  ]

  private static let network: [KubeKind] = [
    kind("Service", "services service svc", "v1"),
    kind("Endpoints", "endpoints endpoints ep", "v1"),
    kind(
      "EndpointSlice",
      "endpointslices endpointslice",
      "discovery.k8s.io/v1 discovery.k8s.io/v1beta1"
    ),
    kind(
      "Ingress",
      "ingresses ingress ing",
      "networking.k8s.io/v1 networking.k8s.io/v1beta1 extensions/v1beta1"
    ),
    kind(
      "IngressClass",
      "ingressclasses ingressclass",
      "networking.k8s.io/v1 networking.k8s.io/v1beta1",
      false
    ),
    kind(
      "NetworkPolicy",
      "networkpolicies networkpolicy netpol",
      "networking.k8s.io/v1 extensions/v1beta1"
    ),
    kind("ServiceCIDR", "servicecidrs servicecidr", "networking.k8s.io/v1beta1", false),
    kind("IPAddress", "ipaddresses ipaddress ip", "networking.k8s.io/v1beta1", false),
  ]

  private static let configuration: [KubeKind] = [
    kind("Namespace", "namespaces namespace ns", "v1", false),
    kind("Node", "nodes node no", "v1", false),
    kind("ConfigMap", "configmaps configmap cm", "v1"),
    kind("Secret", "secrets secret", "v1"),
    kind("LimitRange", "limitranges limitrange limits", "v1"),
    kind("ResourceQuota", "resourcequotas resourcequota quota", "v1"),
    kind("Event", "events event ev", "v1 events.k8s.io/v1 events.k8s.io/v1beta1"),
    kind("Lease", "leases lease", "coordination.k8s.io/v1 coordination.k8s.io/v1beta1"),
    kind(
      "CustomResourceDefinition",
      "customresourcedefinitions customresourcedefinition crd crds",
      "apiextensions.k8s.io/v1 apiextensions.k8s.io/v1beta1",
      false
    ),
    kind(
      "APIService",
      "apiservices apiservice",
      "apiregistration.k8s.io/v1 apiregistration.k8s.io/v1beta1",
      false
    ),
  ]

  private static let access: [KubeKind] = [
    kind("ServiceAccount", "serviceaccounts serviceaccount sa", "v1"),
    kind("Role", "roles role", roleVersions),
    kind("RoleBinding", "rolebindings rolebinding", roleVersions),
    kind("ClusterRole", "clusterroles clusterrole", roleVersions, false),
    kind("ClusterRoleBinding", "clusterrolebindings clusterrolebinding", roleVersions, false),
    kind(
      "CertificateSigningRequest",
      "certificatesigningrequests certificatesigningrequest csr",
      "certificates.k8s.io/v1 certificates.k8s.io/v1beta1",
      false
    ),
  ]

  private static let roleVersions =
    "rbac.authorization.k8s.io/v1 rbac.authorization.k8s.io/v1beta1 "
    + "rbac.authorization.k8s.io/v1alpha1"

  private static let storage: [KubeKind] = [
    kind("PersistentVolumeClaim", "persistentvolumeclaims persistentvolumeclaim pvc", "v1"),
    kind("PersistentVolume", "persistentvolumes persistentvolume pv", "v1", false),
    kind("StorageClass", "storageclasses storageclass sc", storageVersions, false),
    kind("CSIDriver", "csidrivers csidriver", storageVersions, false),
    kind("CSINode", "csinodes csinode", storageVersions, false),
    kind("CSIStorageCapacity", "csistoragecapacities csistoragecapacity", storageVersions),
    kind("VolumeAttachment", "volumeattachments volumeattachment", storageVersions, false),
    kind(
      "VolumeAttributesClass",
      "volumeattributesclasses volumeattributesclass vac",
      "storage.k8s.io/v1beta1 storage.k8s.io/v1alpha1",
      false
    ),
    kind("DeviceClass", "deviceclasses deviceclass", resourceVersions, false),
    kind("ResourceClaim", "resourceclaims resourceclaim", resourceVersions),
    kind("ResourceClaimTemplate", "resourceclaimtemplates resourceclaimtemplate", resourceVersions),
    kind("ResourceSlice", "resourceslices resourceslice", resourceVersions, false),
  ]

  private static let storageVersions = "storage.k8s.io/v1 storage.k8s.io/v1beta1"
  private static let resourceVersions =
    "resource.k8s.io/v1beta1 resource.k8s.io/v1beta2 resource.k8s.io/v1 resource.k8s.io/v1alpha3"

  private static let policy: [KubeKind] = [
    kind(
      "PodDisruptionBudget",
      "poddisruptionbudgets poddisruptionbudget pdb",
      "policy/v1 policy/v1beta1"
    ),
    kind(
      "PodSecurityPolicy",
      "podsecuritypolicies podsecuritypolicy psp",
      "policy/v1beta1 extensions/v1beta1",
      false
    ),
    kind(
      "PriorityClass",
      "priorityclasses priorityclass pc",
      "scheduling.k8s.io/v1 scheduling.k8s.io/v1beta1 scheduling.k8s.io/v1alpha1",
      false
    ),
    kind(
      "RuntimeClass",
      "runtimeclasses runtimeclass",
      "node.k8s.io/v1 node.k8s.io/v1beta1",
      false
    ),
    kind("FlowSchema", "flowschemas flowschema", flowVersions, false),
    kind(
      "PriorityLevelConfiguration",
      "prioritylevelconfigurations prioritylevelconfiguration",
      flowVersions,
      false
    ),
    kind(
      "ValidatingWebhookConfiguration",
      "validatingwebhookconfigurations validatingwebhookconfiguration",
      admissionVersions,
      false
    ),
    kind(
      "MutatingWebhookConfiguration",
      "mutatingwebhookconfigurations mutatingwebhookconfiguration",
      admissionVersions,
      false
    ),
    kind(
      "ValidatingAdmissionPolicy",
      "validatingadmissionpolicies validatingadmissionpolicy",
      admissionVersions,
      false
    ),
    kind(
      "ValidatingAdmissionPolicyBinding",
      "validatingadmissionpolicybindings validatingadmissionpolicybinding",
      admissionVersions,
      false
    ),
  ]

  private static let flowVersions =
    "flowcontrol.apiserver.k8s.io/v1 flowcontrol.apiserver.k8s.io/v1beta3"
  private static let admissionVersions =
    "admissionregistration.k8s.io/v1 admissionregistration.k8s.io/v1beta1"

  private static let byName = Dictionary(all.map { ($0.name, $0) }) { first, _ in first }
  private static let groups = Set(
    all.flatMap(\.versions).map { $0.split(separator: "/").dropLast().first.map(String.init) ?? "" }
  )

  // MARK: Finding

  /// The kind of a name; nil for one that comes from a custom resource definition.
  public static func named(_ name: String) -> KubeKind? { byName[name] }

  /// The kind of a resource's name, such as `svc` or `deployments.apps`.
  public static func named(resource text: String) -> KubeKind? {
    let name = text.split(separator: ".").first.map { $0.lowercased() } ?? ""
    return all.first { $0.resources.contains(name) || $0.name.lowercased() == name }
  }

  /// The API group of a kind, with a point before it, as messages name it behind the resource.
  static func groupSuffix(_ name: String) -> String { named(name)?.groupSuffix ?? "" }

  /// The kind of a manifest; nil for a custom resource.
  ///
  /// Kinds that no group of Kubernetes itself has are refused.
  static func find(
    _ name: String,
    _ nameNode: YAMLNode,
    _ version: String,
    _ versionNode: YAMLNode
  ) throws(Problem) -> KubeKind? {
    let parts = version.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count <= 2, let last = parts.last, last.first == "v" else {
      throw versionNode.problem(
        "apiVersion is `\(version)', expected GROUP/VERSION, such as apps/v1, or v1"
      )
    }
    let group = parts.count == 2 ? String(parts[0]) : ""
    if group.hasSuffix("kustomize.config.k8s.io") {
      throw nameNode.problem(
        "a \(name) is read by `kubectl apply -k', which is not modelled: give the manifests that it "
          + "builds"
      )
    }
    if !groups.contains(group), group.contains(".") { return nil }
    guard let known = byName[name] else {
      let near = byName.keys.sorted().map { ($0, EditDistance.between($0, name)) }
        .min { $0.1 < $1.1 }
      let hint = near.map { $0.1 <= 2 ? "; did you mean `\($0.0)'?" : "" } ?? ""
      throw nameNode.problem("no matches for kind \"\(name)\" in version \"\(version)\"\(hint)")
    }
    guard known.versions.contains(version) else {
      throw versionNode.problem(
        "no matches for kind \"\(name)\" in version \"\(version)\", expected "
          + known.versions[0]
      )
    }
    return known
  }

  /// What stands for the kind of a custom resource, as kubectl prints it: `certificate.cert-manager.io`.
  static func customName(_ name: String, _ version: String) -> String {
    "\(name.lowercased()).\(version.split(separator: "/").first ?? "")"
  }

  // MARK: Without effect

  /// What is taken for granted of a kind that changes nothing in the modelled cluster.
  static let withoutEffect: [String: String] = [
    "Ingress": "no controller serves",
    "HorizontalPodAutoscaler": "no load is measured for",
    "CronJob": "the time never comes for",
    "ValidatingWebhookConfiguration": "no request is sent for",
    "MutatingWebhookConfiguration": "no request is sent for",
    "ValidatingAdmissionPolicy": "nothing is refused by",
    "APIService": "nothing answers for",
    "PodSecurityPolicy": "nothing is refused by",
    "LimitRange": "nothing is limited by",
    "ResourceQuota": "nothing is limited by",
  ]
}
