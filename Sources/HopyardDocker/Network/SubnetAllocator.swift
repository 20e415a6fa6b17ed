/// The subnets of one address space: those that users ask for, and those that are chosen from the
/// default pools.
public struct SubnetAllocator: Sendable {
  /// A network that is cut into subnets of one size (`--default-address-pool`).
  public struct Pool: Hashable, Sendable {
    /// The network.
    public var base: Subnet
    /// The length of the subnets' prefixes.
    public var size: Int

    /// Makes a pool.
    public init(_ base: Subnet, size: Int) {
      self.base = base
      self.size = size
    }
  }

  /// Why there is no subnet.
  public enum Failure: Error, Hashable, Sendable, CustomStringConvertible {
    /// The subnet overlaps one that is there.
    case overlap
    /// No pool can be cut into the size that is asked for.
    case invalidPool
    /// All pools are used up.
    case exhausted

    /// dockerd's words.
    public var description: String {
      switch self {
      case .overlap: "Pool overlaps with other one on this address space"
      case .invalidPool: "invalid address pool"
      case .exhausted: "all predefined address pools have been fully subnetted"
      }
    }
  }

  /// The pools for networks on one host.
  public static let localPools: [Pool] =
    [
      ("172.17.0.0/16", 16), ("172.18.0.0/16", 16), ("172.19.0.0/16", 16), ("172.20.0.0/14", 16),
      ("172.24.0.0/14", 16), ("172.28.0.0/14", 16), ("192.168.0.0/16", 20),
    ]
    .compactMap { text, size in Subnet(text).map { Pool($0, size: size) } }

  /// The pools for networks that span hosts.
  public static let globalPools: [Pool] =
    Subnet("10.0.0.0/8").map { [Pool($0, size: 24)] } ?? []

  /// The IPv6 pools of a host: a unique local /48 of its own, cut into /64 (RFC 4193).
  public static func uniqueLocalPools(seed: UInt64) -> [Pool] {
    let identifier = UInt128(seed &* 0x9E37_79B9_7F4A_7C15 >> 24)
    let base = Subnet(address: (UInt128(0xfd) << 40 | identifier) << 80, length: 48, isIPv6: true)
    return [Pool(base, size: 64)]
  }

  private let pools: [Pool]
  private var allocated: [Subnet] = []

  /// Makes an address space; pools are used in the order of their addresses, and one within
  /// another is left out.
  ///
  /// `allocated` is in use from the beginning.
  public init(pools: [Pool] = Self.localPools, allocated: [Subnet] = []) {
    self.allocated = allocated
    let sorted = pools.sorted {
      ($0.base.isIPv6 ? 1 : 0, $0.base.address, $0.base.length)
        < ($1.base.isIPv6 ? 1 : 0, $1.base.address, $1.base.length)
    }
    var kept: [Pool] = []
    for pool in sorted where kept.last?.base.overlaps(pool.base) != true { kept.append(pool) }
    self.pools = kept
  }

  /// Takes one subnet; an address of zeros stands for any subnet of that size.
  public mutating func allocate(_ wanted: Subnet, reserved: [Subnet] = []) throws(Failure) -> Subnet
  {
    if wanted.address == 0 {
      // Without a size the family does not count either.
      if wanted.length == 0, let any = try? allocateAny(isIPv6: wanted.isIPv6, reserved: reserved) {
        return any
      }
      if wanted.length == 0 { return try allocateAny(reserved: reserved) }
      return try allocateAny(isIPv6: wanted.isIPv6, size: wanted.length, reserved: reserved)
    }
    let network = wanted.network
    guard !allocated.contains(where: { $0.overlaps(network) }) else { throw .overlap }
    allocated.append(network)
    return network
  }

  /// Takes the first subnet of the pools that neither is in use nor overlaps what is reserved;
  /// `size` 0 is each pool's own.
  public mutating func allocateAny(
    isIPv6: Bool = false,
    size: Int = 0,
    reserved: [Subnet] = []
  ) throws(Failure) -> Subnet {
    let fitting = pools.filter {
      $0.base.isIPv6 == isIPv6
        && (size == 0 || $0.base.length <= size && size <= $0.base.bits)
    }
    guard !fitting.isEmpty else { throw .invalidPool }
    for pool in fitting {
      let length = size == 0 ? pool.size : size
      guard let subnet = firstFree(in: pool.base, length, reserved) else { continue }
      allocated.append(subnet)
      return subnet
    }
    throw .exhausted
  }

  private func firstFree(in base: Subnet, _ length: Int, _ reserved: [Subnet]) -> Subnet? {
    guard length >= 0, length <= base.bits else { return nil }
    let used = (allocated + reserved).filter { $0.overlaps(base) }
    var candidate = Subnet(address: base.address, length: length, isIPv6: base.isIPv6).network
    if candidate.first < base.first { return nil }
    while candidate.last <= base.last {
      guard let obstacle = used.filter({ $0.overlaps(candidate) }).map(\.last).max() else {
        return candidate
      }
      let end = max(obstacle, candidate.last)
      guard end < base.last else { return nil }
      // The next subnet behind the obstacle: round up to a multiple of the size.
      let next = Subnet(address: end &+ 1, length: length, isIPv6: base.isIPv6)
      if next.first == next.address {
        candidate = next
      } else {
        guard next.last < base.last else { return nil }
        candidate = Subnet(address: next.last &+ 1, length: length, isIPv6: base.isIPv6)
      }
    }
    return nil
  }

  /// Gives a subnet back.
  public mutating func release(_ subnet: Subnet) {
    if let index = allocated.firstIndex(of: subnet.network) { allocated.remove(at: index) }
  }
}
