public import HopyardSimulator
public import HopyardWire

/// What CoreDNS's `kubernetes` plugin knows: Services, endpoints and pods of the cluster.
public protocol ClusterNames: AnyObject {
  /// Whether a namespace exists.
  func hasNamespace(_ name: String) -> Bool
  /// A Service by name.
  func service(_ namespace: String, _ name: String) -> KubeObject?
  /// The Services with a cluster address.
  func services(withAddress address: IPAddress) -> [KubeObject]
  /// The slices of a Service.
  func slices(_ namespace: String, _ service: String) -> [KubeObject]
  /// The slices with an endpoint of an address.
  func slices(withEndpoint address: IPAddress) -> [KubeObject]
  /// The pods of an address in a namespace.
  func hasPod(_ namespace: String, address: IPAddress) -> Bool
}

/// The `kubernetes` plugin of CoreDNS: answers from the cluster's objects by the Kubernetes DNS
/// specification 1.1.0.
public final class ClusterZone {
  /// How it treats names of pods by their addresses.
  public enum Pods: String, Sendable {
    case disabled
    case insecure
    case verified
  }

  /// The plugin's options.
  public struct Options: Sendable {
    /// The zones, longest first where one is in another.
    public var zones: [DNSName] = []
    /// The TTL of answers, in seconds.
    public var ttl: UInt32 = 5
    /// The pods' names.
    public var pods = Pods.insecure
    /// The namespaces that are shown; empty for all.
    public var namespaces: Set<String> = []
    /// `ignore empty_service`.
    public var ignoresEmptyServices = false
    /// `endpoint_pod_names`.
    public var usesPodNames = false
    /// `zonal`: names of the endpoints of one zone.
    public var isZonal = false
    /// `multicluster`: names of the endpoints of other clusters.
    public var isMulticluster = false
    /// The zone's serial number.
    public var serial: UInt32 = 1
    /// The addresses of the DNS server itself, and its name.
    public var serverAddresses: [IPAddress] = []

    /// The defaults, for `cluster.local`.
    public init() {}
  }

  /// What was found.
  struct Found {
    var answers: [DNSRecord] = []
    var additionals: [DNSRecord] = []
  }

  /// A backend of a Service as a record needs it.
  struct Backend: Hashable {
    var address: IPAddress?
    var target: DNSName?
    var port: UInt16
    var host: String
  }

  /// The options.
  public var options: Options
  /// What is known.
  let names: any ClusterNames
  /// Asks for names outside the zones, for aliases.
  public var upstream: ((DNSQuestion) async -> DNSMessage?)?
  /// Whether the cluster's objects have been read.
  public var isSynced = true

  /// Makes a plugin.
  public init(_ options: Options, _ names: any ClusterNames) {
    self.options = options
    self.names = names
  }

  /// Whether a name is in one of the zones.
  public func zone(of name: DNSName) -> DNSName? {
    options.zones.filter { name.isWithin($0) }.max { $0.labelCount < $1.labelCount }
  }

  /// The response to a query; nil if the name is in none of the zones.
  public func respond(to query: DNSMessage) async -> DNSMessage? {
    guard let question = query.questions.first, let zone = zone(of: question.name) else {
      return nil
    }
    // The zone is written as in the question.
    let shown = question.name.suffix(zone.labelCount)
    var response = query.response()
    response.isAuthoritative = true
    if !isSynced {
      response.responseCode = .serverFailure
      return response
    }
    do {
      let found = try await lookUp(question, shown)
      response.answers = found.answers
      response.additionals = found.additionals
      if found.answers.isEmpty { response.authorities = [soa(shown)] }
    } catch {
      switch error {
      case .noName: response.responseCode = .nameError
      case .failure: response.responseCode = .serverFailure
      }
      response.authorities = [soa(shown)]
    }
    return response
  }

  enum Miss: Error {
    case noName
    case failure
  }

  func name(_ text: String, _ zone: DNSName) -> DNSName? { DNSName(text, origin: zone) }

  func soa(_ zone: DNSName) -> DNSRecord {
    DNSRecord(
      zone,
      ttl: options.ttl,
      .soa(
        DNSStartOfAuthority(
          primary: name("ns.dns", zone) ?? zone,
          mailbox: name("hostmaster", zone) ?? zone,
          serial: options.serial,
          refresh: 7200,
          retry: 1800,
          expire: 86_400,
          minimum: options.ttl
        )
      )
    )
  }

  // MARK: Looking up

