import HopyardSimulator
public import HopyardUserland

/// kubectl(1), as far as it concerns the network.
///
/// It speaks to the cluster that was attached to its machine; without one it says what kubectl says
/// when no server answers.
public enum KubectlCommand {
  /// The command for the table.
  public static let command = Command(
    "kubectl",
    check: { check($0) },
    run: { process, arguments throws(ProcessExit) in
      try await run(process, arguments)
    }
  )

  private static let verbs: Set<String> = [
    "get", "describe", "apply", "create", "delete", "scale", "exec", "logs", "expose", "run",
    "version", "cluster-info", "rollout", "wait", "label", "annotate", "api-resources", "cordon",
    "uncordon", "taint",
  ]

  private static let missing: Set<String> = [
    "edit", "patch", "replace", "set", "autoscale", "port-forward", "proxy", "cp", "attach", "auth",
    "debug", "diff", "kustomize", "top", "drain", "config", "plugin", "completion", "explain",
    "certificate", "events", "api-versions",
  ]

  private static func check(_ check: CommandCheck) {
    for (index, text) in check.texts.enumerated() {
      guard let text else { return }
      if text == "-n" || text == "--namespace" || text.hasPrefix("-") { continue }
      if index > 0, check.texts[index - 1] == "-n" || check.texts[index - 1] == "--namespace" {
        continue
      }
      if missing.contains(text) { check.report(index, "kubectl \(text) is not modelled") }
      return
    }
  }

  private static func run(_ process: Process, _ arguments: [String]) async throws(ProcessExit)
    -> Int32
  {
    guard let cluster = process.userland.attachment(Cluster.self) else {
      try await process.printError(
        "The connection to the server localhost:8080 was refused - did you specify the right "
          + "host or port?\n"
      )
      return 1
    }
    var call = KubectlCall(cluster, process)
    do {
      try call.parse(arguments)
    } catch {
      try await process.printError("error: \(error.description)\n")
      return 1
    }
    guard let verb = call.words.first else {
      try await process.print("kubectl controls the Kubernetes cluster manager.\n")
      return 0
    }
    if missing.contains(verb) { throw .refused("kubectl \(verb) is not modelled") }
    guard verbs.contains(verb) else {
      try await process.printError("error: unknown command \"\(verb)\" for \"kubectl\"\n")
      return 1
    }
    call.words.removeFirst()
    do {
      return try await KubectlVerbs.run(verb, call)
    } catch {
      switch error {
      case .message(let text, let status):
        try await process.printError(text + "\n")
        return status
      case .exit(let exit): throw exit
      }
    }
  }
}

/// Why a call of kubectl ends early.
enum KubectlFailure: Error {
  case message(String, Int32 = 1)
  case exit(ProcessExit)

  var description: String {
    switch self {
    case .message(let text, _): text
    case .exit: ""
    }
  }
}

/// One call of kubectl: its words and options.
struct KubectlCall {
  let cluster: Cluster
  let process: Process
  var words: [String] = []
  /// What stands behind `--`.
  var command: [String]?
  private var values: [String: [String]] = [:]

  private static let valued: Set<String> = [
    "n", "namespace", "o", "output", "f", "filename", "l", "selector", "c", "container",
    "replicas", "image", "port", "target-port", "type", "name", "protocol", "cluster-ip",
    "external-ip", "tail", "timeout", "for", "restart", "labels", "dry-run", "env", "sort-by",
    "field-selector", "grace-period", "session-affinity", "context", "kubeconfig", "s", "server",
    "since", "record", "load-balancer-ip", "overrides", "from-literal", "selector-key", "cascade",
  ]
  private static let plain: Set<String> = [
    "A", "all-namespaces", "w", "watch", "i", "t", "it", "stdin", "tty", "rm", "all", "force",
    "now", "no-headers", "show-labels", "ignore-not-found", "R", "recursive", "q", "quiet",
    "overwrite", "command", "expose", "previous", "p", "short", "client", "attach", "wait",
    "all-containers", "server-side", "save-config",
  ]
  private static let optionalValue: Set<String> = ["dry-run", "record", "cascade"]

  init(_ cluster: Cluster, _ process: Process) {
    self.cluster = cluster
    self.process = process
  }

