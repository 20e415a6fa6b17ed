import HopyardSimulator
import HopyardWire

/// Makes kube-proxy's rules for all nodes of a cluster, so that what is equal on them is made once.
///
/// The rules of a Service whose endpoints do not depend on the node are one object for the whole
/// cluster; a sync of one node remakes only what changed since the last one of any node.
public final class ProxyCompiler {
  /// A Service's port with its endpoints.
  struct Entry: Equatable {
    var service: ProxyService
    var endpoints: [ProxyEndpoint]
  }

  /// Typed chains, in the order of their names.
  public final class Compiled {
    let filter: [Chain]
    let nat: [Chain]
    init(filter: [Chain], nat: [Chain]) {
      self.filter = filter
      self.nat = nat
    }
  }

  /// One Service's rules with their typed form.
  private final class Part {
    let rules: ServiceRules
    let chains: [Chain]
    let natServices: [Rule]
    let natNodePorts: [Rule]
    let filterServices: [Rule]
    let filterExternal: [Rule]
    let filterFirewall: [Rule]
    let filterNodePorts: [Rule]

    init(_ rules: ServiceRules, _ family: RuleFamily, _ pool: ChainPool) {
      self.rules = rules
      chains = rules.chains.map {
        pool.intern(
          Chain(name: $0.name, hook: nil, policy: nil, rules: $0.rules.map { $0.rule(family) })
        )
      }
      natServices = rules.natServices.map { $0.rule(family) }
      natNodePorts = rules.natNodePorts.map { $0.rule(family) }
      filterServices = rules.filterServices.map { $0.rule(family) }
      filterExternal = rules.filterExternal.map { $0.rule(family) }
      filterFirewall = rules.filterFirewall.map { $0.rule(family) }
      filterNodePorts = rules.filterNodePorts.map { $0.rule(family) }
    }
  }

  /// The Services' ports, in the order of their names.
  private(set) var entries: [String: Entry] = [:]
  private var names: [String] = []
  private var shared: [String: Part] = [:]
  private var perNode: [String: [String: Part]] = [:]
  private var common: [ProxyConfiguration: Compiled] = [:]
  private var isLarge = false
  private var endpointCount = 0
  /// Grows with each change.
  public private(set) var version = 0

  /// Makes a compiler without Services.
  public init() {}

  /// Sets, changes or removes a Service's port.
  func set(_ name: String, _ entry: Entry?) {
    guard entries[name] != entry else { return }
    let old = entries[name]
    if old == nil || entry == nil {
      names = []
    }
    endpointCount += (entry?.endpoints.count ?? 0) - (old?.endpoints.count ?? 0)
    entries[name] = entry
    shared[name] = nil
    for node in perNode.keys { perNode[node]?[name] = nil }
    common = [:]
    version += 1
  }

  private func dependsOnNode(_ entry: Entry) -> Bool {
    entry.service.usesLocalEndpoints || !entry.service.sourceRanges.isEmpty
      || entry.endpoints.contains { !$0.zones.isEmpty }
  }

  /// The chains for a node.
  func compiled(_ configuration: ProxyConfiguration, _ pool: ChainPool) -> Compiled {
    if names.isEmpty { names = entries.keys.sorted() }
    let large = endpointCount > configuration.largeClusterThreshold
    if large != isLarge {
      isLarge = large
      shared = [:]
      perNode = [:]
      common = [:]
    }
    var plain = configuration
    plain.nodeName = ""
    plain.zone = nil
    if plain.nodePortAddresses.isEmpty { plain.nodeAddresses = [] }
    var isCommon = true
    for name in names {
      if let entry = entries[name], dependsOnNode(entry) {
        isCommon = false
        break
      }
    }
    if isCommon, let known = common[plain] { return known }
    var parts: [Part] = []
    parts.reserveCapacity(names.count)
    for name in names {
      guard let entry = entries[name] else { continue }
      parts.append(part(name, entry, configuration, pool))
    }
    let made = assemble(parts, configuration, pool)
    if isCommon { common[plain] = made }
    return made
  }

  private func part(
    _ name: String,
    _ entry: Entry,
    _ configuration: ProxyConfiguration,
    _ pool: ChainPool
  ) -> Part {
    if dependsOnNode(entry) {
      if let known = perNode[configuration.nodeName]?[name] { return known }
    } else if let known = shared[name] {
      return known
    }
    let rules = ServiceRules(entry.service, entry.endpoints, configuration, isLarge: isLarge)
    let made = Part(rules, configuration.family, pool)
    if dependsOnNode(entry) {
      perNode[configuration.nodeName, default: [:]][name] = made
    } else {
      shared[name] = made
    }
    return made
  }