  private func lookUp(_ question: DNSQuestion, _ zone: DNSName) async throws(Miss) -> Found {
    let labels = question.name.labels.dropLast(zone.labelCount).map {
      String(decoding: $0, as: UTF8.self)
    }
    if question.type == .ptr, let address = Self.address(ofReverse: question.name) {
      return try reverse(question, address)
    }
    if labels.isEmpty { return try apex(question, zone) }
    if labels.count == 1, labels[0].lowercased() == "dns-version" {
      guard question.type == .txt else { return Found() }
      return Found(answers: [DNSRecord(question.name, ttl: 28_800, .txt("1.1.0"))])
    }
    if labels.map({ $0.lowercased() }) == ["ns", "dns"] {
      let answers = serverRecords(question.name, question.type)
      return Found(answers: answers)
    }
    guard
      let request = ClusterQuery(
        labels,
        isZonal: options.isZonal,
        isMulticluster: options.isMulticluster
      )
    else { throw .noName }
    switch request.kind {
    case .root: return Found()
    case .pod: return try pod(request, question)
    case .service: return try await service(request, question, zone)
    }
  }

  private func apex(_ question: DNSQuestion, _ zone: DNSName) throws(Miss) -> Found {
    switch question.type {
    case .soa: return Found(answers: [soa(zone)])
    case .ns:
      guard let host = name("ns.dns", zone) else { return Found() }
      return Found(
        answers: [DNSRecord(zone, ttl: options.ttl, .ns(host))],
        additionals: serverRecords(host, .a) + serverRecords(host, .aaaa)
      )
    default: return Found()
    }
  }

  private func serverRecords(_ name: DNSName, _ type: DNSRecordType) -> [DNSRecord] {
    options.serverAddresses.compactMap { address in
      switch (address, type) {
      case (.v4(let v4), .a): DNSRecord(name, ttl: options.ttl, .a(v4))
      case (.v6(let v6), .aaaa): DNSRecord(name, ttl: options.ttl, .aaaa(v6))
      default: nil
      }
    }
  }

  func isShown(_ namespace: String) -> Bool {
    options.namespaces.isEmpty || options.namespaces.contains(namespace)
  }

  // MARK: Pods

  private func pod(_ request: ClusterQuery, _ question: DNSQuestion) throws(Miss) -> Found {
    guard options.pods != .disabled else { throw .noName }
    let namespace = request.namespace
    guard isShown(namespace) else { throw .noName }
    if request.service.isEmpty {
      guard names.hasNamespace(namespace) else { throw .noName }
      return Found()
    }
    guard let address = Self.address(ofDashed: request.service) else { throw .noName }
    switch options.pods {
    case .disabled: throw .noName
    case .insecure:
      guard names.hasNamespace(namespace) else { throw .noName }
    case .verified:
      guard names.hasPod(namespace, address: address) else { throw .noName }
    }
    switch (address, question.type) {
    case (.v4(let v4), .a):
      return Found(answers: [DNSRecord(question.name, ttl: options.ttl, .a(v4))])
    case (.v6(let v6), .aaaa):
      return Found(answers: [DNSRecord(question.name, ttl: options.ttl, .aaaa(v6))])
    default: return Found()
    }
  }

  /// The address that a label with dashes stands for.
  static func address(ofDashed label: String) -> IPAddress? {
    if label.filter({ $0 == "-" }).count == 3, !label.contains("--"),
      let v4 = IPv4Address(label.replacing("-", with: "."))
    {
      return .v4(v4)
    }
    return IPv6Address(label.replacing("-", with: ":")).map { .v6($0) }
  }

  /// The label with dashes that stands for an address.
  static func dashed(_ address: IPAddress) -> String {
    let text = address.description
    return address.v4 != nil ? text.replacing(".", with: "-") : text.replacing(":", with: "-")
  }

  // MARK: Reverse

  /// The address that a reverse name stands for.
  public static func address(ofReverse name: DNSName) -> IPAddress? {
    if let v4 = name.reversedAddress { return .v4(v4) }
    let labels = name.labels.map { String(decoding: $0, as: UTF8.self).lowercased() }
    guard labels.count == 34, labels[32] == "ip6", labels[33] == "arpa" else { return nil }
    var value: UInt128 = 0
    for digit in labels.prefix(32).reversed() {
      guard digit.count == 1, let number = UInt8(digit, radix: 16) else { return nil }
      value = value << 4 | UInt128(number)
    }
    return .v6(IPv6Address(rawValue: value))
  }