  mutating func parse(_ arguments: [String]) throws(KubectlFailure) {
    var index = 0
    while index < arguments.count {
      let word = arguments[index]
      index += 1
      if word == "--" {
        command = Array(arguments[index...])
        return
      }
      guard word.hasPrefix("-"), word.count > 1 else {
        words.append(word)
        continue
      }
      var name = String(word.drop { $0 == "-" })
      var value: String?
      if let mark = name.firstIndex(of: "=") {
        value = String(name[name.index(after: mark)...])
        name = String(name[..<mark])
      }
      if Self.plain.contains(name) {
        values[name, default: []].append(value ?? "true")
      } else if Self.valued.contains(name) {
        if value == nil, !Self.optionalValue.contains(name) {
          guard index < arguments.count else {
            throw .message("flag needs an argument: \(word)")
          }
          value = arguments[index]
          index += 1
        }
        values[name, default: []].append(value ?? "")
      } else if !word.hasPrefix("--"), let short = name.first.map(String.init),
        Self.valued.contains(short)
      {
        values[short, default: []].append(String(name.dropFirst()))
      } else {
        throw .message("unknown flag: \(word)\nSee 'kubectl --help' for usage.")
      }
    }
  }

  /// The last value of an option under one of its names.
  func value(_ names: String...) -> String? { names.compactMap { values[$0]?.last }.last }
  /// All values of an option.
  func all(_ names: String...) -> [String] { names.flatMap { values[$0] ?? [] } }
  /// Whether a switch is set.
  func has(_ names: String...) -> Bool {
    names.contains { values[$0]?.last.map { $0 != "false" } ?? false }
  }

  /// The namespace that is meant.
  var namespace: String { value("n", "namespace") ?? "default" }
  /// Whether all namespaces are meant.
  var isAllNamespaces: Bool { has("A", "all-namespaces") }
  /// The form of the output.
  var output: String { value("o", "output") ?? "" }

  /// The selector of labels.
  func selector() throws(KubectlFailure) -> LabelSelector? {
    guard let text = value("l", "selector") else { return nil }
    var selector = LabelSelector([:])
    for part in text.split(separator: ",") {
      if part.contains("!=") {
        let pair = part.split(separator: "!", maxSplits: 1)
        selector.requirements.append(
          .init(key: String(pair[0]), operation: "NotIn", values: [String(pair[1].dropFirst())])
        )
      } else if let mark = part.firstIndex(of: "=") {
        selector.labels[String(part[..<mark])] = String(
          part[part.index(after: mark)...].drop { $0 == "=" }
        )
      } else if part.hasPrefix("!") {
        selector.requirements.append(
          .init(key: String(part.dropFirst()), operation: "DoesNotExist", values: [])
        )
      } else {
        selector.requirements.append(.init(key: String(part), operation: "Exists", values: []))
      }
    }
    return selector
  }

  /// Kinds and names that words like `pod web`, `pod/web` or `svc,ep` mean; no names for all.
  func targets() throws(KubectlFailure) -> [(kind: KubeKind, names: [String])] {
    guard let first = words.first else {
      throw .message("error: You must specify the type of resource to get.")
    }
    func kind(_ text: String) throws(KubectlFailure) -> KubeKind {
      guard let found = KubeKind.named(resource: text) else {
        throw .message("error: the server doesn't have a resource type \"\(text)\"")
      }
      return found
    }
    if first.contains("/") {
      var found: [(kind: KubeKind, names: [String])] = []
      for word in words {
        let parts = word.split(separator: "/", maxSplits: 1).map(String.init)
        guard parts.count == 2 else {
          throw .message(
            "error: there is no need to specify a resource type as a separate argument when "
              + "passing arguments in resource/name form"
          )
        }
        found.append((try kind(parts[0]), [parts[1]]))
      }
      return found
    }
    var kinds: [String] = []
    for part in first.split(separator: ",") {
      if part == "all" {
        kinds += ["pod", "service", "daemonset", "deployment", "replicaset", "statefulset", "job"]
      } else {
        kinds.append(String(part))
      }
    }
    let names = Array(words.dropFirst())
    var found: [(kind: KubeKind, names: [String])] = []
    for text in kinds { found.append((try kind(text), names)) }
    return found
  }
}
