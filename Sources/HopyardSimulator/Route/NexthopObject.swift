/// A nexthop object (`ip nexthop`): a next hop, a black hole, or a group of other objects.
public struct NexthopObject<Address: RoutableAddress>: Hashable, Sendable {
  /// A member of a group.
  public struct Member: Hashable, Sendable {
    /// The number of the object.
    public var id: UInt32
    /// Its share of the flows, 1 through 256.
    public var weight: Int

    /// Makes a member.
    public init(id: UInt32, weight: Int = 1) {
      self.id = id
      self.weight = weight
    }
  }

  /// The object's number.
  public var id: UInt32
  /// Who made it.
  public var `protocol`: RouteProtocol
  /// The next hop; without meaning for groups and black holes.
  public var nexthop: Nexthop<Address>
  /// Whether it drops what is sent to it.
  public var isBlackhole: Bool
  /// The members, for a group.
  public var members: [Member]
  /// Whether it may only stand for the bridge's forwarding database (`fdb`).
  public var isForwardingDatabase = false

  /// Makes an object.
  public init(
    id: UInt32,
    nexthop: Nexthop<Address> = Nexthop(),
    isBlackhole: Bool = false,
    members: [Member] = [],
    protocol: RouteProtocol = .unspecified
  ) {
    self.id = id
    self.nexthop = nexthop
    self.isBlackhole = isBlackhole
    self.members = members
    self.protocol = `protocol`
  }

  /// Whether it is a group.
  public var isGroup: Bool { !members.isEmpty }
}
