public import HopyardContainers
public import HopyardUserland
public import HopyardWire

/// A container of a pod.
public struct PodContainer: Equatable, Sendable {
  /// A port that it names.
  public struct Port: Equatable, Sendable {
    /// Its name.
    public var name = ""
    /// The number.
    public var port: UInt16
    /// The port of the node, or 0.
    public var hostPort: UInt16 = 0
    /// The address of the node.
    public var hostIP = ""
    /// The protocol.
    public var ipProtocol = IPProtocol.tcp
  }

  /// How its readiness is asked.
  public struct Probe: Equatable, Sendable {
    /// What is asked.
    public enum Action: Equatable, Sendable {
      case http(path: String, PortReference, isTLS: Bool)
      case tcp(PortReference)
      /// A command, which is taken to succeed.
      case exec
    }
    /// What is asked.
    public var action: Action
    /// Seconds before the first question.
    public var initialDelay = 0
    /// Seconds between questions.
    public var period = 10
    /// Seconds to wait for an answer.
    public var timeout = 1
    /// How many good answers make it ready.
    public var successes = 1
    /// How many bad ones make it not ready.
    public var failures = 3
  }

  /// Its name.
  public var name: String
  /// Its image.
  public var image = ""
  /// Its ports.
  public var ports: [Port] = []
  /// `readinessProbe`.
  public var readiness: Probe?
  /// Ports that its other probes name.
  public var otherProbePorts: [PortReference] = []
  /// Its environment, as far as it is written as values.
  public var environment: [(name: String, value: String)] = []
  /// What it runs.
  public var command: [String] = []

  /// Whether both are equal.
  public static func == (left: PodContainer, right: PodContainer) -> Bool {
    left.name == right.name && left.image == right.image && left.ports == right.ports
      && left.readiness == right.readiness && left.command == right.command
      && left.environment.map(\.name) == right.environment.map(\.name)
      && left.environment.map(\.value) == right.environment.map(\.value)
  }

  private static let known: Set<String> = [
    "name", "image", "imagePullPolicy", "ports", "env", "envFrom", "command", "args",
    "workingDir", "resources", "resizePolicy", "restartPolicy", "volumeMounts", "volumeDevices",
    "readinessProbe", "livenessProbe", "startupProbe", "lifecycle", "terminationMessagePath",
    "terminationMessagePolicy", "securityContext", "stdin", "stdinOnce", "tty",
    "targetContainerName", "restartPolicyRules",
  ]

  init(_ node: YAMLNode, _ what: String) throws(Problem) {
    let fields = try node.fields(what)
    try fields.refuseUnknown(Self.known)
    name = try fields.required("name").string("\(what).name")
    image = try fields["image"]?.string("\(what).image") ?? ""
    for (index, item) in try (fields["ports"]?.sequence("\(what).ports") ?? []).enumerated() {
      let part = try item.fields("\(what).ports[\(index)]")
      try part.refuseUnknown(["name", "containerPort", "hostPort", "hostIP", "protocol"])
      var port = Port(
        port: try part.required("containerPort").port("\(what).ports[\(index)].containerPort")
      )
      port.name = try part["name"]?.string("name") ?? ""
      port.hostPort =
        try part["hostPort"].map { node throws(Problem) in try node.port("hostPort") } ?? 0
      port.hostIP = try part["hostIP"]?.string("hostIP") ?? ""
      port.ipProtocol = try KubeProtocol.read(part["protocol"], "protocol")
      ports.append(port)
    }
    readiness = try fields["readinessProbe"].map { node throws(Problem) in
      try Self.probe(node, "\(what).readinessProbe")
    }
    for name in ["livenessProbe", "startupProbe"] {
      guard let node = fields[name] else { continue }
      switch try Self.probe(node, "\(what).\(name)").action {
      case .http(_, let port, _), .tcp(let port): otherProbePorts.append(port)
      case .exec: break
      }
    }
    for item in try fields["env"]?.sequence("\(what).env") ?? [] {
      let part = try item.fields("\(what).env")
      try part.refuseUnknown(["name", "value", "valueFrom"])
      let name = try part.required("name").string("name")
      let value = try part["value"].map { node throws(Problem) in
        try ObjectMeta.text(node, "the value of \(name)")
      }
      environment.append((name, value ?? ""))
    }
    command = try fields["command"]?.strings("\(what).command") ?? []
    command += try fields["args"]?.strings("\(what).args") ?? []
  }

