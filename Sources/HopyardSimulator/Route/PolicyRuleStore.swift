extension RoutingTables {
  /// The policy rules in order.
  public var rules: [PolicyRule<Address>] { ruleList }

  /// Adds a rule (`RTM_NEWRULE`).
  ///
  /// Without a priority it gets one before the second rule, as Linux does.
  public func insertRule(
    _ new: PolicyRule<Address>,
    priorityGiven: Bool,
    exclusive: Bool = true
  ) throws(RouteError) {
    var rule = new
    if !priorityGiven { rule.priority = defaultRulePriority }
    if rule.action == .goto {
      if rule.target == 0 || rule.target <= rule.priority {
        throw RouteError(.invalidArgument, "Backward goto not supported")
      }
    }
    if rule.action == .table, rule.table == 0 {
      guard let free = (UInt32(1)...252).first(where: { !hasTable($0) }) else {
        throw RouteError(.noBufferSpace)
      }
      rule.table = free
    }
    resolveDevices(&rule)
    if exclusive, ruleList.contains(where: { $0.isSame(as: rule) }) {
      throw RouteError(.fileExists)
    }
    separateLocalTable()
    let place = ruleList.firstIndex { $0.priority > rule.priority } ?? ruleList.count
    ruleList.insert(rule, at: place)
    rulesChanged()
  }

  /// Deletes the first rule that agrees in all that is given (`RTM_DELRULE`).
  public func deleteRule(_ selector: PolicyRuleSelector<Address>) throws(RouteError) {
    if selector.rule.action == .goto {
      let priority = selector.comparesPriority ? selector.rule.priority : defaultRulePriority
      if selector.rule.target <= priority {
        throw RouteError(.invalidArgument, "Backward goto not supported")
      }
    }
    guard let place = ruleList.firstIndex(where: { selector.matches($0) }) else {
      throw RouteError(.noSuchFile)
    }
    separateLocalTable()
    ruleList.remove(at: place)
    rulesChanged()
  }

  private var defaultRulePriority: UInt32 {
    guard ruleList.count > 1, ruleList[1].priority > 0 else { return 0 }
    return ruleList[1].priority - 1
  }

  private func rulesChanged() {
    rulesNeedPorts = ruleList.contains {
      $0.ipProtocol != 0 || $0.sourcePorts != nil || $0.destinationPorts != nil
    }
    compileRules()
    generation &+= 1
  }

  private func compileRules() {
    compiledRules = ContiguousArray(ruleList.map { CompiledPolicy($0) })
    for index in compiledRules.indices where ruleList[index].action == .goto {
      let target = ruleList[index].target
      // A target always stands behind its rule, so that a walk ends.
      if let place = ruleList.firstIndex(where: { $0.priority == target }), place > index {
        compiledRules[index].next = Int32(truncatingIfNeeded: place)
      }
    }
  }

  private func resolveDevices(_ rule: inout PolicyRule<Address>) {
    rule.inputIfindex = rule.inputDevice.map { devices?.routeDeviceIndex(named: $0) ?? -1 } ?? 0
    rule.outputIfindex = rule.outputDevice.map { devices?.routeDeviceIndex(named: $0) ?? -1 } ?? 0
  }

  /// Binds rules to devices by name again, after a device came, went or changed its name.
  public func devicesRenamed() {
    // The standard rules name no device.
    if changedRules != nil {
      for index in ruleList.indices
      where ruleList[index].inputDevice != nil || ruleList[index].outputDevice != nil {
        resolveDevices(&ruleList[index])
      }
    }
    generation &+= 1
  }

  /// Whether the rule of this number jumps to one that is not there.
  public func isUnresolved(_ rule: PolicyRule<Address>) -> Bool {
    rule.action == .goto && !ruleList.contains { $0.priority == rule.target }
  }

  /// Whether a device that a rule names does not exist.
  public func isDetached(_ name: String) -> Bool { devices?.routeDeviceIndex(named: name) == nil }
}

extension PolicyRule {
  /// Whether a new rule counts as the same as this one, as `rule_exists`.
  ///
  /// What the new one leaves open of addresses and type of service does not matter, nor `not`.
  func isSame(as new: PolicyRule) -> Bool {
    var mine = self
    mine.inverted = new.inverted
    mine.inputIfindex = new.inputIfindex
    mine.outputIfindex = new.outputIfindex
    mine.target = new.target
    if new.realms == 0 { mine.realms = 0 }
    if new.tos == 0 { mine.tos = 0 }
    if new.sourceLength == 0 {
      mine.source = new.source
      mine.sourceLength = 0
    }
    if new.destinationLength == 0 {
      mine.destination = new.destination
      mine.destinationLength = 0
    }
    return mine == new
  }
}