  private func reverse(_ question: DNSQuestion, _ address: IPAddress) throws(Miss) -> Found {
    let domain = options.zones.first { zone in
      let text = zone.description.lowercased()
      return !text.hasSuffix("in-addr.arpa.") && !text.hasSuffix("ip6.arpa.")
    }
    guard let domain else { throw .noName }
    var targets: [DNSName] = []
    for object in names.services(withAddress: address) where isShown(object.meta.namespace) {
      if let name = name("\(object.meta.name).\(object.meta.namespace).svc", domain) {
        targets.append(name)
      }
    }
    if targets.isEmpty {
      for object in names.slices(withEndpoint: address) where isShown(object.meta.namespace) {
        guard let slice = object.slice else { continue }
        for endpoint in slice.endpoints
        where endpoint.addresses.contains(where: { KubeAddress.parse($0) == address }) {
          let host = hostname(endpoint, address)
          if let name = name("\(host).\(slice.service).\(object.meta.namespace).svc", domain),
            !targets.contains(name)
          {
            targets.append(name)
          }
        }
      }
    }
    guard !targets.isEmpty else { throw .noName }
    return Found(answers: targets.map { DNSRecord(question.name, ttl: options.ttl, .ptr($0)) })
  }

  /// The label by which an endpoint is found below its Service.
  public func hostname(_ endpoint: EndpointSlice.Endpoint, _ address: IPAddress) -> String {
    if !endpoint.hostname.isEmpty { return endpoint.hostname }
    if options.usesPodNames, let pod = endpoint.pod, !pod.isEmpty { return pod }
    return Self.dashed(address)
  }
}

/// The parts of a name in a cluster's zone.
public struct ClusterQuery: Equatable {
  /// What a name is about.
  public enum Kind: Equatable, Sendable {
    /// `svc`, `pod`, or a namespace under them, alone.
    case root
    /// A Service or its endpoints.
    case service
    /// A pod by its address.
    case pod
  }

  var kind: Kind
  var namespace = ""
  /// The Service, or the pod's address.
  var service = ""
  /// The endpoint's host name.
  var endpoint = ""
  /// The cluster of an endpoint of several clusters.
  var cluster = ""
  /// `_PORT`.
  var port = ""
  /// `_PROTOCOL`.
  var ipProtocol = ""
  /// The zone of the endpoints, and whether others will do.
  var zone: (name: String, isStrict: Bool)?
  /// Whether it names a namespace only.
  var isNamespaceOnly = false

  /// `PORT.PROTOCOL.ENDPOINT.CLUSTER.SERVICE.NAMESPACE.KIND`, as CoreDNS's own tests write it.
  public var text: String {
    let last =
      switch kind {
      case .root: ""
      case .service: "svc"
      case .pod: "pod"
      }
    return [port, ipProtocol, endpoint, cluster, service, namespace, last].joined(separator: ".")
  }

  /// The zone of the endpoints; empty for all.
  public var zoneName: String { zone?.name ?? "" }

  /// Whether both are equal.
  public static func == (left: ClusterQuery, right: ClusterQuery) -> Bool {
    left.kind == right.kind && left.namespace == right.namespace && left.service == right.service
      && left.endpoint == right.endpoint && left.port == right.port
      && left.ipProtocol == right.ipProtocol && left.cluster == right.cluster
  }

  /// Reads the labels in front of the zone (`parseRequest`); nil if no name has this form.
  public init?(_ original: [String], isZonal: Bool = false, isMulticluster: Bool = false) {
    let labels = original.map { $0.lowercased() }
    guard let last = labels.last else { return nil }
    switch last {
    case "svc": kind = .service
    case "pod": kind = .pod
    default: return nil
    }
    guard labels.count > 1 else {
      kind = .root
      return
    }
    namespace = labels[labels.count - 2]
    guard labels.count > 2 else {
      isNamespaceOnly = true
      return
    }
    service = labels[labels.count - 3]
    var rest = Array(labels.dropLast(3))
    if isZonal, rest.last == "_zone", rest.count == 3, kind == .service,
      rest[1] == "pin" || rest[1] == "prefer"
    {
      zone = (rest[0], rest[1] == "pin")
      return
    }
    guard kind == .service || rest.isEmpty else { return nil }
    switch rest.count {
    case 0: return
    case 1: endpoint = rest[0]
    case 2:
      if !isMulticluster || rest[0].hasPrefix("_") || rest[1].hasPrefix("_") {
        port = String(rest[0].drop { $0 == "_" })
        ipProtocol = String(rest[1].drop { $0 == "_" })
      } else {
        cluster = rest[1]
        endpoint = rest[0]
      }
    default: return nil
    }
    rest = []
  }
}
