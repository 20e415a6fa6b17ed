public import HopyardContainers
public import HopyardUserland

/// A Deployment, ReplicaSet, ReplicationController, StatefulSet, DaemonSet, Job or CronJob.
public struct WorkloadObject: Equatable, Sendable {
  /// The pods that it makes.
  public struct Template: Equatable, Sendable {
    /// Labels of the pods.
    public var labels: [String: String]
    /// Annotations of the pods.
    public var annotations: [String: String]
    /// Their specification.
    public var spec: PodSpec
    /// What tells this template from others.
    public var hash: String
  }

  /// How many pods are wanted.
  public var replicas = 1
  /// Which pods are its own.
  public var selector: LabelSelector
  /// The pods.
  public var template: Template
  /// `serviceName` of a StatefulSet.
  public var serviceName = ""
  /// `podManagementPolicy: Parallel` of a StatefulSet.
  public var isParallel = false
  /// How many of its pods are there.
  public var currentReplicas = 0
  /// How many of its pods are ready.
  public var readyReplicas = 0
  /// A DaemonSet's number of nodes.
  public var desiredNodes = 0

  private static let known: [String: Set<String>] = [
    "Deployment": [
      "replicas", "selector", "template", "strategy", "minReadySeconds", "revisionHistoryLimit",
      "paused", "progressDeadlineSeconds", "rollbackTo",
    ],
    "ReplicaSet": ["replicas", "selector", "template", "minReadySeconds"],
    "ReplicationController": ["replicas", "selector", "template", "minReadySeconds"],
    "StatefulSet": [
      "replicas", "selector", "template", "serviceName", "podManagementPolicy", "updateStrategy",
      "revisionHistoryLimit", "minReadySeconds", "volumeClaimTemplates",
      "persistentVolumeClaimRetentionPolicy", "ordinals",
    ],
    "DaemonSet": [
      "selector", "template", "updateStrategy", "minReadySeconds", "revisionHistoryLimit",
      "templateGeneration",
    ],
    "Job": [
      "template", "selector", "parallelism", "completions", "backoffLimit", "completionMode",
      "activeDeadlineSeconds", "ttlSecondsAfterFinished", "manualSelector", "suspend",
      "backoffLimitPerIndex", "maxFailedIndexes", "podFailurePolicy", "podReplacementPolicy",
      "managedBy", "successPolicy",
    ],
  ]

  init(_ node: YAMLNode, kind: String) throws(Problem) {
    guard let spec = node["spec"] else { throw node.problem("\(kind) lacks `spec'") }
    let fields = try spec.fields("spec")
    if let known = Self.known[kind] { try fields.refuseUnknown(known) }
    let templateNode = try fields.required("template")
    let templateFields = try templateNode.fields("spec.template")
    try templateFields.refuseUnknown(["metadata", "spec"])
    let meta = try ObjectMeta(templateFields["metadata"], requiresName: false)
    template = Template(
      labels: meta.labels,
      annotations: meta.annotations,
      spec: try PodSpec(try templateFields.required("spec"), "spec.template.spec"),
      hash: TemplateHash.text(of: KubeValue(templateNode).json())
    )
    if kind == "ReplicationController" {
      let labels = try ObjectMeta.map(fields["selector"], "spec.selector")
      selector = LabelSelector(labels.isEmpty ? meta.labels : labels)
    } else if let node = fields["selector"] {
      selector = try LabelSelector(node, "spec.selector")
    } else if kind == "Job" {
      selector = LabelSelector([:])
    } else if node["apiVersion"]?.text?.contains("beta") ?? false {
      // Versions before apps/v1 took the template's labels.
      selector = LabelSelector(meta.labels)
    } else {
      throw spec.problem("spec lacks `selector'")
    }
    if kind != "Job", !selector.matches(meta.labels) {
      throw templateNode.problem(
        "spec.template.metadata.labels do not satisfy spec.selector"
      )
    }
    replicas = try fields["replicas"]?.int("spec.replicas", in: 0...100_000) ?? 1
    if kind == "Job" {
      replicas = try fields["parallelism"]?.int("spec.parallelism", in: 0...100_000) ?? 1
      if let total = try fields["completions"]?.int("spec.completions", in: 0...100_000) {
        replicas = min(replicas, total)
      }
    }
    serviceName = try fields["serviceName"]?.string("spec.serviceName") ?? ""
    isParallel = fields["podManagementPolicy"]?.text == "Parallel"
  }

  /// Makes a ReplicaSet for a Deployment.
  init(replicas: Int, selector: LabelSelector, template: Template) {
    self.replicas = replicas
    self.selector = selector
    self.template = template
  }
}

/// The short words that Kubernetes makes of hashes and random numbers.
public enum TemplateHash {
  static let letters = Array("bcdfghjklmnpqrstvwxz2456789")

  /// A text of the alphabet without vowels, from the FNV-1a hash of another.
  public static func text(of text: String) -> String {
    var hash: UInt32 = 2_166_136_261
    for byte in text.utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
    return String(String(hash).utf8.map { letters[Int($0 % 27)] })
  }
}
