import HopyardWire

/// What the kubelet writes into a pod's `/etc/resolv.conf`.
public struct PodResolver: Equatable, Sendable {
  /// Name servers.
  public var nameservers: [String] = []
  /// Search domains.
  public var searches: [String] = []
  /// Options.
  public var options: [String] = []
  /// Whether something was left out, of which the pod gets an event.
  public var hasWarning = false

  /// Makes an empty one.
  public init() {}

  /// Why a `resolv.conf` cannot be used.
  public struct Failure: Error, Hashable, Sendable {}

  /// Reads a node's `resolv.conf` as the kubelet does.
  public init(parsing text: String) throws(Failure) {
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      let clean = line.drop { $0 == " " || $0 == "\t" || $0 == "\r" }
      if clean.isEmpty || clean.hasPrefix("#") || clean.hasPrefix(";") { continue }
      let words = clean.split { $0 == " " || $0 == "\t" || $0 == "\r" }.map(String.init)
      guard let first = words.first else { continue }
      switch first {
      case "nameserver":
        guard words.count >= 2 else { throw Failure() }
        nameservers.append(words[1])
      case "search":
        searches = words.dropFirst().map {
          $0.count > 1 && $0.hasSuffix(".") ? String($0.dropLast()) : $0
        }
      case "options": options = Self.appended(options, Array(words.dropFirst()))
      default: break
      }
    }
  }

  /// Options behind others; a later one of the same name counts.
  private static func appended(_ options: [String], _ more: [String]) -> [String] {
    var result = options
    func name(_ option: String) -> Substring { option.prefix { $0 != ":" } }
    for option in more {
      result.removeAll { name($0) == name(option) }
      result.append(option)
    }
    return result
  }

  // MARK: Limits

  /// The search domains that are kept: 32 of 2048 characters in all, and none longer than 255.
  public static func limitedSearches(_ searches: [String], expanded: Bool = true) -> (
    searches: [String], warning: Bool
  ) {
    let most = expanded ? 32 : 6
    let length = expanded ? 2048 : 256
    var kept: [String] = []
    var warning = false
    for search in searches {
      if search.utf8.count > 255 {
        warning = true
      } else {
        kept.append(search)
      }
    }
    if kept.count > most {
      kept = Array(kept.prefix(most))
      warning = true
    }
    while kept.joined(separator: " ").utf8.count > length {
      kept.removeLast()
      warning = true
    }
    return (kept, warning)
  }

  /// The name servers that are kept: three.
  public static func limitedServers(_ servers: [String]) -> (servers: [String], warning: Bool) {
    servers.count > 3 ? (Array(servers.prefix(3)), true) : (servers, false)
  }

  /// Options with those of a pod's `dnsConfig` over them.
  public static func merged(_ options: [String], _ own: [(name: String, value: String?)])
    -> [String]
  {
    appended(
      options,
      own.map { name, value in
        if let value, !value.isEmpty { "\(name):\(value)" } else { name }
      }
    )
  }

  // MARK: Policies

  /// Which servers a pod's policy means.
  public enum Kind: String, Sendable {
    case cluster
    case host
    case none
  }

  /// What a `dnsPolicy` means for a pod.
  public static func kind(
    policy: String,
    usesHostNetwork: Bool,
    hasClusterDNS: Bool
  ) throws(Failure) -> Kind {
    switch policy {
    case "None": return .none
    case "ClusterFirstWithHostNet": return hasClusterDNS ? .cluster : .host
    case "ClusterFirst": return hasClusterDNS && !usesHostNetwork ? .cluster : .host
    case "Default", "": return .host
    default: throw Failure()
    }
  }

  /// What a pod gets.
  public static func of(
    namespace: String,
    policy: String,
    usesHostNetwork: Bool,
    config: PodDNSConfig?,
    clusterDNS: [String],
    clusterDomain: String,
    node: PodResolver
  ) throws(Failure) -> PodResolver {
    var result = PodResolver()
    switch try kind(
      policy: policy,
      usesHostNetwork: usesHostNetwork,
      hasClusterDNS: !clusterDNS.isEmpty
    ) {
    case .none: break
    case .host:
      result = node
      if result.nameservers.isEmpty && result.searches.isEmpty { result.searches = ["."] }
      if result.nameservers.isEmpty && config == nil { result.searches = node.searches }
    case .cluster:
      result.nameservers = clusterDNS
      result.searches =
        (clusterDomain.isEmpty
          ? [] : ["\(namespace).svc.\(clusterDomain)", "svc.\(clusterDomain)", clusterDomain])
        + node.searches
      result.options = ["ndots:5"]
    }
    if let config {
      for server in config.nameservers where !result.nameservers.contains(server) {
        result.nameservers.append(server)
      }
      for search in config.searches where !result.searches.contains(search) {
        result.searches.append(search)
      }
      result.options = merged(result.options, config.options)
    }
    let servers = limitedServers(result.nameservers)
    let searches = limitedSearches(result.searches)
    result.nameservers = servers.servers
    result.searches = searches.searches
    result.hasWarning = servers.warning || searches.warning
    return result
  }

  /// The file's text.
  public var text: String {
    var text = ""
    if !searches.isEmpty { text += "search \(searches.joined(separator: " "))\n" }
    for server in nameservers { text += "nameserver \(server)\n" }
    if !options.isEmpty { text += "options \(options.joined(separator: " "))\n" }
    return text
  }
}
