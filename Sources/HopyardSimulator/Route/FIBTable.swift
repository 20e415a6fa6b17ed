/// The part of a route that a lookup reads: plain data in one dense array.
struct FIBAlias<Address: RoutableAddress> {
  var prefix: Address
  var gateway: Address = 0
  var ifindex: Int32 = 0
  /// The next route of the same prefix, in the order in which they are asked; -1 for none.
  var next: Int32 = -1
  var table: UInt32
  var priority: UInt32
  var mtu: UInt32 = 0
  var pathCount: Int32 = 0
  var type: RouteType
  var scope: RouteScope
  var tos: UInt8
  var length: UInt8
  var nexthopScope: RouteScope = .nowhere
  var nexthopFlags: UInt8 = 0
  var isDead = false
  var hasGateway = false
  var isMTULocked = false

  init(_ route: Route<Address>) {
    prefix = route.prefix
    length = UInt8(truncatingIfNeeded: route.length)
    table = route.table
    priority = route.priority
    type = route.type
    scope = route.scope
    tos = route.tos
    refresh(from: route)
  }

  /// Takes over what can change in a route that stays.
  mutating func refresh(from route: Route<Address>) {
    // A black hole object has no next hops.
    type = route.nexthopID != 0 && route.nexthops.isEmpty ? .blackhole : route.type
    isDead = route.flags.contains(.dead)
    mtu = route.metrics.mtu
    isMTULocked = route.metrics.isMTULocked
    pathCount = Int32(truncatingIfNeeded: route.nexthops.count)
    if let path = route.nexthops.first {
      set(path)
    }
  }

  private mutating func set(_ path: Nexthop<Address>) {
    ifindex = path.ifindex
    gateway = path.gateway ?? 0
    // A gateway that is this host itself, or behind another router, is not asked by ARP.
    hasGateway = path.gateway != nil && path.scope == .link
    nexthopScope = path.scope
    nexthopFlags = UInt8(truncatingIfNeeded: path.flags.rawValue)
  }
}

/// One routing table, or the `local` and `main` tables together while there are no custom rules.
///
/// As in Linux those two share one trie until a policy rule is added or deleted, so that a longer
/// prefix in `main` wins over a shorter one in `local`.
final class FIBTable<Address: RoutableAddress> {
  @exclusivity(unchecked) var tree = PrefixTree<Address>() {
    didSet {
      index = nil
      lookups = 0
    }
  }
  /// What finds prefixes in a large table, made when that is worth it.
  @exclusivity(unchecked) private var index: PrefixIndex<Address>?
  /// How often a large table was walked since it changed.
  @exclusivity(unchecked) private var lookups = 0

  /// The deepest node whose prefix holds an address, or -1.
  @inline(__always)
  func deepest(_ address: Address) -> Int32 {
    if index != nil { return index.unsafelyUnwrapped.deepest(address) }
    return deepestSlowly(address)
  }

  private func deepestSlowly(_ address: Address) -> Int32 {
    if tree.count >= PrefixIndex<Address>.minimumCount {
      lookups &+= 1
      // Making the index costs about as much as walking the tree so often.
      if lookups &* 4 > tree.count { index = PrefixIndex(tree) }
    }
    return tree.deepest(address)
  }

  /// How many default routes there are, of each table that is in here.
  @exclusivity(unchecked) var defaultCount = 0
}
