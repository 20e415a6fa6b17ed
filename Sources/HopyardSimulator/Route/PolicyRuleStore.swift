extension RoutingTables {
  /// The policy rules in order.
  public var rules: [PolicyRule<Address>] { ruleList }

  /// Whether a rule of the list matches.
  @inline(__always)
  func matches(_ index: Int, _ key: FlowKey<Address>) -> Bool {
    let isMatch = ruleList.withUnsafeBufferPointer { $0[index].matchesPlainly(key) }
    return isMatch
  }

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
    generation &+= 1
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
  /// Whether the rule applies to a packet.
  @inline(__always)
  func matchesPlainly(_ key: FlowKey<Address>) -> Bool { matchesFields(key) != inverted }

  private func matchesFields(_ key: FlowKey<Address>) -> Bool {
    // What is made here comes from `lo`, which has the number 1.
    let input = key.inputIfindex == 0 ? 1 : key.inputIfindex
    if inputIfindex != 0, inputIfindex != input { return false }
    if outputIfindex != 0, outputIfindex != key.outputIfindex { return false }
    if (mark ^ key.mark) & markMask != 0 { return false }
    if let users, !users.contains(key.uid) { return false }
    if (destination ^ key.destination) & InterfaceAddress<Address>.mask(destinationLength) != 0 {
      return false
    }
    if (source ^ key.source) & InterfaceAddress<Address>.mask(sourceLength) != 0 { return false }
    if tos != 0, tos != key.tos & 0x1c { return false }
    if ipProtocol != 0, ipProtocol != key.ipProtocol { return false }
    if let sourcePorts, !sourcePorts.contains(key.sourcePort) { return false }
    if let destinationPorts, !destinationPorts.contains(key.destinationPort) { return false }
    return true
  }

  /// Whether two rules say the same, their makers aside.
  func isSame(as other: PolicyRule) -> Bool {
    var mine = self
    mine.protocol = other.protocol
    mine.inputIfindex = other.inputIfindex
    mine.outputIfindex = other.outputIfindex
    return mine == other
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
    if rule.inverted, !other.inverted { return false }
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
