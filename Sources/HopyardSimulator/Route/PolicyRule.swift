/// What a policy rule does with the packets that it matches, with the numbers of `FR_ACT_*`.
public enum PolicyAction: UInt8, Hashable, Sendable {
  /// Look up the table.
  case table = 1
  /// Go on with the rule of another priority.
  case goto = 2
  /// Nothing.
  case nop = 3
  /// Drop in silence.
  case blackhole = 6
  /// Answer that the network is unreachable.
  case unreachable = 7
  /// Answer that it is administratively prohibited.
  case prohibit = 8
}

/// A rule of the routing policy database (`ip rule`).
public struct PolicyRule<Address: RoutableAddress>: Hashable, Sendable {
  /// Its place: lower ones are asked first.
  public var priority: UInt32 = 0
  /// Whether it applies to what it does not match.
  public var inverted = false
  /// The source's network, host bits clear.
  public var source: Address = 0
  /// How many bits of the source count.
  public var sourceLength = 0
  /// The destination's network, host bits clear.
  public var destination: Address = 0
  /// How many bits of the destination count.
  public var destinationLength = 0
  /// The device by which the packet came; `lo` for packets made here.
  public var inputDevice: String?
  /// The device by which the sender wants it to leave.
  public var outputDevice: String?
  /// The mark.
  public var mark: UInt32 = 0
  /// Which of the mark's bits count.
  public var markMask: UInt32 = 0
  /// The type of service; 0 for any.
  public var tos: UInt8 = 0
  /// The protocol above IP; 0 for any.
  public var ipProtocol: UInt8 = 0
  /// The source ports.
  public var sourcePorts: ClosedRange<UInt16>?
  /// The destination ports.
  public var destinationPorts: ClosedRange<UInt16>?
  /// The users.
  public var users: ClosedRange<UInt32>?
  /// What is done.
  public var action: PolicyAction = .table
  /// The table, for ``PolicyAction/table``.
  public var table: UInt32 = 0
  /// The priority of the rule to go to, for ``PolicyAction/goto``.
  public var target: UInt32 = 0
  /// Routes whose prefix is this long or shorter do not count; -1 for none.
  public var suppressPrefixLength: Int32 = -1
  /// Routes through devices of this group do not count; -1 for none.
  public var suppressGroup: Int32 = -1
  /// Who made it.
  public var `protocol`: RouteProtocol = .unspecified
  /// The realms to give to packets.
  public var realms: UInt32 = 0
  /// The device that ``inputDevice`` names now; 0 for none, -1 for a name without a device.
  var inputIfindex: Int32 = 0
  /// The device that ``outputDevice`` names now.
  var outputIfindex: Int32 = 0

  /// Makes a rule that matches everything.
  public init() {}
}
