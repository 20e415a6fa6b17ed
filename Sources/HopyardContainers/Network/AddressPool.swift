public import HopyardWire

/// The addresses of a subnet that are given out to containers.
public struct AddressPool: Sendable {
  /// Why an address is not given.
  public enum Failure: Error, Hashable, Sendable {
    /// All are in use.
    case exhausted
    /// The address is in use.
    case inUse(IPv4Address)
    /// The address is not in the subnet, or is its network or broadcast address.
    case outside(IPv4Address)
  }

  /// The subnet.
  public let subnet: IPv4Prefix
  /// The part of the subnet from which addresses are chosen.
  public let range: ClosedRange<UInt32>
  private var used: Set<UInt32> = []
  private var lowest: UInt32
  private var last: UInt32?

  /// Makes a pool of a subnet, choosing from `range` where one is given; the network and broadcast
  /// addresses of subnets larger than /31 are never given.
  public init(_ subnet: IPv4Prefix, range: IPv4Prefix? = nil) {
    self.subnet = subnet.network
    let outer = Self.hosts(of: subnet.network)
    var inner = outer
    if let range = range?.network {
      let low = max(range.address.rawValue, outer.lowerBound)
      let high = min(range.broadcast.rawValue, outer.upperBound)
      if low <= high { inner = low...high }
    }
    self.range = inner
    lowest = inner.lowerBound
  }

  private static func hosts(of subnet: IPv4Prefix) -> ClosedRange<UInt32> {
    let first = subnet.address.rawValue
    let last = subnet.broadcast.rawValue
    return subnet.length >= 31 ? first...last : (first &+ 1)...(last &- 1)
  }

  /// Whether an address is given out.
  public func isUsed(_ address: IPv4Address) -> Bool { used.contains(address.rawValue) }

  /// How many addresses are given out.
  public var usedCount: Int { used.count }

  /// Gives out the lowest free address, or, `afterLast`, the first free one behind the one given
  /// last, beginning again at the start.
  public mutating func allocate(afterLast: Bool = false) throws(Failure) -> IPv4Address {
    var candidate = lowest
    if afterLast, let last { candidate = last < range.upperBound ? last &+ 1 : range.lowerBound }
    let first = candidate
    while used.contains(candidate) {
      if candidate < range.upperBound {
        candidate &+= 1
      } else if afterLast {
        candidate = range.lowerBound
      } else {
        throw .exhausted
      }
      if candidate == first { throw .exhausted }
    }
    used.insert(candidate)
    last = candidate
    if !afterLast { lowest = candidate }
    return IPv4Address(rawValue: candidate)
  }

  /// Gives out one address.
  public mutating func reserve(_ address: IPv4Address) throws(Failure) {
    guard Self.hosts(of: subnet).contains(address.rawValue) else { throw .outside(address) }
    guard used.insert(address.rawValue).inserted else { throw .inUse(address) }
  }

  /// Takes an address back.
  public mutating func release(_ address: IPv4Address) {
    guard used.remove(address.rawValue) != nil else { return }
    if range.contains(address.rawValue) { lowest = min(lowest, address.rawValue) }
  }
}
