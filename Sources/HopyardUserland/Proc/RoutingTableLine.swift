import HopyardSimulator

/// A route of the main table as net-tools and `/proc/net/route` show it.
struct RoutingTableLine {
  var destination: UInt32
  var length: Int
  var gateway: UInt32
  var metric: UInt32
  /// The device; nil for routes that lead nowhere.
  var device: String?
  /// `RTF_UP` and its kin.
  var flags: UInt32
  var mtu: UInt32

  var mask: UInt32 { length == 0 ? 0 : ~UInt32(0) << UInt32(32 - length) }
  var isReject: Bool { flags & 0x200 != 0 }

  /// The routes of the main table, shortest prefix first as the kernel lists them.
  static func main(_ namespace: NetworkNamespace) -> [RoutingTableLine] {
    namespace.routes.routes(inTable: 254).compactMap { route in
      guard route.type != .broadcast, route.type != .multicast, route.type != .local else {
        return nil
      }
      let path = route.nexthops.first
      var flags: UInt32 = 1
      if path?.gateway != nil { flags |= 2 }
      if route.length == 32 { flags |= 4 }
      let leadsNowhere = route.type == .unreachable || route.type == .prohibit
      if leadsNowhere { flags |= 0x200 }
      let device = path.flatMap { namespace.devices[$0.ifindex]?.name }
      return RoutingTableLine(
        destination: route.prefix,
        length: route.length,
        gateway: path?.gateway ?? 0,
        metric: route.priority,
        device: device,
        flags: flags,
        mtu: 0
      )
    }
  }
}
