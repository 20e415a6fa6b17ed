public import HopyardContainers
public import HopyardSimulator
public import HopyardUserland

/// Names an object: its kind, namespace and name.
public struct ObjectKey: Hashable, Sendable, Comparable {
  /// The kind, such as `Pod`.
  public var kind: String
  /// The namespace; empty for objects of the whole cluster.
  public var namespace: String
  /// The name.
  public var name: String

  /// Makes a key.
  public init(_ kind: String, _ namespace: String, _ name: String) {
    self.kind = kind
    self.namespace = namespace
    self.name = name
  }

  /// Whether the first comes before the second.
  public static func < (left: ObjectKey, right: ObjectKey) -> Bool {
    (left.kind, left.namespace, left.name) < (right.kind, right.namespace, right.name)
  }
}

/// What every API object has.
public struct ObjectMeta: Equatable, Sendable {
  /// The name.
  public var name: String
  /// The namespace; empty for objects of the whole cluster.
  public var namespace = ""
  /// The labels.
  public var labels: [String: String] = [:]
  /// The annotations.
  public var annotations: [String: String] = [:]
  /// The unique id.
  public var uid = ""
  /// Grows with every change of the store.
  public var resourceVersion = 0
  /// When it was made.
  public var created = Instant.zero
  /// When its deletion began.
  public var deleted: Instant?
  /// The object that made it.
  public var owner: ObjectKey?

  /// Makes the metadata of a new object.
  public init(_ name: String, namespace: String = "", labels: [String: String] = [:]) {
    self.name = name
    self.namespace = namespace
    self.labels = labels
  }

  private static let known: Set<String> = [
    "name", "generateName", "namespace", "labels", "annotations", "uid", "resourceVersion",
    "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
    "ownerReferences", "finalizers", "managedFields", "selfLink",
  ]

  /// Reads `metadata`.
  init(_ node: YAMLNode?, requiresName: Bool = true) throws(Problem) {
    guard let node else {
      self.init("")
      return
    }
    let fields = try node.fields("metadata")
    try fields.refuseUnknown(Self.known)
    var name = try fields["name"]?.string("metadata.name") ?? ""
    if name.isEmpty, let prefix = fields["generateName"] {
      name = try prefix.string("metadata.generateName") + "x"
    }
    if requiresName {
      guard !name.isEmpty else { throw node.problem("metadata lacks `name'") }
      if let wrong = Self.wrongName(name) {
        throw (fields["name"] ?? node).problem("metadata.name `\(name)' \(wrong)")
      }
    }
    self.init(name, namespace: try fields["namespace"]?.string("metadata.namespace") ?? "")
    labels = try Self.map(fields["labels"], "metadata.labels")
    annotations = try Self.map(fields["annotations"], "metadata.annotations")
  }

  /// Reads a map of strings.
  static func map(_ node: YAMLNode?, _ what: String) throws(Problem) -> [String: String] {
    guard let node else { return [:] }
    var map: [String: String] = [:]
    for field in try node.fields(what).entries {
      map[field.name] = field.value.isNull ? "" : try text(field.value, "\(what).\(field.name)")
    }
    return map
  }

  /// Reads a string; what YAML takes for a number or a boolean is none, as the API server sees it.
  static func text(_ node: YAMLNode, _ what: String) throws(Problem) -> String {
    let text = try node.string(what)
    guard case .scalar(_, isPlain: true) = node.content else { return text }
    let isBoolean = node.boolean != nil && text.count > 1
    let isNumber =
      node.integer != nil
      || text.first.map { $0.isNumber || "+-.".contains($0) } ?? false
        && Double(text) != nil
    if isBoolean || isNumber {
      throw node.problem(
        "\(what) is \(isBoolean ? "a boolean" : "a number"), expected a string: \"\(text)\""
      )
    }
    return text
  }

  /// What is wrong with a name (RFC 1123 subdomain).
  static func wrongName(_ name: String) -> String? {
    if name.utf8.count > 253 { return "is longer than 253 characters" }
    let isRight = name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { part in
      guard let first = part.utf8.first, let last = part.utf8.last else { return false }
      func isLetter(_ byte: UInt8) -> Bool {
        (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte)
      }
      return isLetter(first) && isLetter(last)
        && part.utf8.allSatisfy { isLetter($0) || $0 == 0x2d }
    }
    // Names of roles and the like may hold colons.
    if isRight || name.contains(":") { return nil }
    return "must consist of lower case letters, digits, `-' and `.'"
  }
}

/// A selector of labels.
public struct LabelSelector: Equatable, Sendable {
  /// A condition on one label.
  public struct Requirement: Equatable, Sendable {
    /// The label.
    public var key: String
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    public var operation: String
    /// The values.
    public var values: [String]
  }

  /// Labels that must have these values.
  public var labels: [String: String]
  /// Further conditions.
  public var requirements: [Requirement] = []

  /// Makes a selector of labels.
  public init(_ labels: [String: String]) { self.labels = labels }

  /// Reads `matchLabels` and `matchExpressions`.
  init(_ node: YAMLNode, _ what: String) throws(Problem) {
    let fields = try node.fields(what)
    try fields.refuseUnknown(["matchLabels", "matchExpressions"])
    self.init(try ObjectMeta.map(fields["matchLabels"], "\(what).matchLabels"))
    for item in try fields["matchExpressions"]?.sequence("\(what).matchExpressions") ?? [] {
      let part = try item.fields("\(what).matchExpressions")
      try part.refuseUnknown(["key", "operator", "values"])
      requirements.append(
        Requirement(
          key: try part.required("key").string("key"),
          operation: try part.required("operator").choice(
            "operator",
            ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
          ),
          values: try part["values"]?.strings("values") ?? []
        )
      )
    }
  }

  /// Whether there is no condition.
  public var isEmpty: Bool { labels.isEmpty && requirements.isEmpty }

  /// Whether labels satisfy it.
  public func matches(_ other: [String: String]) -> Bool {
    for (key, value) in labels where other[key] != value { return false }
    return requirements.allSatisfy { requirement in
      let value = other[requirement.key]
      switch requirement.operation {
      case "In": return value.map(requirement.values.contains) ?? false
      case "NotIn": return value.map { !requirement.values.contains($0) } ?? true
      case "Exists": return value != nil
      case "DoesNotExist": return value == nil
      case "Gt", "Lt":
        guard let value = value.flatMap(Int.init),
          let limit = requirement.values.first.flatMap(Int.init)
        else { return false }
        return requirement.operation == "Gt" ? value > limit : value < limit
      default: return false
      }
    }
  }

  /// The labels as `key=value,key=value`.
  public var text: String {
    labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
  }
}