  private static func probe(_ node: YAMLNode, _ what: String) throws(Problem) -> Probe {
    let fields = try node.fields(what)
    try fields.refuseUnknown([
      "httpGet", "tcpSocket", "exec", "grpc", "initialDelaySeconds", "periodSeconds",
      "timeoutSeconds", "successThreshold", "failureThreshold", "terminationGracePeriodSeconds",
    ])
    let action: Probe.Action
    if let http = try fields["httpGet"]?.fields("\(what).httpGet") {
      try http.refuseUnknown(["path", "port", "host", "scheme", "httpHeaders"])
      action = .http(
        path: try http["path"]?.string("path") ?? "/",
        try PortReference(try http.required("port"), "\(what).httpGet.port"),
        isTLS: try http["scheme"]?.string("scheme").uppercased() == "HTTPS"
      )
    } else if let tcp = try fields["tcpSocket"]?.fields("\(what).tcpSocket") {
      try tcp.refuseUnknown(["port", "host"])
      action = .tcp(try PortReference(try tcp.required("port"), "\(what).tcpSocket.port"))
    } else if let grpc = try fields["grpc"]?.fields("\(what).grpc") {
      try grpc.refuseUnknown(["port", "service"])
      action = .tcp(try PortReference(try grpc.required("port"), "\(what).grpc.port"))
    } else if fields["exec"] != nil {
      action = .exec
    } else {
      throw node.problem("\(what) lacks `httpGet', `tcpSocket', `grpc' or `exec'")
    }
    var probe = Probe(action: action)
    func number(_ name: String, _ least: Int, _ normal: Int) throws(Problem) -> Int {
      try fields[name]?.int("\(what).\(name)", in: least...100_000) ?? normal
    }
    probe.initialDelay = try number("initialDelaySeconds", 0, 0)
    probe.period = try number("periodSeconds", 1, 10)
    probe.timeout = try number("timeoutSeconds", 1, 1)
    probe.successes = try number("successThreshold", 1, 1)
    probe.failures = try number("failureThreshold", 1, 3)
    return probe
  }
}

/// `dnsConfig` of a pod.
public struct PodDNSConfig: Equatable, Sendable {
  /// Name servers.
  public var nameservers: [String] = []
  /// Search domains.
  public var searches: [String] = []
  /// Options; a value may be missing.
  public var options: [(name: String, value: String?)] = []

  /// Makes an empty one.
  public init() {}

  /// Whether both are equal.
  public static func == (left: PodDNSConfig, right: PodDNSConfig) -> Bool {
    left.nameservers == right.nameservers && left.searches == right.searches
      && left.options.map(\.name) == right.options.map(\.name)
      && left.options.map(\.value) == right.options.map(\.value)
  }

  init(_ node: YAMLNode) throws(Problem) {
    let fields = try node.fields("dnsConfig")
    try fields.refuseUnknown(["nameservers", "searches", "options"])
    nameservers = try fields["nameservers"]?.strings("nameservers") ?? []
    searches = try fields["searches"]?.strings("searches") ?? []
    for item in try fields["options"]?.sequence("options") ?? [] {
      options.append(
        (try item["name"]?.string("name") ?? "", try item["value"]?.string("value"))
      )
    }
  }
}

/// The specification of a pod.
public struct PodSpec: Equatable, Sendable {
  /// What a pod puts up with.
  public struct Toleration: Equatable, Sendable {
    var key: String?
    var isExists = false
    var value = ""
    var effect: String?
  }

  /// The containers.
  public var containers: [PodContainer] = []
  /// The containers that run first.
  public var initContainers: [PodContainer] = []
  /// The node, if it is given.
  public var nodeName = ""
  /// Labels that the node must have.
  public var nodeSelector: [String: String] = [:]
  /// Terms of the required node affinity, one of which must hold.
  public var nodeAffinity: [LabelSelector] = []
  /// What it puts up with.
  public var tolerations: [Toleration] = []
  /// Whether it shares the node's network.
  public var usesHostNetwork = false
  /// `dnsPolicy`.
  public var dnsPolicy = "ClusterFirst"
  /// `dnsConfig`.
  public var dnsConfig: PodDNSConfig?
  /// `hostname`.
  public var hostname = ""
  /// `subdomain`.
  public var subdomain = ""
  /// `hostAliases`.
  public var hostAliases: [(address: String, names: [String])] = []
  /// `restartPolicy`.
  public var restartPolicy = "Always"

  /// Makes one without containers.
  public init() {}

