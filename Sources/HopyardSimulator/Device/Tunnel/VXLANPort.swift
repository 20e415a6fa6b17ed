import HopyardWire

/// A UDP port of a namespace on which VXLAN devices listen: frames are told apart by their VNI.
final class VXLANPort: TunnelReceiver {
  /// The port's number.
  let number: UInt16
  /// The devices that are up, by VNI.
  var devices: [UInt32: VXLANDevice] = [:]
  private(set) var socket: (any TunnelSocket)?
  private unowned(unsafe) let underlay: any TunnelUnderlay

  private init(number: UInt16, underlay: any TunnelUnderlay) {
    self.number = number
    self.underlay = underlay
  }

  /// The port, opened if it is not.
  static func open(_ number: UInt16, in underlay: any TunnelUnderlay) throws(LinkError)
    -> VXLANPort
  {
    if let known = underlay.tunnels.vxlanPorts.first(where: { $0.number == number }) {
      return known
    }
    let port = VXLANPort(number: number, underlay: underlay)
    port.socket = try underlay.openTunnelSocket(port: number, port)
    underlay.tunnels.vxlanPorts.append(port)
    return port
  }

  /// Whether the port can be had.
  static func check(_ number: UInt16, in underlay: any TunnelUnderlay) throws(LinkError) {
    if underlay.tunnels.vxlanPorts.contains(where: { $0.number == number }) { return }
    let probe = VXLANPort(number: number, underlay: underlay)
    try underlay.openTunnelSocket(port: number, probe).close()
  }

  /// Closes the port when the last device has left.
  func closeIfUnused() {
    guard devices.isEmpty else { return }
    socket?.close()
    socket = nil
    underlay.tunnels.vxlanPorts.removeAll { $0 === self }
  }

  /// Takes a datagram (`vxlan_rcv`).
  func receive(_ packet: consuming Packet, headerLength: Int, on device: NetworkDevice) {
    var packet = packet
    let source = packet.ipv4(at: 12)
    let tos = packet.u8(at: 1)
    guard packet.count >= headerLength + 16 else {
      return underlay.drop(packet, .malformed, on: device)
    }
    packet.pull(headerLength + 8)
    // Only the flag for a valid VNI may be set.
    guard packet.u32(at: 0) == 0x0800_0000, packet.u8(at: 7) == 0 else {
      return underlay.drop(packet, .malformed, on: device)
    }
    let vni = packet.u32(at: 4) >> 8
    packet.pull(8)
    guard let target = devices[vni], packet.count >= 14 else {
      return underlay.drop(packet, .ignored, on: device)
    }
    guard TunnelECN.decapsulate(outer: tos, &packet, at: 14) else {
      target.statistics.receiveErrors &+= 1
      return underlay.drop(packet, .malformed, on: device)
    }
    target.accept(packet, from: source)
  }
}
