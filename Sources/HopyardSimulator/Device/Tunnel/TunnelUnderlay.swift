import HopyardWire

/// The outer packet that a tunnel wants to send.
struct TunnelFlow {
  /// The outer source; 0 lets the route choose.
  var source: UInt32 = 0
  /// The outer destination.
  var destination: UInt32
  /// What the outer header says of its payload.
  var ipProtocol: IPProtocol
  /// The device by which it must leave, by index; 0 for any.
  var outputIfindex: Int32 = 0
  var tos: UInt8 = 0
  /// 0 takes the default, or 1 for a group.
  var ttl: UInt8 = 0
  var dontFragment = false
  var mark: UInt32 = 0
  var sourcePort: UInt16 = 0
  var destinationPort: UInt16 = 0
}

/// What the routing tables say of an outer packet.
struct TunnelRoute {
  /// The outer source.
  var source: UInt32
  /// The device by which it leaves.
  unowned(unsafe) var device: NetworkDevice
  /// The largest outer packet.
  var mtu: Int
  /// Whether the outer destination is this host.
  var isLocal: Bool
}

/// What takes the datagrams of a tunnel's UDP port.
protocol TunnelReceiver: AnyObject {
  /// Takes a datagram; its first byte is the IP header's, which has `headerLength` bytes.
  func receive(_ packet: consuming Packet, headerLength: Int, on device: NetworkDevice)
}

/// A UDP port that the kernel holds open for a tunnel.
protocol TunnelSocket: AnyObject {
  func join(_ group: IPv4Address, ifindex: Int32)
  func leave(_ group: IPv4Address, ifindex: Int32)
  func close()
}

/// What a tunnel asks of the namespace in which its outer packets travel: the one where it was
/// made, wherever it is moved later.
protocol TunnelUnderlay: DeviceHost {
  /// The tunnels that were made here.
  var tunnels: TunnelTable { get }
  /// The ports from which outer source ports are taken (`ip_local_port_range`).
  var localPortRange: ClosedRange<Int> { get }
  /// The way of an outer packet; nil if there is none.
  func routeTunnel(_ flow: TunnelFlow) -> TunnelRoute?
  /// Puts the outer IP header before a packet and the packet on the output list, which is sent when
  /// the step at hand has ended.
  func sendTunnelled(_ packet: consuming Packet, _ flow: TunnelFlow)
  /// Opens a UDP port.
  func openTunnelSocket(port: UInt16, _ receiver: any TunnelReceiver) throws(LinkError)
    -> any TunnelSocket
  /// Remembers that packets to the inner destination may be this long (`skb_dst_update_pmtu`).
  func notePathMTU(_ mtu: Int, of packet: borrowing Packet)
  /// Tells the sender of an inner packet that it is too long (`icmp_ndo_send`).
  func tellTooLong(_ packet: borrowing Packet, mtu: Int)
  /// Tells the sender of an inner packet that the far end cannot be reached (`dst_link_failure`).
  func tellUnreachable(_ packet: borrowing Packet)
}

/// The tunnels of a namespace.
final class TunnelTable {
  /// VXLAN's UDP ports.
  var vxlanPorts: [VXLANPort] = []
  /// VXLAN devices made here, wherever they are now.
  var vxlans: [VXLANDevice] = []
  /// IPIP devices made here, wherever they are now, without `tunl0`.
  var ipips: [IPIPDevice] = []
  /// `tunl0`, which takes what no other tunnel wants.
  var fallback: IPIPDevice?

  /// The IPIP device for a packet from `source` to `destination` (`ip_tunnel_lookup`).
  func ipip(from source: UInt32, to destination: UInt32, ifindex: Int32) -> IPIPDevice? {
    func find(_ fits: (IPIPDevice) -> Bool) -> IPIPDevice? {
      var loose: IPIPDevice?
      for device in ipips where device.isUp && fits(device) {
        if device.options.linkIfindex == ifindex { return device }
        if device.options.linkIfindex == 0, loose == nil { loose = device }
      }
      return loose
    }
    if let found = find({
      $0.options.remote.rawValue == source && $0.options.local.rawValue == destination
    }) {
      return found
    }
    if let found = find({ $0.options.remote.rawValue == source && $0.options.local == .any }) {
      return found
    }
    if let found = find({ $0.options.local.rawValue == destination && $0.options.remote == .any }) {
      return found
    }
    if let found = find({ $0.options.local == .any && $0.options.remote == .any }) { return found }
    if let fallback, fallback.isUp { return fallback }
    return nil
  }

  /// Removes every tunnel, as the namespace goes.
  func removeAll() {
    for device in vxlans where !device.isGone { device.host.unregister(device) }
    for device in ipips where !device.isGone { device.host.unregister(device) }
  }
}

extension Packet {
  /// Sees to it that a header can be pushed.
  @inline(__always)
  static func withHeadroom(_ packet: consuming Packet, _ size: Int, _ pool: PacketPool) -> Packet {
    guard packet.headroom < size else { return packet }
    let copy = pool.make(count: packet.count)
    copy.start.copyMemory(from: packet.start, byteCount: packet.count)
    copy.metadata = packet.metadata
    copy.metadata.linkHeaderLength = 0
    return copy
  }
}