  /// Whether both are equal.
  public static func == (left: PodSpec, right: PodSpec) -> Bool {
    left.containers == right.containers && left.nodeName == right.nodeName
      && left.nodeSelector == right.nodeSelector && left.tolerations == right.tolerations
      && left.usesHostNetwork == right.usesHostNetwork && left.dnsPolicy == right.dnsPolicy
      && left.dnsConfig == right.dnsConfig && left.hostname == right.hostname
      && left.subdomain == right.subdomain && left.nodeAffinity == right.nodeAffinity
      && left.hostAliases.map(\.address) == right.hostAliases.map(\.address)
  }

  private static let known: Set<String> = [
    "containers", "initContainers", "ephemeralContainers", "volumes", "nodeName", "nodeSelector",
    "affinity", "tolerations", "hostNetwork", "hostPID", "hostIPC", "hostUsers", "dnsPolicy",
    "dnsConfig", "hostname", "subdomain", "hostAliases", "restartPolicy",
    "terminationGracePeriodSeconds", "activeDeadlineSeconds", "serviceAccountName",
    "serviceAccount", "automountServiceAccountToken", "securityContext", "imagePullSecrets",
    "schedulerName", "priorityClassName", "priority", "readinessGates", "runtimeClassName",
    "enableServiceLinks", "preemptionPolicy", "overhead", "topologySpreadConstraints",
    "setHostnameAsFQDN", "os", "shareProcessNamespace", "schedulingGates", "resourceClaims",
    "resources", "hostnameOverride", "workloadRef",
  ]

  init(_ node: YAMLNode, _ what: String) throws(Problem) {
    let fields = try node.fields(what)
    try fields.refuseUnknown(Self.known)
    for (index, item) in try (fields["containers"]?.sequence("\(what).containers") ?? [])
      .enumerated()
    { containers.append(try PodContainer(item, "\(what).containers[\(index)]")) }
    guard !containers.isEmpty else { throw node.problem("\(what) lacks `containers'") }
    for (index, item) in try (fields["initContainers"]?.sequence("\(what).initContainers") ?? [])
      .enumerated()
    { initContainers.append(try PodContainer(item, "\(what).initContainers[\(index)]")) }
    nodeName = try fields["nodeName"]?.string("\(what).nodeName") ?? ""
    nodeSelector = try ObjectMeta.map(fields["nodeSelector"], "\(what).nodeSelector")
    let required = fields["affinity"]?["nodeAffinity"]?[
      "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    for term in try required?["nodeSelectorTerms"]?.sequence("nodeSelectorTerms") ?? [] {
      nodeAffinity.append(try LabelSelector(term, "nodeSelectorTerms"))
    }
    for item in try fields["tolerations"]?.sequence("\(what).tolerations") ?? [] {
      let part = try item.fields("\(what).tolerations")
      try part.refuseUnknown(["key", "operator", "value", "effect", "tolerationSeconds"])
      tolerations.append(
        Toleration(
          key: part["key"]?.text,
          isExists: part["operator"]?.text == "Exists",
          value: part["value"]?.text ?? "",
          effect: part["effect"]?.text
        )
      )
    }
    usesHostNetwork = try fields["hostNetwork"]?.bool("\(what).hostNetwork") ?? false
    dnsPolicy =
      try fields["dnsPolicy"]?.choice(
        "\(what).dnsPolicy",
        ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]
      ) ?? "ClusterFirst"
    dnsConfig = try fields["dnsConfig"].map { node throws(Problem) in try PodDNSConfig(node) }
    hostname = try fields["hostname"]?.string("\(what).hostname") ?? ""
    subdomain = try fields["subdomain"]?.string("\(what).subdomain") ?? ""
    for item in try fields["hostAliases"]?.sequence("\(what).hostAliases") ?? [] {
      hostAliases.append(
        (
          try item["ip"]?.string("ip") ?? "",
          try item["hostnames"]?.strings("hostnames") ?? []
        )
      )
    }
    restartPolicy =
      try fields["restartPolicy"]?.choice(
        "\(what).restartPolicy",
        ["Always", "OnFailure", "Never"]
      ) ?? "Always"
  }
}

/// A pod: its specification and its state.
public struct PodObject: Equatable, Sendable {
  /// The specification.
  public var spec: PodSpec
  /// `Pending`, `Running`, `Succeeded` or `Failed`.
  public var phase = "Pending"
  /// Its address, once it has one.
  public var address: String?
  /// The node's address.
  public var hostAddress: String?
  /// The containers that are ready.
  public var readyContainers: Set<String> = []
  /// Why it is not scheduled, if it is not.
  public var waitingReason = ""

  /// Makes a pod that waits for a node.
  public init(_ spec: PodSpec) { self.spec = spec }

  /// Whether all containers are ready.
  public var isReady: Bool {
    phase == "Running" && spec.containers.allSatisfy { readyContainers.contains($0.name) }
  }
}