/// What a rule that is to be deleted must be like; nil means that it does not matter.
public struct PolicyRuleSelector<Address: RoutableAddress>: Hashable, Sendable {
  /// Fields to compare where they are not empty.
  public var rule: PolicyRule<Address>
  /// Whether the priority counts.
  public var comparesPriority = false
  /// Whether the action counts.
  public var comparesAction = false
  /// Whether the table counts.
  public var comparesTable = false
  /// Whether the mark counts.
  public var comparesMark = false
  /// Whether the mark's mask counts.
  public var comparesMask = false
  /// Whether the source prefix counts.
  public var comparesSource = false
  /// Whether the destination prefix counts.
  public var comparesDestination = false

  /// Makes a selector that takes every rule.
  public init() { rule = PolicyRule() }

  func matches(_ other: PolicyRule<Address>) -> Bool {
    if comparesAction, rule.action != other.action { return false }
    if comparesTable, rule.table != other.table { return false }
    if comparesPriority, rule.priority != other.priority { return false }
    if let name = rule.inputDevice, name != other.inputDevice { return false }
    if let name = rule.outputDevice, name != other.outputDevice { return false }
    if comparesMark, rule.mark != other.mark { return false }
    if comparesMask, rule.markMask != other.markMask { return false }
    if rule.suppressPrefixLength != -1, rule.suppressPrefixLength != other.suppressPrefixLength {
      return false
    }
    if rule.suppressGroup != -1, rule.suppressGroup != other.suppressGroup { return false }
    if rule.ipProtocol != 0, rule.ipProtocol != other.ipProtocol { return false }
    if rule.protocol != .unspecified, rule.protocol != other.protocol { return false }
    if let users = rule.users, users != other.users { return false }
    if let ports = rule.sourcePorts, ports != other.sourcePorts { return false }
    if let ports = rule.destinationPorts, ports != other.destinationPorts { return false }
    if rule.tos != 0, rule.tos != other.tos { return false }
    if comparesSource,
      rule.source != other.source || rule.sourceLength != other.sourceLength
    {
      return false
    }
    if comparesDestination,
      rule.destination != other.destination || rule.destinationLength != other.destinationLength
    {
      return false
    }
    return true
  }
}

/// A policy rule as lookups read it: plain data.
struct CompiledPolicy<Address: RoutableAddress> {
  let source: Address
  let sourceMask: Address
  let destination: Address
  let destinationMask: Address
  let inputIfindex: Int32
  let outputIfindex: Int32
  let mark: UInt32
  let markMask: UInt32
  let table: UInt32
  let suppressPrefixLength: Int32
  let suppressGroup: Int32
  let firstUser: UInt32
  let lastUser: UInt32
  let firstSourcePort: UInt16
  let lastSourcePort: UInt16
  let firstDestinationPort: UInt16
  let lastDestinationPort: UInt16
  let tos: UInt8
  let ipProtocol: UInt8
  let inverted: Bool
  let action: PolicyAction
  /// The rule to go to, for ``PolicyAction/goto``; -1 if it is not there.
  var next: Int32 = -1

  init(_ rule: PolicyRule<Address>) {
    source = rule.source
    sourceMask = InterfaceAddress<Address>.mask(rule.sourceLength)
    destination = rule.destination
    destinationMask = InterfaceAddress<Address>.mask(rule.destinationLength)
    inputIfindex = rule.inputIfindex
    outputIfindex = rule.outputIfindex
    mark = rule.mark
    markMask = rule.markMask
    table = rule.table
    suppressPrefixLength = rule.suppressPrefixLength
    suppressGroup = rule.suppressGroup
    firstUser = rule.users?.lowerBound ?? 0
    lastUser = rule.users?.upperBound ?? .max
    firstSourcePort = rule.sourcePorts?.lowerBound ?? 0
    lastSourcePort = rule.sourcePorts?.upperBound ?? .max
    firstDestinationPort = rule.destinationPorts?.lowerBound ?? 0
    lastDestinationPort = rule.destinationPorts?.upperBound ?? .max
    tos = rule.tos
    ipProtocol = rule.ipProtocol
    inverted = rule.inverted
    action = rule.action
  }

  /// Whether the rule applies to a packet.
  @inline(__always)
  func matches(_ key: FlowKey<Address>) -> Bool { matchesFields(key) != inverted }

  @inline(__always)
  private func matchesFields(_ key: FlowKey<Address>) -> Bool {
    // What is made here comes from `lo`, which has the number 1.
    let input = key.inputIfindex == 0 ? 1 : key.inputIfindex
    return (inputIfindex == 0 || inputIfindex == input)
      && (outputIfindex == 0 || outputIfindex == key.outputIfindex)
      && (mark ^ key.mark) & markMask == 0
      && (destination ^ key.destination) & destinationMask == 0
      && (source ^ key.source) & sourceMask == 0
      && (tos == 0 || tos == key.tos & 0x1c)
      && (ipProtocol == 0 || ipProtocol == key.ipProtocol)
      && key.uid >= firstUser && key.uid <= lastUser
      && key.sourcePort >= firstSourcePort && key.sourcePort <= lastSourcePort
      && key.destinationPort >= firstDestinationPort
      && key.destinationPort <= lastDestinationPort
  }
}