  private func assemble(
    _ parts: [Part],
    _ configuration: ProxyConfiguration,
    _ pool: ChainPool
  ) -> Compiled {
    let family = configuration.family
    func chain(_ name: String, _ rules: [Rule]) -> Chain {
      pool.intern(Chain(name: name, hook: nil, policy: nil, rules: rules))
    }
    func rules(_ own: [ProxyRule]) -> [Rule] { own.map { $0.rule(family) } }
    // The skeleton without Services holds what does not depend on them.
    let frame = ProxyRuleset(configuration, parts: [])
    var nat: [Chain] = []
    for own in frame.nat {
      switch own.name {
      case "KUBE-SERVICES":
        nat.append(chain(own.name, parts.flatMap(\.natServices) + rules(own.rules)))
      case "KUBE-NODEPORTS": nat.append(chain(own.name, parts.flatMap(\.natNodePorts)))
      default: nat.append(chain(own.name, rules(own.rules)))
      }
    }
    for part in parts { nat += part.chains }
    var filter: [Chain] = []
    for own in frame.filter {
      switch own.name {
      case "KUBE-SERVICES": filter.append(chain(own.name, parts.flatMap(\.filterServices)))
      case "KUBE-EXTERNAL-SERVICES":
        filter.append(chain(own.name, parts.flatMap(\.filterExternal)))
      case "KUBE-NODEPORTS": filter.append(chain(own.name, parts.flatMap(\.filterNodePorts)))
      case "KUBE-PROXY-FIREWALL":
        filter.append(chain(own.name, parts.flatMap(\.filterFirewall)))
      default: filter.append(chain(own.name, rules(own.rules)))
      }
    }
    func sorted(_ chains: [Chain]) -> [Chain] {
      chains.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }
    return Compiled(filter: sorted(filter), nat: sorted(nat))
  }
}

/// kube-proxy on one node.
public final class KubeProxy {
  /// Its options.
  public let configuration: ProxyConfiguration
  private let namespace: NetworkNamespace
  private let compiler: ProxyCompiler
  private var syncedVersion = -1
  private var hasJumps = false
  private var installed: ProxyCompiler.Compiled?

  /// Starts kube-proxy in a node's namespace, as far as its rules are concerned.
  public init(
    _ configuration: ProxyConfiguration,
    in namespace: NetworkNamespace,
    _ compiler: ProxyCompiler
  ) {
    self.configuration = configuration
    self.namespace = namespace
    self.compiler = compiler
    if configuration.localhostNodePorts {
      namespace.set(.routeLocalnet, .all, to: 1)
    }
  }

  /// Writes the rules as they should be now (`syncProxyRules`).
  public func sync() {
    guard syncedVersion != compiler.version else { return }
    syncedVersion = compiler.version
    let ruleset = namespace.netfilter.ruleset(configuration.family, configuration.variant)
    let compiled = compiler.compiled(configuration, ruleset.pool)
    guard compiled !== installed else { return }
    installed = compiled
    func isOwn(_ name: String) -> Bool {
      name.hasPrefix("KUBE-SVC-") || name.hasPrefix("KUBE-SEP-") || name.hasPrefix("KUBE-EXT-")
        || name.hasPrefix("KUBE-FW-") || name.hasPrefix("KUBE-SVL-")
    }
    ruleset.table(.filter).install(compiled.filter, removing: isOwn)
    ruleset.table(.nat).install(compiled.nat, removing: isOwn)
    if !hasJumps { addJumps(ruleset) }
  }

  /// Each jump goes to the front, so that the last one stands first.
  private func addJumps(_ ruleset: Ruleset) {
    hasJumps = true
    for jump in ProxyRuleset.jumps(configuration) {
      let rule = jump.rule.rule(configuration.family)
      let table = ruleset.table(jump.table)
      if table.firstIndex(of: rule, inChain: jump.chain) != nil { continue }
      try? table.insert(rule, at: 0, inChain: jump.chain)
    }
  }
}

extension ProxyCompiler {
  /// Adds or changes a Service's port with its endpoints.
  public func add(_ service: ProxyService, _ endpoints: [ProxyEndpoint]) {
    set(service.text, Entry(service: service, endpoints: endpoints))
  }

  /// Removes a Service's port.
  public func remove(_ name: String) { set(name, nil) }
}
